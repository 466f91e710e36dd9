"""RiverGen's Performance Summary as the stand-in serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roboflow_evals_async.testing import StandIn

Ask = Callable[..., tuple[int, Any]]


def path(model_id: str) -> str:
    return f"/api/v1/models/{model_id}/performance/summary"


def test_the_documented_example(ask_raw: Ask, served: StandIn) -> None:
    expected = {
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
            "log_loss": 0.1425,
        },
        "evaluated_at": "2026-03-13T14:22:10Z",
    }
    assert ask_raw(path("mdl-7f3a19bc92"), bearer=served.rivergen_token) == (200, expected)


@pytest.mark.parametrize(
    ("model_id", "query", "status", "code"),
    [
        ("mdl-7f3a19bc92", {"dataset_split": "all"}, 400, "VALIDATION_ERROR"),
        ("mdl-7f3a19bc92", {"dataset_split": "Test"}, 400, "VALIDATION_ERROR"),
        ("mdl-unknown", {}, 404, "RESOURCE_NOT_FOUND"),
        ("mdl-unknown", {"dataset_split": "all"}, 400, "VALIDATION_ERROR"),
        ("mdl-forbidden", {"version_id": "ver-none"}, 403, "PERMISSION_DENIED"),
        ("mdl-7f3a19bc92", {"version_id": "ver-none"}, 404, "RESOURCE_NOT_FOUND"),
        ("mdl-draft", {}, 422, "MODEL_NOT_TRAINED"),
        ("mdl-draft", {"version_id": "ver-none"}, 404, "RESOURCE_NOT_FOUND"),
        ("mdl-training", {}, 422, "MODEL_NOT_TRAINED"),
        ("mdl-retraining", {"version_id": "ver-011"}, 422, "MODEL_NOT_TRAINED"),
        ("mdl-unpromoted", {}, 404, "RESOURCE_NOT_FOUND"),
        ("mdl-regression", {"dataset_split": "train"}, 404, "RESOURCE_NOT_FOUND"),
    ],
)
def test_refusals(ask_raw: Ask, served: StandIn, model_id: str, query: dict[str, str], status: int, code: str) -> None:
    got, body = ask_raw(path(model_id), bearer=served.rivergen_token, **query)
    assert (got, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]
    assert body["error"]["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("model_id", "query", "version_id"),
    [
        ("mdl-7f3a19bc92", {"dataset_split": "train"}, "ver-001a1"),
        ("mdl-7f3a19bc92", {"version_id": "ver-0009f"}, "ver-0009f"),
        ("mdl-retraining", {}, "ver-010"),
        ("mdl-unpromoted", {"version_id": "ver-005"}, "ver-005"),
        ("mdl-clustering", {}, "ver-003"),
        ("mdl-nulls", {}, "ver-004"),
    ],
)
def test_summaries(ask_raw: Ask, served: StandIn, model_id: str, query: dict[str, str], version_id: str) -> None:
    status, body = ask_raw(path(model_id), bearer=served.rivergen_token, **query)
    assert status == 200
    assert body["version_id"] == version_id
    assert body["dataset_split"] == query.get("dataset_split", "test")
    assert body["metrics"]


def test_tokens(ask_raw: Ask, served: StandIn) -> None:
    address = path("mdl-unknown")
    for token, code in (
        (None, "AUTH_REQUIRED"),
        ("not-a-token", "AUTH_INVALID"),
        (served.api_key, "AUTH_INVALID"),
        (served.expired_rivergen_token, "AUTH_EXPIRED"),
    ):
        status, body = ask_raw(address, bearer=token)
        assert (status, body["error"]["code"]) == (401, code)
