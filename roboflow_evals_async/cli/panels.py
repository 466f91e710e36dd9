"""How each panel is shown: struct to lines and tables. Pure functions, without a key, a network or a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..rivergen.payloads import BETTER, PerformanceSummary
from ..roboflow.endpoints import SPLITS
from ..roboflow.payloads import (
    ClassPerformance,
    Comparison,
    ConfidenceSweep,
    ConfusionMatrix,
    ImagePrediction,
    ImagePredictionsPage,
    MapResults,
    MetricScores,
    ModelEval,
    PerformanceByClass,
    Recommendations,
    Scores,
    VectorAnalysis,
)
from .grid import (
    ABSENT,
    Cell,
    Column,
    Grid,
    Part,
    Row,
    context,
    count,
    facts,
    grid,
    ident,
    number,
    or_absent,
    percent,
    plural,
    text,
    threshold,
)

# The curve is shown at every tenth threshold, and at the best one: more rows than a screen has help nobody.
_CURVE_STEP = 10

# A matrix of more classes is wider than a terminal; then the most frequent mistakes say more.
_MATRIX_CLASSES = 12

# Enough to see a pattern.
_MOST_MISTAKES = 15

_STATUS_STYLES = {"done": "green", "running": "yellow", "failed": "red"}
_SEVERITY_STYLES = {"high": "red", "medium": "yellow"}

# RiverGen's classification scores are fractions (page get-summary); errors are in units of the target.
_FRACTIONS = frozenset({"accuracy", "precision", "recall", "f1_score", "roc_auc"})

_SCORES = (number("Precision"), number("Recall"), number("F1"))
_MAPS = (number("mAP50"), number("mAP50-95"), number("mAP75"))
_SIZES = ("small", "medium", "large")


def listing(evals: Iterable[ModelEval]) -> Grid:
    """The list of evaluations."""
    columns = (ident("ID"), text("STATUS"), text("PROJECT"), number("VERSION"), text("MODEL"), text("CREATED"))
    return grid(
        columns,
        [
            (
                ev.eval_id,
                _status(ev.status),
                or_absent(ev.project),
                or_absent(ev.version_id),
                or_absent(ev.model_id),
                _moment(ev.created_at),
            )
            for ev in evals
        ],
    )


def evaluation(ev: ModelEval) -> list[Part]:
    """One evaluation."""
    pairs: list[tuple[str, str | Cell]] = [
        ("Evaluation", ev.eval_id),
        ("Status", _status(ev.status)),
        ("Project", or_absent(ev.project)),
        ("Version", or_absent(ev.version_id)),
        ("Model", or_absent(ev.model_url or ev.model_id)),
        ("Created", _moment(ev.created_at)),
    ]
    if ev.summary is not None:
        metric = ("mAP50", ev.summary.map50) if ev.summary.miou is None else ("mIoU", ev.summary.miou)
        scores = (metric, ("Precision", ev.summary.precision), ("Recall", ev.summary.recall))
        pairs += [(name, percent(value)) for name, value in scores]
    return [facts(pairs)]


def map_results(panel: MapResults) -> list[Part]:
    """Metrics by split and size, then by class."""
    about = context(panel.task_type or "", plural(len(panel.splits), "split"))
    names = _in_order(panel.splits)
    classes = list(dict.fromkeys(name for split in names for name in panel.splits[split].per_class))
    columns: tuple[Column, ...]
    rows: list[Row]
    if panel.shape == "segmentation":
        metrics = {"iou": "IoU"}
        columns = (number("mIoU"), *_SCORES)
        rows = [(name, percent(panel.splits[name].miou), *_scores(panel.splits[name])) for name in names]
    else:
        metrics = {"map50": "mAP50", "map50_95": "mAP50-95"}
        columns = (*_MAPS, *(number(f"mAP50 {size}") for size in _SIZES))
        rows = [(name, *_maps(panel.splits[name]), *_by_size(panel.splits[name])) for name in names]
    by_class: list[Row] = [
        (name, *(_metric(panel.splits[split].per_class.get(name), field) for split in names for field in metrics))
        for name in classes
    ]
    titled = [number(f"{split} {label}") for split in names for label in metrics.values()]
    return [
        about,
        grid((text("Split"), *columns), rows, "By split"),
        *_if_any(grid((text("Class"), *titled), by_class, "By class")),
    ]


def confidence_sweep(panel: ConfidenceSweep) -> list[Part]:
    """The best threshold of each split, and the curve and the classes of the test split, or of the last one."""
    names = _in_order(panel.splits)
    columns = (text("Split"), number("Best threshold"), *_SCORES)
    rows = [
        (name, threshold(panel.splits[name].optimal_threshold), *_scores(panel.splits[name].optimal_metrics))
        for name in names
    ]
    parts: list[Part] = [context(plural(len(names), "split"), "the best threshold has the highest F1")]
    parts.append(grid(columns, rows, "Best threshold by split"))
    if not names:
        return parts
    shown = names[-1]
    sweep = panel.splits[shown]
    curve: list[Row] = []
    for point in sweep.points:
        best = point.threshold == sweep.optimal_threshold
        if best or round(point.threshold * 100, 6) % _CURVE_STEP == 0:
            style = "bold green" if best else ""
            cells = (threshold(point.threshold), *_scores(point.scores), "best" if best else "")
            curve.append(tuple(Cell(cell, style) for cell in cells))
    by_class = [
        (name, threshold(one.optimal_threshold), *_scores(one.optimal_metrics)) for name, one in sweep.per_class.items()
    ]
    parts += _if_any(grid((number("Threshold"), *_SCORES, text("")), curve, f"Curve on {shown}"))
    columns = (text("Class"), number("Best threshold"), *_SCORES)
    parts += _if_any(grid(columns, by_class, f"Best threshold by class on {shown}"))
    return parts


def performance_by_class(panel: PerformanceByClass) -> list[Part]:
    """The classes of a split, each at its own best threshold."""
    if panel.shape == "segmentation":
        metrics: tuple[Column, ...] = (number("IoU"),)
    elif panel.shape == "detection":
        metrics = _MAPS
    else:
        metrics = ()
    columns = (text("Class"), *_SCORES, *metrics, number("Threshold"))

    def row(one: ClassPerformance) -> Row:
        if panel.shape == "detection" and one.map50 is None:
            # Without an instance in the split, the server's zeros and its threshold are no measurements.
            return tuple(Cell(cell, "dim") for cell in (one.class_name, *[ABSENT] * (len(columns) - 1)))
        values = (percent(one.iou),) if panel.shape == "segmentation" else _maps(one)[: len(metrics)]
        return (one.class_name, *_scores(one), *values, threshold(one.optimal_threshold))

    about = context(f"Split {or_absent(panel.split)}", panel.task_type or "", _number_of(len(panel.classes), "class"))
    return [about, grid(columns, map(row, panel.classes))]


def confusion_matrix(panel: ConfusionMatrix) -> list[Part]:
    """The matrix, if it is not too wide, and the most frequent mistakes."""
    names, background = panel.classes, panel.background
    total = sum(map(sum, panel.matrix))
    about = context(
        f"Split {or_absent(panel.split)}",
        f"threshold {threshold(panel.confidence_threshold)}",
        _number_of(len(names) - (background is not None), "class"),
        f"{count(total)} counted",
    )
    parts: list[Part] = [about]
    if len(names) <= _MATRIX_CLASSES:
        columns = (text("Actual, predicted as:"), *map(number, names))
        rows: list[Row] = [
            (name, *(_hits(value, diagonal=actual == predicted) for predicted, value in enumerate(values)))
            for actual, (name, values) in enumerate(zip(names, panel.matrix, strict=True))
        ]
        parts.append(grid(columns, rows))
    mistakes = [
        (value, actual, predicted)
        for actual, values in enumerate(panel.matrix)
        for predicted, value in enumerate(values)
        if value and actual != predicted
    ]
    mistakes.sort(key=lambda mistake: -mistake[0])
    rows = [
        (_name(names, actual, background, "(nothing there)"), _name(names, predicted, background, "(missed)"), count(n))
        for n, actual, predicted in mistakes[:_MOST_MISTAKES]
    ]
    title = f"Most frequent mistakes, {len(rows)} of {len(mistakes)} kinds"
    return [*parts, *_if_any(grid((text("Actual"), text("Predicted"), number("Count")), rows, title))]


def vector_analysis(panel: VectorAnalysis) -> list[Part]:
    """The clusters, the lowest F1 first."""
    about = panel.clustering
    silhouette = about.metrics.silhouette_score
    line = context(
        about.method or "",
        _number_of(about.n_clusters if about.n_clusters is not None else len(panel.clusters), "cluster"),
        f"{percent(about.metrics.noise_ratio)} of the images in none",
        f"silhouette {ABSENT if silhouette is None else f'{silhouette:.2f}'}",
        "worst first",
    )
    columns = (
        number("Cluster"), number("Images"), *map(number, SPLITS), number("F1"), number("F1 min"), number("F1 max"),
        number("Precision"), number("Recall"), text("Example"),
    )  # fmt: skip
    rows = [
        (
            "none" if one.id == -1 else str(one.id),
            count(one.num_images),
            *(count(one.split_distribution.get(split)) for split in SPLITS),
            percent(one.metrics.f1_mean),
            percent(one.metrics.f1_min),
            percent(one.metrics.f1_max),
            percent(one.metrics.precision_mean),
            percent(one.metrics.recall_mean),
            one.sample_images[0] if one.sample_images else ABSENT,
        )
        for one in sorted(panel.clusters, key=lambda one: (one.metrics.f1_mean is None, one.metrics.f1_mean or 0.0))
    ]
    return [line, grid(columns, rows)]


def page_context(page: ImagePredictionsPage, first: int | None) -> str:
    """The line above images: which they are. `first` is the first row of a single page; None stands for all."""
    rows = ""
    if first is not None:
        rows = f"rows {first + 1:,} to {first + len(page.images):,}" if page.images else f"none from row {first:,} on"
    total = ABSENT if page.total_images is None else plural(page.total_images, "image")
    return context(f"Split {or_absent(page.split)}", f"threshold {threshold(page.confidence_threshold)}", total, rows)


def images(rows: Sequence[ImagePrediction]) -> Grid:
    """The images of a page."""
    columns = (
        text("IMAGE"), text("SPLIT"), number("TP"), number("FP"), number("FN"), number("PRECISION"), number("RECALL"),
        number("F1"), number("CLUSTER"), ident("ID"),
    )  # fmt: skip
    return grid(
        columns,
        [
            (
                or_absent(one.image_name),
                or_absent(one.split),
                count(one.stats.true_positives),
                count(one.stats.false_positives),
                count(one.stats.false_negatives),
                *_scores(one.stats),
                or_absent(one.cluster.id if one.cluster is not None else None),
                or_absent(one.image_id),
            )
            for one in rows
        ],
    )


def recommendations(panel: Recommendations) -> list[Part]:
    """The suggestions. Their fields are not documented: known ones are shown, what has none as it came."""
    if not panel.generated:
        return ["No recommendations were generated for this evaluation; the Roboflow app generates them."]
    summary = panel.recommendations.summary
    about = context(
        _number_of(len(panel.items), "recommendation"),
        f"split {or_absent(summary.split)}",
        f"threshold {ABSENT if summary.confidence_percent is None else f'{summary.confidence_percent}%'}",
        f"F1 {percent(summary.f1)}",
        f"generated {_moment(panel.generated_at or summary.generated_at)}",
    )
    rows = [
        (
            Cell(_said(item, "severity"), _SEVERITY_STYLES.get(_said(item, "severity"), "")),
            _said(item, "type"),
            _said(item, "message", "description", "title", "text", default=repr(item)),
        )
        for item in panel.items
    ]
    return [about, *_if_any(grid((text("Severity"), text("Type"), text("Recommendation")), rows))]


def comparison(panel: Comparison) -> list[Part]:
    """The models of a version, side by side."""
    names = panel.available_metrics or tuple(dict.fromkeys(name for one in panel.models for name in one.metrics))
    about = context(
        f"{or_absent(panel.project)} version {or_absent(panel.version)}",
        plural(len(panel.models), "model"),
        f"frontier by {panel.frontier_metric}" if panel.frontier_metric else "no frontier",
    )
    columns = (ident("Model"), *map(number, names), number("Median ms"), text("On frontier"), ident("Evaluation"))
    rows = [
        (
            or_absent(one.model_id),
            *(percent(one.metrics.get(name)) for name in names),
            ABSENT if one.median_latency_ms is None else f"{one.median_latency_ms:.1f}",
            Cell("yes", "bold green") if one.on_frontier else or_absent(one.exclusion_reason or "no"),
            or_absent(one.evaluation_id),
        )
        for one in panel.models
    ]
    return [about, grid(columns, rows)]


def performance_summary(summary: PerformanceSummary) -> list[Part]:
    """RiverGen's scores, with the direction that is better."""
    about = context(
        f"{summary.model_id} {summary.version_id}",
        summary.task_type,
        f"split {summary.dataset_split}",
        f"evaluated {_moment(summary.evaluated_at)}",
    )
    rows = [
        (name, percent(value) if name in _FRACTIONS else _measure(value), BETTER.get(name, ""))
        for name, value in summary.metrics.items()
    ]
    rows += [(name, str(value), "") for name, value in summary.other_metrics.items()]
    return [about, grid((text("Metric"), number("Value"), text("Better")), rows)]


