"""Bodies of the Performance Summary, documented and odd, as structs."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboflow_evals_async.core.errors import DecodeError, InvalidArgumentError, TruncatedBodyError
from roboflow_evals_async.rivergen import endpoints
from roboflow_evals_async.rivergen.payloads import BETTER, PerformanceSummary, better

# The page's own example, as printed.
EXAMPLE = b"""{
"model_id": "mdl-7f3a19bc92",
"version_id": "ver-001a1",
"task_type": "classification",
"dataset_split": "test",
"metrics": {
"accuracy": 0.9341,
"precision": 0.9185,
"recall": 0.9240,
"f1_score": 0.9212,
"roc_auc": 0.9678,
"log_loss": 0.1425
},
"evaluated_at": "2026-03-13T14:22:10Z"
}"""
DOCUMENT: dict[str, Any] = json.loads(EXAMPLE)
ACCESSORS = tuple(BETTER)


def read(body: bytes, **asked: Any) -> PerformanceSummary:
    return endpoints.performance_summary("mdl-7f3a19bc92", **asked).reply.decode(body)


def changed(**fields: Any) -> bytes:
    return json.dumps({**DOCUMENT, **fields}).encode()


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in DOCUMENT.items() if name not in names}).encode()


def test_the_documented_example() -> None:
    summary = read(EXAMPLE, version_id="ver-001a1")
    assert (summary.model_id, summary.version_id) == ("mdl-7f3a19bc92", "ver-001a1")
    assert (summary.task_type, summary.dataset_split) == ("classification", "test")
    assert (summary.accuracy, summary.precision, summary.recall) == (0.9341, 0.9185, 0.9240)
    assert (summary.f1_score, summary.roc_auc, summary.log_loss) == (0.9212, 0.9678, 0.1425)
    assert summary.metrics == DOCUMENT["metrics"]
    assert summary.other_metrics == {}
    assert summary.evaluated_at == "2026-03-13T14:22:10Z"
    assert summary.evaluated == datetime(2026, 3, 13, 14, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("name", ACCESSORS)
def test_each_metric_has_an_accessor_that_is_none_and_never_zero(name: str) -> None:
    assert getattr(read(changed(metrics={name: 3})), name) == 3.0
    assert isinstance(getattr(read(changed(metrics={name: 3})), name), float)
    for metrics in ({}, {name: None}, {name: float("nan")}, {name: float("inf")}, {"other": 1.0}):
        assert getattr(read(changed(metrics=metrics)), name) is None
    assert getattr(read(changed(metrics={name: 0})), name) == 0.0


ALIASES = {
    "root_mean_squared_error": "rmse",
    "r2": "r_squared",
    "r2_score": "r_squared",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "adjusted_r2": "adjusted_r_squared",
    "adj_r2": "adjusted_r_squared",
}


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_other_spellings_are_understood(alias: str, name: str) -> None:
    summary = read(changed(metrics={alias: 0.5}))
    assert getattr(summary, name) == summary.metric(name) == summary.metric(alias) == 0.5
    assert summary.metrics == {alias: 0.5}
    assert better(alias) == better(name) is not None
    both = read(changed(metrics={alias: 0.5, name: 0.25}))
    assert both.metric(alias) == both.metric(name) == 0.25
    null = read(changed(metrics={alias: 0.5, name: None}))
    assert null.metric(name) == 0.5


def test_which_way_is_better() -> None:
    higher = {name for name in BETTER if better(name) == "higher"}
    assert higher == {"accuracy", "precision", "recall", "f1_score", "roc_auc", "r_squared", "adjusted_r_squared"}
    assert {name for name in BETTER if better(name) == "lower"} == set(BETTER) - higher
    assert better("silhouette_score") is None


def test_unknown_metrics_and_task_types_are_kept() -> None:
    body = changed(task_type="binary_classification", metrics={"silhouette_score": 0.5, "inertia": 1520}, new=[1])
    summary = read(body)
    assert summary.task_type == "binary_classification"
    assert summary.metrics == {"silhouette_score": 0.5, "inertia": 1520.0}
    assert summary.metric("inertia") == 1520.0
    assert summary.metric("davies_bouldin") is None


def test_what_is_no_number_is_kept_apart() -> None:
    odd: dict[str, Any] = {"accuracy": "93 %", "recall": {"cat": 0.5}, "precision": True, "f1_score": [0.1]}
    summary = read(changed(metrics={**odd, "log_loss": 1, "roc_auc": None}))
    assert summary.metrics == {"log_loss": 1.0, "roc_auc": None}
    assert summary.other_metrics == odd
    assert [summary.metric(name) for name in odd] == [None] * 4
    assert summary.log_loss == 1.0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_number_beyond_all_floats_is_none(number: str) -> None:
    summary = read(EXAMPLE.replace(b"0.9341", number.encode()))
    assert summary.metrics["accuracy"] is None
    assert summary.precision == 0.9185


def test_null_metrics_are_no_metrics() -> None:
    assert read(changed(metrics=None)).metrics == {}


@pytest.mark.parametrize("value", [{"success": True}, {"success": True, "message": "ok"}])
def test_the_platforms_envelope_is_opened(value: dict[str, Any]) -> None:
    assert read(json.dumps({**value, "data": DOCUMENT}).encode()) == read(EXAMPLE)
    odd = {**DOCUMENT, "metrics": {"accuracy": None, "note": "x"}, "evaluated_at": None}
    assert read(json.dumps({**value, "data": odd}).encode()).metrics == {"accuracy": None}


@pytest.mark.parametrize(
    "document",
    [
        {"success": False, "data": DOCUMENT},
        {"success": False, **DOCUMENT},
        {"success": False, "error": {"code": "x", "message": "m"}},
        {"data": DOCUMENT},
        {"success": True, "data": None},
        {"success": True, "data": [DOCUMENT]},
        {"success": True},
        {},
    ],
    ids=str,
)
def test_what_reports_no_success_is_no_summary(document: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match=r"model_id|not succeed"):
        read(json.dumps(document).encode())


def test_a_bare_body_with_extra_members_is_bare() -> None:
    assert read(changed(success=True, data={"model_id": "other"})).model_id == "mdl-7f3a19bc92"


@pytest.mark.parametrize("name", ["model_id", "version_id", "dataset_split", "metrics"])
def test_numbers_that_do_not_say_what_they_describe_are_refused(name: str) -> None:
    with pytest.raises(DecodeError, match=name):
        read(without(name))
    with pytest.raises(DecodeError, match=name):
        read(changed(**{name: 7}))


@pytest.mark.parametrize("name", ["task_type", "evaluated_at"])
def test_the_rest_may_be_missing(name: str) -> None:
    for body in (without(name), changed(**{name: None})):
        assert not getattr(read(body), name)
        assert read(body).accuracy == 0.9341


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-13T14:22:10.5Z", datetime(2026, 3, 13, 14, 22, 10, 500_000, tzinfo=UTC)),
        (
            "2026-03-13T16:22:10+02:00",
            datetime(2026, 3, 13, 16, 22, 10, tzinfo=timezone(timedelta(hours=2))),
        ),
        ("2026-03-13T14:22:10", datetime(2026, 3, 13, 14, 22, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_moment_of_scoring(text: str | None, moment: datetime | None) -> None:
    summary = read(changed(evaluated_at=text))
    assert summary.evaluated_at == text
    assert summary.evaluated == moment
    assert summary.evaluated is None or summary.evaluated.tzinfo is not None


def test_another_split_or_version_is_refused() -> None:
    with pytest.raises(DecodeError, match="dataset_split 'test', not 'train'") as caught:
        read(EXAMPLE, dataset_split="train")
    assert caught.value.path == "$.dataset_split"
    with pytest.raises(DecodeError, match="version_id 'ver-001a1', not 'ver-2'") as caught:
        read(EXAMPLE, version_id="ver-2")
    assert caught.value.path == "$.version_id"
    wrapped = json.dumps({"success": True, "data": DOCUMENT}).encode()
    with pytest.raises(DecodeError, match="not 'train'"):
        read(wrapped, dataset_split="train")


def test_a_body_cut_anywhere_is_a_cut_body() -> None:
    for length in range(len(EXAMPLE)):
        with pytest.raises(TruncatedBodyError):
            read(EXAMPLE[:length])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(ACCESSORS) | st.text(max_size=4), json_values, max_size=5))
def test_no_metrics_make_it_fail_and_no_number_is_invented(metrics: dict[str, Any]) -> None:
    summary = read(changed(metrics=metrics))
    assert set(summary.metrics) | set(summary.other_metrics) == set(metrics)
    assert not set(summary.metrics) & set(summary.other_metrics)
    for name, value in summary.metrics.items():
        assert value is None or value == float(metrics[name])


@pytest.mark.parametrize("split", ["Test", "valid", "all", "", None])
def test_an_unknown_split_is_refused_before_sending(split: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="train, validation, test") as caught:
        endpoints.performance_summary("mdl-1", dataset_split=split)
    assert caught.value.field == "dataset_split"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"model_id": ""}, "model_id"),
        ({"model_id": ".."}, "model_id"),
        ({"model_id": "m", "version_id": ""}, "version_id"),
        ({"model_id": "m", "version_id": 7}, "version_id"),
    ],
)
def test_ids_that_name_nothing_are_refused_before_sending(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        endpoints.performance_summary(**arguments)
    assert caught.value.field == field


def test_the_address() -> None:
    request = endpoints.performance_summary("mdl/7 é?", version_id="ver&1", dataset_split="validation")
    path = "/api/v1/models/mdl%2F7%20%C3%A9%3F/performance/summary"
    assert request.target == f"{path}?version_id=ver%261&dataset_split=validation"
    assert endpoints.performance_summary("m").query == (("dataset_split", "test"),)
