"""RiverGen's models and the Performance Summary read from them: a question in, a status and a body out.

Follows RiverGen's page "Get Performance Summary"; where the page is silent (order of checks, error bodies),
the answer is the platform's standard error body and the order 401, 400, 404 model, 403, 404 version, 422.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct, field

DATASET_SPLITS = ("train", "validation", "test")
_CLOCK = "2026-03-13T14:22:10Z"  # error bodies carry a time; a fixed one keeps answers reproducible

Answer = tuple[HTTPStatus, dict[str, object]]
Metrics = Mapping[str, float | None]


class Version(Struct, frozen=True, kw_only=True):
    """One trained or training version of a model."""

    completed: bool = True
    metrics: Mapping[str, Metrics] = field(default_factory=dict[str, Metrics])
    """Metric names to values, per dataset split."""
    evaluated_at: str | None = None
    """ISO 8601 UTC, whole seconds; None: not known."""


class Model(Struct, frozen=True, kw_only=True):
    """One model with its versions; `promoted` names the version served without a `version_id`."""

    model_id: str
    task_type: str
    status: str = "ready"
    versions: Mapping[str, Version] = field(default_factory=dict[str, Version])
    promoted: str | None = None
    forbidden: bool = False
    """True: the caller lacks `model:read` on it."""


def default_models() -> tuple[Model, ...]:
    """One model per documented task type and per documented refusal; the first is the documented example."""
    example: Metrics = {
        "accuracy": 0.9341,
        "precision": 0.9185,
        "recall": 0.9240,
        "f1_score": 0.9212,
        "roc_auc": 0.9678,
        "log_loss": 0.1425,
    }
    train: Metrics = {**example, "accuracy": 0.9712, "roc_auc": 0.9901, "log_loss": 0.0834}
    validation: Metrics = {**example, "accuracy": 0.9388, "log_loss": 0.1391}
    older: Metrics = {**example, "accuracy": 0.9107, "f1_score": 0.9013, "log_loss": 0.2046}
    regression: Metrics = {"rmse": 3.27, "r_squared": 0.871, "mae": 2.11, "mse": 10.6929}
    return (
        Model(
            model_id="mdl-7f3a19bc92",
            task_type="classification",
            promoted="ver-001a1",
            versions={
                "ver-001a1": Version(
                    metrics={"train": train, "validation": validation, "test": example}, evaluated_at=_CLOCK
                ),
                "ver-0009f": Version(metrics={"test": older}, evaluated_at="2026-02-01T08:00:00Z"),
            },
        ),
        Model(
            model_id="mdl-regression",
            task_type="regression",
            promoted="ver-002",
            versions={
                "ver-002": Version(
                    metrics={"validation": {**regression, "rmse": 3.31}, "test": regression},
                    evaluated_at="2026-03-01T10:00:00Z",
                )
            },
        ),
        Model(
            model_id="mdl-clustering",
            task_type="clustering",
            promoted="ver-003",
            versions={
                "ver-003": Version(
                    metrics={"test": {"silhouette_score": 0.48, "davies_bouldin": 0.91, "inertia": 1520}},
                    evaluated_at="2026-03-02T10:00:00Z",
                )
            },
        ),
        Model(
            model_id="mdl-nulls",
            task_type="classification",
            promoted="ver-004",
            versions={
                "ver-004": Version(metrics={"test": {"accuracy": 1, "roc_auc": None, "log_loss": None}, "train": {}})
            },
        ),
        Model(
            model_id="mdl-retraining",
            task_type="classification",
            status="training",
            promoted="ver-010",
            versions={
                "ver-010": Version(metrics={"test": older}, evaluated_at="2026-01-10T10:00:00Z"),
                "ver-011": Version(completed=False),
            },
        ),
        Model(model_id="mdl-draft", task_type="classification", status="draft"),
        Model(
            model_id="mdl-training",
            task_type="regression",
            status="training",
            versions={"ver-012": Version(completed=False)},
        ),
        Model(
            model_id="mdl-unpromoted",
            task_type="classification",
            versions={"ver-005": Version(metrics={"test": older}, evaluated_at="2026-03-05T10:00:00Z")},
        ),
        Model(model_id="mdl-forbidden", task_type="classification", forbidden=True),
    )


def refuse(status: HTTPStatus, code: str, message: str, **details: str) -> Answer:
    """The platform's standard error body."""
    error: dict[str, object] = {"code": code, "message": message, "timestamp": _CLOCK}
    if details:
        error["details"] = details
    return status, {"error": error}


def summary(models: Mapping[str, Model], model_id: str, query: Mapping[str, str]) -> Answer:
    """The answer to an authorised request for a performance summary."""
    split = query.get("dataset_split", "test")
    if split not in DATASET_SPLITS:
        reason = f"must be one of {', '.join(DATASET_SPLITS)}"
        return refuse(
            HTTPStatus.BAD_REQUEST, "VALIDATION_ERROR", "Invalid request.", field="dataset_split", reason=reason
        )
    model = models.get(model_id)
    if model is None:
        return _missing(f"Model {model_id} not found.")
    if model.forbidden:
        return refuse(HTTPStatus.FORBIDDEN, "PERMISSION_DENIED", "The permission model:read is required.")
    wanted = query.get("version_id")
    if wanted is not None and wanted not in model.versions:
        return _missing(f"Version {wanted} not found.")
    trained = {name for name, version in model.versions.items() if version.completed}
    if not trained or (wanted is not None and wanted not in trained):
        message = f"Model {model_id} is {model.status} and has no fully trained version."
        return refuse(HTTPStatus.UNPROCESSABLE_ENTITY, "MODEL_NOT_TRAINED", message)
    version_id = wanted or model.promoted
    if version_id is None:
        return _missing(f"Model {model_id} has no promoted version.")
    version = model.versions[version_id]
    if split not in version.metrics:
        return _missing(f"Version {version_id} was not scored on {split}.")
    return HTTPStatus.OK, {
        "model_id": model_id,
        "version_id": version_id,
        "task_type": model.task_type,
        "dataset_split": split,
        "metrics": version.metrics[split],
        "evaluated_at": version.evaluated_at,
    }


def _missing(message: str) -> Answer:
    return refuse(HTTPStatus.NOT_FOUND, "RESOURCE_NOT_FOUND", message)
