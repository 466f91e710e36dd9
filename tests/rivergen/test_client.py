"""RiverGenClient against the served stand-in: parameters, answers, refusals, configuration."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from roboflow_evals_async.core.errors import (
    AccessDeniedError,
    APIError,
    AuthenticationError,
    ConfigError,
    DecodeError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    NotTrainedError,
)
from roboflow_evals_async.rivergen import endpoints
from roboflow_evals_async.rivergen.client import RiverGenClient
from roboflow_evals_async.rivergen.config import DEFAULT_BASE_URL, resolve
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 1})])
MODEL = "mdl-7f3a19bc92"


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[StandIn]:
    async with StandIn(WORLD) as stand_in:
        yield stand_in


@pytest.fixture
async def client(server: StandIn) -> AsyncIterator[RiverGenClient]:
    async with RiverGenClient(token=server.rivergen_token, base_url=server.url) as made:
        yield made


async def test_the_documented_example(server: StandIn, client: RiverGenClient) -> None:
    summary = await client.performance_summary(MODEL)
    assert (summary.version_id, summary.dataset_split) == ("ver-001a1", "test")
    assert (summary.accuracy, summary.log_loss) == (0.9341, 0.1425)
    request = server.requests[0]
    assert request.path == f"/api/v1/models/{MODEL}/performance/summary"
    assert request.query == {"dataset_split": "test"}
    assert request.auth == "bearer"


async def test_both_parameters_are_sent(server: StandIn, client: RiverGenClient) -> None:
    older = await client.performance_summary(MODEL, version_id="ver-0009f")
    assert (older.version_id, older.accuracy) == ("ver-0009f", 0.9107)
    train = await client.performance_summary(MODEL, dataset_split="train")
    assert (train.dataset_split, train.accuracy) == ("train", 0.9712)
    assert [request.query for request in server.requests] == [
        {"version_id": "ver-0009f", "dataset_split": "test"},
        {"dataset_split": "train"},
    ]


@pytest.mark.parametrize(
    ("model", "task", "metric", "value"),
    [
        ("mdl-regression", "regression", "rmse", 3.27),
        ("mdl-clustering", "clustering", "silhouette_score", 0.48),
        ("mdl-nulls", "classification", "accuracy", 1.0),
        ("mdl-nulls", "classification", "roc_auc", None),
        ("mdl-nulls", "classification", "recall", None),
        ("mdl-retraining", "classification", "accuracy", 0.9107),
    ],
)
async def test_each_task_type(client: RiverGenClient, model: str, task: str, metric: str, value: float | None) -> None:
    summary = await client.performance_summary(model)
    assert summary.task_type == task
    assert summary.metric(metric) == value


async def test_a_split_without_scores_has_no_numbers(client: RiverGenClient) -> None:
    summary = await client.performance_summary("mdl-nulls", dataset_split="train")
    assert summary.metrics == {}
    assert summary.accuracy is None
    assert summary.evaluated is None


@pytest.mark.parametrize(
    ("model", "version", "cls", "status"),
    [
        ("mdl-unknown", None, NotFoundError, 404),
        (MODEL, "ver-unknown", NotFoundError, 404),
        ("mdl-unpromoted", None, NotFoundError, 404),
        ("mdl-forbidden", None, AccessDeniedError, 403),
        ("mdl-draft", None, NotTrainedError, 422),
        ("mdl-training", None, NotTrainedError, 422),
    ],
)
async def test_each_documented_refusal(
    server: StandIn, client: RiverGenClient, model: str, version: str | None, cls: type[APIError], status: int
) -> None:
    with pytest.raises(cls) as caught:
        await client.performance_summary(model, version_id=version)
    assert type(caught.value) is cls
    assert (caught.value.status, caught.value.attempts, len(server.requests)) == (status, 1, 1)
    assert str(caught.value).startswith(f"the performance summary of '{model}': ")


async def test_a_split_that_the_server_refuses(server: StandIn, client: RiverGenClient) -> None:
    body = b'{"error":{"code":"VALIDATION_ERROR","message":"Invalid.","details":{"field":"dataset_split"}}}'
    server.faults.always(MODEL, Fault(status=400, body=body))
    with pytest.raises(InvalidRequestError, match="dataset_split"):
        await client.performance_summary(MODEL)


async def test_nothing_is_sent_for_what_cannot_be(server: StandIn, client: RiverGenClient) -> None:
    wrong: Any = "valid"
    with pytest.raises(InvalidArgumentError) as caught:
        await client.performance_summary(MODEL, dataset_split=wrong)
    assert caught.value.field == "dataset_split"
    with pytest.raises(InvalidArgumentError):
        await client.performance_summary(MODEL, version_id="")
    assert server.requests == []


async def test_a_wrong_or_expired_token(server: StandIn) -> None:
    for token, code in (("wrong-token", "AUTH_INVALID"), (server.expired_rivergen_token, "AUTH_EXPIRED")):
        async with RiverGenClient(token=token, base_url=server.url) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.performance_summary(MODEL)
        assert caught.value.code == code
        assert token not in str(caught.value)
        assert "ROBOFLOW" not in str(caught.value)
        assert "model-eval:read" not in str(caught.value)


async def test_an_expired_token_is_renewed_once(server: StandIn) -> None:
    tokens = iter([server.expired_rivergen_token, server.rivergen_token])

    async def provider() -> str:
        return next(tokens)

    async with RiverGenClient(token=provider, base_url=server.url) as client:
        assert (await client.performance_summary(MODEL)).accuracy == 0.9341
    assert [request.status for request in server.requests] == [401, 200]


async def test_the_numbers_of_another_split_are_never_returned(server: StandIn, client: RiverGenClient) -> None:
    server.faults.always(MODEL, Fault.rewritten(lambda body: body.replace(b'"test"', b'"train"')))
    with pytest.raises(DecodeError, match="'train', not 'test'") as caught:
        await client.performance_summary(MODEL)
    assert (caught.value.attempts, len(server.requests)) == (1, 1)


async def test_the_envelope_over_the_wire(server: StandIn, client: RiverGenClient) -> None:
    server.faults.always(MODEL, Fault.rewritten(lambda body: b'{"success":true,"message":"","data":' + body + b"}"))
    assert (await client.performance_summary(MODEL)).accuracy == 0.9341
    assert (await client.send_raw(endpoints.performance_summary(MODEL))).startswith(b'{"success"')


# -- configuration -----------------------------------------------------------------------------------------------------


async def found(**given: Any) -> tuple[str, str]:
    config = resolve(**given)
    return await config.key.current(), config.base_url


async def test_the_argument_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"RIVERGEN_TOKEN": "from-environment", "RIVERGEN_BASE_URL": "https://e.example"}
    assert await found(environ=environ) == ("from-environment", "https://e.example")
    assert await found(token="given", base_url="https://g.example", environ=environ) == ("given", "https://g.example")
    assert await found(token="given", environ={"RIVERGEN_BASE_URL": ""}) == ("given", DEFAULT_BASE_URL)


async def test_the_clients_environment(monkeypatch: pytest.MonkeyPatch, server: StandIn) -> None:
    monkeypatch.setenv("RIVERGEN_TOKEN", server.rivergen_token)
    monkeypatch.setenv("RIVERGEN_BASE_URL", server.url)
    async with RiverGenClient() as client:
        assert (await client.performance_summary(MODEL)).accuracy == 0.9341


@pytest.mark.parametrize(
    "make",
    [
        lambda: resolve(environ={}),
        lambda: resolve(environ={"RIVERGEN_TOKEN": "", "ROBOFLOW_API_KEY": "k"}),
        lambda: resolve(token="", environ={"RIVERGEN_TOKEN": "t"}),
        lambda: resolve(environ={"RIVERGEN_TOKEN": " \n"}),
        lambda: resolve(token="a b", environ={}),
    ],
)
def test_a_missing_token_is_one_clear_line(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=r"(?i)token") as caught:
        make()
    assert "\n" not in str(caught.value)
    assert "ROBOFLOW" not in str(caught.value)


def test_a_missing_token_names_its_variable() -> None:
    with pytest.raises(ConfigError, match="RIVERGEN_TOKEN"):
        resolve(environ={})


def test_limits_are_checked_as_for_the_other_client() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RiverGenClient(token="t", timeout=0)
    assert caught.value.field == "timeout"
    with pytest.raises(InvalidArgumentError) as caught:
        RiverGenClient(token="t", max_concurrency=0)
    assert caught.value.field == "max_concurrency"
    assert "t'" not in repr(RiverGenClient(token="t'"))
