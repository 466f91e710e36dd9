"""What goes over the wire for every endpoint, and what never leaves."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from roboflow_evals_async import EvalsClient, InvalidArgumentError
from roboflow_evals_async.roboflow import endpoints
from roboflow_evals_async.testing import EvaluationSpec, StandIn, World

from .server import KEY, WORKSPACE, answering, document

WORLD = World(evaluations=[EvaluationSpec(images={"test": 3, "valid": 2}, latency_ms=3.0, model_id="m1")])
(ID,) = WORLD.eval_ids
Call = Callable[[EvalsClient], Awaitable[Any]]

# A call, its path below the workspace, its parameters.
CALLS: dict[str, tuple[Call, str, dict[str, str]]] = {
    "evals": (lambda c: c.evals(), "", {"limit": "200"}),
    "evals status": (lambda c: c.evals(status="done"), "", {"status": "done", "limit": "200"}),
    "evals project": (lambda c: c.evals(project="demo-project"), "", {"project": "demo-project", "limit": "200"}),
    "evals version": (lambda c: c.evals(version=1), "", {"version": "1", "limit": "200"}),
    "evals model": (lambda c: c.evals(model="m1"), "", {"model": "m1", "limit": "200"}),
    "evals limit": (lambda c: c.evals(limit=7), "", {"limit": "7"}),
    "eval": (lambda c: c.eval(ID), f"/{ID}", {}),
    "map_results": (lambda c: c.map_results(ID), f"/{ID}/map-results", {}),
    "confidence_sweep": (lambda c: c.confidence_sweep(ID), f"/{ID}/confidence-sweep", {}),
    "performance_by_class": (
        lambda c: c.performance_by_class(ID),
        f"/{ID}/performance-by-class",
        {"split": "test"},
    ),
    "performance_by_class valid": (
        lambda c: c.performance_by_class(ID, split="valid"),
        f"/{ID}/performance-by-class",
        {"split": "valid"},
    ),
    "confusion_matrix": (lambda c: c.confusion_matrix(ID), f"/{ID}/confusion-matrix", {"split": "test"}),
    "confusion_matrix all": (
        lambda c: c.confusion_matrix(ID, split="all", confidence=50),
        f"/{ID}/confusion-matrix",
        {"split": "all", "confidence": "50"},
    ),
    "vector_analysis": (lambda c: c.vector_analysis(ID), f"/{ID}/vector-analysis", {}),
    "vector_analysis at 20": (
        lambda c: c.vector_analysis(ID, confidence=20),
        f"/{ID}/vector-analysis",
        {"confidence": "20"},
    ),
    "recommendations": (lambda c: c.recommendations(ID), f"/{ID}/recommendations", {}),
    "compare": (
        lambda c: c.compare(project="demo-project", version=1),
        "/compare",
        {"project": "demo-project", "version": "1"},
    ),
    "compare by metric": (
        lambda c: c.compare(project="demo-project", version=1, frontier_metric="f1"),
        "/compare",
        {"project": "demo-project", "version": "1", "frontierMetric": "f1"},
    ),
    "image_predictions": (
        lambda c: c.image_predictions(ID),
        f"/{ID}/image-predictions",
        {"split": "all", "limit": "1000", "offset": "0"},
    ),
    "image_predictions collected": (
        lambda c: c.image_predictions(ID, split="test", confidence=20, page_size=5, start=1).collect(),
        f"/{ID}/image-predictions",
        {"split": "test", "confidence": "20", "limit": "5", "offset": "1"},
    ),
    "image_predictions total": (
        lambda c: c.image_predictions(ID, split="valid").total(),
        f"/{ID}/image-predictions",
        {"split": "valid", "limit": "1", "offset": "0"},
    ),
}


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with StandIn(WORLD).in_thread() as stand_in:
        yield stand_in


def client_of(stand_in: StandIn) -> EvalsClient:
    """A client of the stand-in."""
    return EvalsClient(api_key=stand_in.api_key, workspace=stand_in.workspace, base_url=stand_in.url, max_attempts=1)


@pytest.mark.parametrize(("call", "path", "parameters"), CALLS.values(), ids=CALLS.keys())
async def test_one_call_is_one_request_with_these_parameters(
    served: StandIn, call: Call, path: str, parameters: dict[str, str]
) -> None:
    served.requests.clear()
    async with client_of(served) as client:
        assert await call(client)
    (request,) = served.requests
    assert request.method == "GET"
    assert request.path == f"/{served.workspace}/model-evals{path}"
    assert request.query == parameters
    assert request.auth == "bearer"
    assert request.status == 200


@pytest.mark.parametrize("call", [entry[0] for entry in CALLS.values()], ids=CALLS.keys())
async def test_the_key_goes_in_its_header_and_nowhere_else(call: Call) -> None:
    body = {"evalId": ID, "split": "test", **document("list"), **document("seed_get_done")}
    body |= document("seed_image_predictions")
    body |= {"splits": {}, "matrix": [], "clusters": [], "generated": False, "models": []}
    body |= {"offset": None, "limit": None, "totalImages": None, "images": [], "classes": []}
    async with answering(body) as (client, server):
        await call(client)
    for target, headers in zip(server.targets, server.headers, strict=True):
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert "api_key" not in target
        assert KEY not in target
        assert [name for name, value in headers.items() if KEY in value] == ["Authorization"]
        assert headers["Accept"] == "application/json"
        assert headers["User-Agent"].startswith("roboflow-evals-async/")


@pytest.mark.parametrize(
    ("eval_id", "quoted"),
    [
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("../..", "..%2F.."),
        ("a%2Fb", "a%252Fb"),
        ("100%", "100%25"),
        ("ü猫", "%C3%BC%E7%8C%AB"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("a+b;c,d:e@f", "a%2Bb%3Bc%2Cd%3Ae%40f"),
        ("~a-b_c.d", "~a-b_c.d"),
        ("...", "..."),
        (" padded ", "%20padded%20"),
        ("Compare", "Compare"),
    ],
)
async def test_an_id_is_one_quoted_segment(eval_id: str, quoted: str) -> None:
    async with answering({**document("seed_get_done"), "generated": False}) as (client, server):
        await client.eval(eval_id)
        await client.recommendations(eval_id)
    assert server.targets == [
        f"/{WORKSPACE}/model-evals/{quoted}",
        f"/{WORKSPACE}/model-evals/{quoted}/recommendations",
    ]


async def test_parameters_are_quoted_too() -> None:
    async with answering(document("list")) as (client, server):
        await client.evals(project="a&limit=1 b/ü")
        await client.evals(model="m+1")
    assert [target.partition("?")[2] for target in server.targets] == [
        "project=a%26limit%3D1+b%2F%C3%BC&limit=200",
        "model=m%2B1&limit=200",
    ]


REFUSED_IDS = ["", " ", "\n", ".", "..", "compare", "a\tb", "a\x1b[0m", "\x00", "a\u202eb", None, 5, b"id"]
PANEL_CALLS: dict[str, Callable[[EvalsClient, Any], Any]] = {
    "eval": lambda c, i: c.eval(i),
    "map_results": lambda c, i: c.map_results(i),
    "confidence_sweep": lambda c, i: c.confidence_sweep(i),
    "performance_by_class": lambda c, i: c.performance_by_class(i),
    "confusion_matrix": lambda c, i: c.confusion_matrix(i),
    "vector_analysis": lambda c, i: c.vector_analysis(i),
    "recommendations": lambda c, i: c.recommendations(i),
}


@pytest.mark.parametrize("eval_id", REFUSED_IDS)
async def test_ids_that_name_nothing_or_something_else_are_not_sent(served: StandIn, eval_id: Any) -> None:
    served.requests.clear()
    async with client_of(served) as client:
        for call in PANEL_CALLS.values():
            with pytest.raises(InvalidArgumentError) as caught:
                await call(client, eval_id)
            assert caught.value.field == "eval_id"
            assert (caught.value.attempts, caught.value.checkpoint) == (0, None)
        with pytest.raises(InvalidArgumentError):
            client.image_predictions(eval_id)
    assert served.requests == []


REFUSALS: dict[str, tuple[str, Callable[[EvalsClient, Any], Any], list[Any]]] = {
    "confidence of confusion_matrix": (
        "confidence",
        lambda c, value: c.confusion_matrix(ID, confidence=value),
        [-1, 101, True, False, 20.5, 20.0, "20", 0.2],
    ),
    "confidence of vector_analysis": (
        "confidence",
        lambda c, value: c.vector_analysis(ID, confidence=value),
        [-1, 101, True, 20.5, "20"],
    ),
    "confidence of image_predictions": (
        "confidence",
        lambda c, value: c.image_predictions(ID, confidence=value),
        [-1, 101, True, 20.5, "20"],
    ),
    "split of performance_by_class": (
        "split",
        lambda c, value: c.performance_by_class(ID, split=value),
        ["all", "", "Test", "holdout", None, 1],
    ),
    "split of confusion_matrix": (
        "split",
        lambda c, value: c.confusion_matrix(ID, split=value),
        ["", "ALL", "val", None],
    ),
    "split of image_predictions": (
        "split",
        lambda c, value: c.image_predictions(ID, split=value),
        ["", "ALL", "val", None],
    ),
    "page_size": ("page_size", lambda c, value: c.image_predictions(ID, page_size=value), [0, -1, 1001, True, 1.0]),
    "start": ("start", lambda c, value: c.image_predictions(ID, start=value), [-1, None, "0"]),
    "max_items": ("max_items", lambda c, value: c.image_predictions(ID, max_items=value), [-1, True, 2.0]),
    "on_drift": ("on_drift", lambda c, value: c.image_predictions(ID, on_drift=value), ["stop", None]),
    "resume": ("resume", lambda c, value: c.image_predictions(ID, resume=value), ["rfe1.AAAA", "", 0]),
    "limit of evals": ("limit", lambda c, value: c.evals(limit=value), [0, -1, True, 2.5, "5"]),
    "status of evals": ("status", lambda c, value: c.evals(status=value), ["", "Done", "queued", 1]),
    "project of evals": ("project", lambda c, value: c.evals(project=value), ["", " ", "\n", 4]),
    "version of evals": ("version", lambda c, value: c.evals(version=value), ["", " "]),
    "model of evals": ("model", lambda c, value: c.evals(model=value), ["", " ", 4]),
    "project of compare": ("project", lambda c, value: c.compare(project=value, version=1), ["", " ", None]),
    "version of compare": ("version", lambda c, value: c.compare(project="p", version=value), [0, -1, True, None, 1.5]),
    "frontier_metric": (
        "frontier_metric",
        lambda c, value: c.compare(project="p", version=1, frontier_metric=value),
        ["", "map50_95", "MAP"],
    ),
}


@pytest.mark.parametrize(("field", "call", "values"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_the_server_would_refuse_is_not_sent(
    served: StandIn, field: str, call: Callable[[EvalsClient, Any], Any], values: list[Any]
) -> None:
    served.requests.clear()
    async with client_of(served) as client:
        for value in values:
            with pytest.raises(InvalidArgumentError) as caught:
                await call(client, value)
            assert caught.value.field == field, value
    assert served.requests == []


async def test_the_edges_of_every_range_are_sent(served: StandIn) -> None:
    async with client_of(served) as client:
        assert client.image_predictions(ID, confidence=0)
        assert client.image_predictions(ID, confidence=100)
        assert client.image_predictions(ID, page_size=1)
        assert client.image_predictions(ID, page_size=1000, start=0, max_items=0)
    for confidence in (0, 100):
        assert ("confidence", str(confidence)) in endpoints.vector_analysis(ID, confidence=confidence).query
    assert endpoints.evals(limit=200).query == (("limit", "200"),)
    with pytest.raises(InvalidArgumentError):
        endpoints.evals(limit=201)


async def test_a_raw_body_is_the_servers_letter_by_letter(served: StandIn) -> None:
    async with client_of(served) as client:
        request = endpoints.confusion_matrix(ID)
        raw = await client.send_raw(request)
        assert request.reply.decode(raw) == await client.confusion_matrix(ID)
    evaluation = WORLD.find(ID)
    assert evaluation is not None
    assert raw == evaluation.confusion_matrix("test", 20)


async def test_compare_reads_models_with_and_without_latency(served: StandIn) -> None:
    async with client_of(served) as client:
        found = await client.compare(project="demo-project", version=1)
    (model,) = found.models
    assert (found.project, found.version, found.frontier_metric) == ("demo-project", 1, "mAP5095")
    assert (model.evaluation_id, model.median_latency_ms, model.on_frontier) == (ID, 3.0, True)
    assert model.exclusion_reason is None
    assert model.metrics["mIoU"] is None
    assert model.metrics["mAP5095"] is not None
