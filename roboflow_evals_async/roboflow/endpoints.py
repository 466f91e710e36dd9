"""Roboflow's endpoints as pure functions: arguments to a `Request`. Paths are below the workspace.

Each function stands for one page of https://docs.roboflow.com/developer/rest-api/model-evaluations and checks its
arguments as that page says: what the server would refuse is refused before it is sent.
"""

from hashlib import sha256
from operator import attrgetter
from typing import Literal, TypeVar

from ..core.reply import Reply
from ..core.request import Request, choice, integer, query, segment
from ..paging.cursor import PageQuery
from ..paging.window import Facts
from . import mend
from .payloads import (
    Comparison,
    ConfidenceSweep,
    ConfusionMatrix,
    EvalRows,
    ImagePrediction,
    ImagePredictionsPage,
    KeyInfo,
    MapResults,
    ModelEval,
    PerformanceByClass,
    Recommendations,
    VectorAnalysis,
)

T = TypeVar("T")

SplitName = Literal["train", "valid", "test"]
SplitOrAll = Literal["train", "valid", "test", "all"]

SPLITS = ("train", "valid", "test")
SPLITS_OR_ALL = (*SPLITS, "all")
STATUSES = ("running", "done", "failed")

# Page list-model-evaluations: the server hands out at most so many evaluations, and has no further pages.
LIST_CAP = 200

# Page per-image-predictions: the largest page, and our default: the server reads the whole file for every page.
MAX_PAGE_SIZE = 1000

# `compare` stands where an evaluation's id would (SDK, rfapi.compare_model_evals).
RESERVED_IDS = ("compare",)

# What the frontier of `compare` can be drawn over (command `roboflow eval compare`).
FRONTIER_METRICS = ("mAP", "mAP5095", "mAP75", "mIoU", "precision", "recall", "f1")

_ROWS = Reply(EvalRows, mend=mend.listing, always=True)
_EVAL = Reply(ModelEval, mend=mend.identity, always=True)
_MAP_RESULTS = Reply(MapResults, mend=mend.map_results, always=True)
_SWEEP = Reply(ConfidenceSweep, mend=mend.identity)
_BY_CLASS = Reply(PerformanceByClass, mend=mend.identity)
_MATRIX = Reply(ConfusionMatrix, mend=mend.identity)
_VECTORS = Reply(VectorAnalysis, mend=mend.identity)
_IMAGES = Reply(ImagePredictionsPage, mend=mend.image_predictions)
_RECOMMENDATIONS = Reply(Recommendations, mend=mend.recommendations, always=True)
_COMPARISON = Reply(Comparison)
_KEY_INFO = Reply(KeyInfo)


def key_info() -> Request[KeyInfo]:
    """Which workspace a key belongs to. The path is below the host, not below a workspace."""
    return Request("/", _KEY_INFO, asked="the key's workspace")