def _in_order(splits: Iterable[str]) -> list[str]:
    """Splits as they are known, unknown ones before them: the test split is the one that is looked at."""
    return sorted(splits, key=lambda name: SPLITS.index(name) if name in SPLITS else -1)


def _if_any(table: Grid) -> list[Part]:
    return [table] if table.rows else []


def _scores(scores: Any) -> tuple[str, str, str]:
    scores = scores or Scores()
    return percent(scores.precision), percent(scores.recall), percent(scores.f1)


def _maps(scores: Any) -> tuple[str, str, str]:
    return percent(scores.map50), percent(scores.map50_95), percent(scores.map75)


def _by_size(scores: MetricScores) -> list[str]:
    found = (scores.by_object_size.get(size) for size in _SIZES)
    return [percent(one.map50 if one is not None else None) for one in found]


def _metric(scores: MetricScores | None, field: str) -> str:
    return percent(getattr(scores, field) if scores is not None else None)


def _status(status: str) -> Cell:
    return Cell(or_absent(status), _STATUS_STYLES.get(status, ""))


def _moment(stamp: str | None) -> str:
    """An ISO 8601 time in UTC to the minute; any other text as it is."""
    if stamp is None or len(stamp) < 16 or stamp[10] != "T" or not stamp.endswith("Z"):
        return or_absent(stamp)
    return f"{stamp[:10]} {stamp[11:16]}"


def _number_of(value: int, noun: str) -> str:
    return f"{value:,} classes" if noun == "class" and value != 1 else plural(value, noun)


def _hits(value: int, *, diagonal: bool) -> Cell:
    if not value:
        return Cell("0", "dim")
    return Cell(count(value), "green" if diagonal else "")


def _name(names: Sequence[str], index: int, background: int | None, instead: str) -> str:
    return instead if index == background else names[index]


def _said(item: dict[str, Any], *names: str, default: str = ABSENT) -> str:
    return next((value for name in names if isinstance(value := item.get(name), str) and value), default)


def _measure(value: float | None) -> str:
    # Six digits: the errors of a regression have any size.
    return ABSENT if value is None else f"{value:.6g}"
