"""A seeded world of evaluations in one workspace, and how its evaluations are listed and compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from msgspec.structs import replace

from .evaluation import Evaluation
from .outcomes import draw_id
from .rivergen import Model, default_models
from .spec import DETECTION, SEMANTIC_SEGMENTATION, EvaluationSpec, default_specs

LIST_DEFAULT_LIMIT = 50  # documented
LIST_MAXIMUM_LIMIT = 200  # documented cap; the list has no paging beyond it

_NEWEST = datetime(2026, 4, 27, 20, 4, 10, 904_000, tzinfo=UTC)  # createdAt of the documented example
_METRICS = {
    DETECTION: ("mAP5095", "mAP", "mAP75", "precision", "recall", "f1"),
    SEMANTIC_SEGMENTATION: ("mIoU", "precision", "recall", "f1"),
}
"""Metrics that `compare` offers by task type, the default one first."""


class World:
    """One workspace with its evaluations, and RiverGen's models.

    The same arguments give the same bytes on every machine. `evaluations=None` is the default world, see
    `default_specs`. Making a world and listing it is cheap: an evaluation's images and panels are made when
    they are first read.
    """

    def __init__(
        self,
        seed: int = 0,
        workspace: str = "demo-workspace",
        evaluations: Sequence[EvaluationSpec] | None = None,
        models: Sequence[Model] | None = None,
    ) -> None:
        """Fill in the ids and times that the specs leave open, and order the evaluations newest first."""
        self.seed = seed
        self.workspace = workspace
        specs = default_specs() if evaluations is None else evaluations
        made = [Evaluation(_completed(spec, seed, index), seed) for index, spec in enumerate(specs)]
        made.sort(key=lambda evaluation: evaluation.spec.created_at, reverse=True)
        self.evaluations: tuple[Evaluation, ...] = tuple(made)
        """Every evaluation, newest `createdAt` first."""
        self._by_id = {evaluation.eval_id: evaluation for evaluation in made}
        if len(self._by_id) != len(made):
            msg = "two evaluations of the world have one eval_id: give each spec an id of its own, or none"
            raise ValueError(msg)
        self.models = {model.model_id: model for model in (default_models() if models is None else models)}
        """RiverGen's models by id."""

    @property
    def specs(self) -> tuple[EvaluationSpec, ...]:
        """The specs as completed, newest first."""
        return tuple(evaluation.spec for evaluation in self.evaluations)

    @property
    def eval_ids(self) -> tuple[str, ...]:
        """All ids, newest first."""
        return tuple(self._by_id)

    def find(self, eval_id: str) -> Evaluation | None:
        """The evaluation with this id, or None."""
        return self._by_id.get(eval_id)

    def first(self, *, status: str = "done", project: str | None = None, task_type: str | None = None) -> Evaluation:
        """The newest evaluation of that kind; raises LookupError if there is none."""
        for evaluation in self.evaluations:
            spec = evaluation.spec
            if spec.status == status and project in {None, spec.project} and task_type in {None, spec.task_type}:
                return evaluation
        msg = f"no evaluation with status={status!r}, project={project!r}, task_type={task_type!r} in this world"
        raise LookupError(msg)

    def listing(
        self,
        *,
        project: str | None = None,
        version: str | None = None,
        model: str | None = None,
        status: str | None = None,
        limit: int = LIST_DEFAULT_LIMIT,
    ) -> dict[str, object]:
        """The list endpoint's body: the newest `limit` evaluations that match; `version` spans all projects."""
        rows: list[dict[str, object]] = []
        for evaluation in self.evaluations:
            spec = evaluation.spec
            if len(rows) == limit:
                break
            if (
                project in {None, spec.project}
                and version in {None, spec.version_id}
                and model in {None, spec.model_id}
                and status in {None, spec.status}
            ):
                rows.append(evaluation.listing())
        return {"evals": rows}

    def comparison(self, project: str, version: str, frontier_metric: str | None) -> dict[str, object] | None:
        """The compare endpoint's body, from each model's latest done evaluation; None: no such project or version.

        Raises ValueError for a metric that the project's task type does not offer.
        """
        named = [evaluation for evaluation in self.evaluations if evaluation.spec.project == project]
        done = [e for e in named if e.spec.version_id == version and e.spec.status == "done"]
        if not any(evaluation.spec.version_id == version for evaluation in named):
            return None
        latest: dict[str, Evaluation] = {}
        for evaluation in done:
            model = evaluation.spec.model_id or f"{project}-{version}"
            latest.setdefault(f"{self.workspace}/{model}", evaluation)
        offered = _METRICS.get(done[0].spec.task_type, ()) if done else ()
        if frontier_metric is not None and frontier_metric not in offered:
            raise ValueError(frontier_metric)
        metric = frontier_metric or (offered[0] if offered else None)
        metrics = {name: evaluation.headline_metrics() for name, evaluation in latest.items()}
        # (accuracy, latency) of the models that have both; one that none of the others beats in both is on
        # the frontier.
        points = {
            name: (metrics[name][metric] or 0.0, evaluation.spec.latency_ms)
            for name, evaluation in latest.items()
            if metric is not None and evaluation.spec.latency_ms is not None
        }
        return {
            "project": project,
            "version": int(version) if version.isdigit() else version,
            "frontierMetric": metric,
            "availableMetrics": list(offered),
            "models": [
                {
                    "modelId": name,
                    "evaluationId": evaluation.eval_id,
                    "metrics": metrics[name],
                    "medianLatencyMs": evaluation.spec.latency_ms,
                    "onFrontier": name in points and _undominated(points[name], [*points.values()]),
                    "exclusionReason": _exclusion(evaluation.spec, metric),
                }
                for name, evaluation in latest.items()
            ],
        }


def default_world(seed: int = 0) -> World:
    """The world that the demo and the fixtures serve."""
    return World(seed)


def _completed(spec: EvaluationSpec, seed: int, index: int) -> EvaluationSpec:
    created_at = spec.created_at
    if not created_at:
        moment = _NEWEST - timedelta(hours=index)
        created_at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    eval_id = spec.eval_id or draw_id(Random(f"{seed}/evaluation {index}"))
    return replace(spec, eval_id=eval_id, created_at=created_at)


def _exclusion(spec: EvaluationSpec, metric: str | None) -> str | None:
    if metric is None:
        return "unsupported_project_type"
    return "latency_unavailable" if spec.latency_ms is None else None


def _undominated(point: tuple[float, float], points: Sequence[tuple[float, float]]) -> bool:
    accuracy, latency = point
    return not any(other != point and other[0] >= accuracy and other[1] <= latency for other in points)