def evals(
    *,
    project: str | None = None,
    version: str | None = None,
    model: str | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> Request[EvalRows]:
    """List evaluations; the server takes one of project, version and model. Default limit 50, at most 200."""
    for field, value in (("project", project), ("version", version), ("model", model)):
        if value is not None:
            segment(value, field)  # the server takes a blank filter for none, and would list everything
    if status is not None:
        choice(status, "status", STATUSES)
    if limit is not None:
        integer(limit, "limit", 1, LIST_CAP)
    parameters = query(project=project, version=version, model=model, status=status, limit=limit)
    return Request("/model-evals", _ROWS, parameters, "the list of evaluations")


def eval_(eval_id: str) -> Request[ModelEval]:
    """One evaluation, of any status."""
    return Request(f"/model-evals/{_id(eval_id)}", _EVAL.expecting(eval_id=eval_id), asked=f"evaluation {eval_id!r}")


def map_results(eval_id: str) -> Request[MapResults]:
    """mAP or mIoU per split, class and object size."""
    return _panel(eval_id, "map-results", _MAP_RESULTS)


def confidence_sweep(eval_id: str) -> Request[ConfidenceSweep]:
    """Precision, recall and F1 by confidence threshold."""
    return _panel(eval_id, "confidence-sweep", _SWEEP)


def performance_by_class(eval_id: str, *, split: SplitName = "test") -> Request[PerformanceByClass]:
    """The classes of one split; "all" is not valid here, for per-class metrics cannot be added up."""
    return _panel(
        eval_id, "performance-by-class", _BY_CLASS.expecting(split=split), split=choice(split, "split", SPLITS)
    )


def confusion_matrix(
    eval_id: str, *, split: SplitOrAll = "test", confidence: int | None = None
) -> Request[ConfusionMatrix]:
    """What was taken for what, at a stored confidence (percent; None: the evaluation's default report)."""
    choice(split, "split", SPLITS_OR_ALL)
    return _panel(
        eval_id, "confusion-matrix", _MATRIX.expecting(split=split), split=split, confidence=_percent(confidence)
    )


def vector_analysis(eval_id: str, *, confidence: int | None = None) -> Request[VectorAnalysis]:
    """The clusters of the images of all splits, at a stored confidence (percent)."""
    return _panel(eval_id, "vector-analysis", _VECTORS, confidence=_percent(confidence))


def recommendations(eval_id: str) -> Request[Recommendations]:
    """Suggestions for improving the model."""
    return _panel(eval_id, "recommendations", _RECOMMENDATIONS)


def image_predictions(
    eval_id: str, *, split: SplitOrAll = "all", confidence: int | None = None
) -> PageQuery[ImagePrediction, ImagePredictionsPage]:
    """The images of an evaluation, page by page. `split` is always sent: the documents disagree on its default."""
    choice(split, "split", SPLITS_OR_ALL)
    percent = _percent(confidence)
    first = _panel(eval_id, "image-predictions", _IMAGES.expecting(split=split))

    def request(offset: int, limit: int) -> Request[ImagePredictionsPage]:
        page = query(split=split, confidence=percent, limit=limit, offset=offset)
        return Request(first.path, first.reply, page, first.asked)

    return PageQuery(
        request=request,
        rows=attrgetter("images"),
        facts=_page_facts,
        key=_image_key,
        # Eight bytes tell queries apart; the text stays short enough to copy.
        fingerprint=sha256(repr((first.path, split, percent)).encode()).hexdigest()[:16],
        asked=first.asked,
        max_page_size=MAX_PAGE_SIZE,
    )


def compare(*, project: str, version: int | str, frontier_metric: str | None = None) -> Request[Comparison]:
    """The trained models of one version, side by side (newer servers only). A version may be the text of its number."""
    segment(project, "project")
    version = integer(int(version) if isinstance(version, str) and version.isdecimal() else version, "version", 1)
    if frontier_metric is not None:
        choice(frontier_metric, "frontier_metric", FRONTIER_METRICS)
    parameters = query(project=project, version=version, frontierMetric=frontier_metric)
    return Request("/model-evals/compare", _COMPARISON, parameters, f"the comparison of {project!r} {version}")


def _image_key(image: ImagePrediction) -> tuple[str | None, ...] | None:
    # Augmented copies share the source's id, and differ in name; a row with neither could be any.
    if image.image_id is None and image.image_name is None:
        return None
    return image.image_id, image.image_name, image.split


def _page_facts(page: ImagePredictionsPage) -> Facts:
    return Facts(len(page.images), page.total_images, page.offset, page.limit)


def _panel(eval_id: str, panel: str, reply: Reply[T], **parameters: str | int | None) -> Request[T]:
    path = f"/model-evals/{_id(eval_id)}/{panel}"
    return Request(path, reply.expecting(eval_id=eval_id), query(**parameters), f"{panel} of {eval_id!r}")


def _id(eval_id: str) -> str:
    return segment(eval_id, "eval_id", reserved=RESERVED_IDS)


def _percent(confidence: int | None) -> int | None:
    return None if confidence is None else integer(confidence, "confidence", 0, 100)
