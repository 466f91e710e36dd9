"""The structs of Roboflow Model Evaluations, one for each documented reply.

Units. Metrics (mAP, IoU, precision, recall, F1) and thresholds are **fractions** from 0 to 1, at full precision, unless
a docstring says percent. Every field that the documents do not promise is None, or empty, when the server leaves it
out or sends null; None never means 0. The field that a panel is made of must be there: a 200 that holds something else
is a `DecodeError`, not an empty panel. Fields that these structs do not know are passed over: the body as the server
sent it is had by `client.send_raw`.

Shapes. Containers are tuples and the small leaves are `gc=False` structs, some of them read from arrays: a million
rows held cost the garbage collector nothing.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import field
from msgspec.structs import force_setattr

from .values import Shape, as_fraction, shape_of
from .values import Split as Split


class Wire(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Root of the replies: camelCase on the wire, snake_case here."""


class Panel(Wire, frozen=True, gc=False, kw_only=True):
    """The identity that some servers put at the head of every panel; all None where they do not."""

    eval_id: str | None = None
    project: str | None = None
    version_id: str | None = None
    model_id: str | None = None


# -- list, get: /model-evals, /model-evals/{evalId} --------------------------------------------------------------------


class Summary(Wire, frozen=True, gc=False):
    """Headline metrics on the test split, as fractions; precision and recall at the F1-optimal threshold."""

    #: mAP at IoU 0.5; None for tasks without boxes.
    map50: float | None = field(default=None, name="mAP")
    #: Foreground macro mean IoU; semantic segmentation only.
    miou: float | None = field(default=None, name="mIoU")
    precision: float | None = None
    recall: float | None = None


class ModelEval(Wire, frozen=True, gc=False):
    """An evaluation: a row of `list`, or the reply of `get` (page get-a-model-evaluation).

    `status` is "running", "done", "failed" or a word yet unknown; `project` is a URL slug, None once the project was
    deleted; `version_id` a number as text; `model_id` the internal id, good only for the `model` filter. `summary`
    comes with `get`, and only for evaluations that are done.
    """

    eval_id: str
    status: str = ""
    project: str | None = None
    version_id: str | None = None
    model_id: str | None = None
    model_url: str | None = None
    created_at: str | None = None
    summary: Summary | None = None

    @property
    def created(self) -> datetime | None:
        """`created_at` as a moment; None where it is absent or no ISO 8601 date."""
        try:
            return msgspec.convert(self.created_at, datetime)
        except msgspec.ValidationError:
            return None


class EvalRows(Wire, frozen=True, gc=False):
    """One reply of `list`: at most 200 rows, and no word on whether there are more."""

    evals: tuple[ModelEval, ...]


# -- map-results -------------------------------------------------------------------------------------------------------


class MapScores(Wire, frozen=True, gc=False):
    """mAP at IoU 0.50, averaged over 0.50 to 0.95, and at 0.75; fractions, None where there is nothing to score."""

    map50: float | None = None
    map50_95: float | None = field(default=None, name="map50_95")
    map75: float | None = None


class MetricScores(MapScores, frozen=True, gc=False, kw_only=True):
    """The metrics of a split or a class: mAP for detection, pixel-level scores for semantic segmentation."""

    miou: float | None = field(default=None, name="mIoU")
    iou: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    optimal_threshold: float | None = None
    class_id: int | None = field(default=None, name="classID")
    #: "small", "medium", "large" → mAP, or None where the split has no object of that size.
    by_object_size: dict[str, MapScores | None] = {}


class SplitMetrics(MetricScores, frozen=True, gc=False, kw_only=True):
    """The metrics of one split, and of each class in it by name."""

    per_class: dict[str, MetricScores] = {}


class MapResults(Panel, frozen=True, gc=False, kw_only=True):
    """Metrics per split (page map-results). A split that is not in `splits` has no data."""

    task_type: str | None = None
    splits: dict[str, SplitMetrics]

    @property
    def shape(self) -> Shape:
        """Which metrics to expect: `task_type` says, or the fields present where it is absent or unknown."""
        return shape_of(self.task_type, tuple(self.splits.values()))


# -- confidence-sweep --------------------------------------------------------------------------------------------------


class Scores(Wire, frozen=True, gc=False):
    """Precision, recall and F1; fractions."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


class SweepPoint(msgspec.Struct, frozen=True, gc=False):
    """The scores at one confidence threshold (a fraction)."""

    threshold: float
    scores: Scores


class Sweep(Wire, frozen=True, gc=False):
    """Scores by confidence threshold. `optimal_threshold` has the best F1; 0.0 is a real value, None is not known."""

    #: Threshold as the server spells it ("0.37") → scores; `points` has it in order.
    per_threshold: dict[str, Scores] = {}
    optimal_threshold: float | None = None
    optimal_metrics: Scores | None = None

    @property
    def points(self) -> tuple[SweepPoint, ...]:
        """The scores by rising threshold; a key that is no number is left out."""
        found: list[SweepPoint] = []
        for threshold, scores in self.per_threshold.items():
            try:
                found.append(SweepPoint(float(threshold), scores))
            except ValueError:
                continue
        return tuple(sorted(found, key=lambda point: point.threshold))


class SplitSweep(Sweep, frozen=True, gc=False, kw_only=True):
    """The sweep of a split, and of each class in it by name."""

    per_class: dict[str, Sweep] = {}


class ConfidenceSweep(Panel, frozen=True, gc=False, kw_only=True):
    """The confidence sweep per split (page confidence-sweep)."""

    splits: dict[str, SplitSweep]


# -- performance-by-class ----------------------------------------------------------------------------------------------


class ClassPerformance(Wire, frozen=True, gc=False):
    """One class in one split: mAP for detection, `iou` and `class_id` for semantic segmentation.

    Precision, recall and F1 are taken at `optimal_threshold`. A class without instances in the split has no mAP, and
    zeros there: leave it out of averages.
    """

    class_name: str = ""
    class_id: int | None = field(default=None, name="classID")
    map50: float | None = None
    map50_95: float | None = field(default=None, name="map50_95")
    map75: float | None = None
    iou: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    optimal_threshold: float | None = None


class PerformanceByClass(Panel, frozen=True, gc=False, kw_only=True):
    """The classes of one split (page performance-by-class)."""

    task_type: str | None = None
    split: str | None = None
    classes: tuple[ClassPerformance, ...]

    @property
    def shape(self) -> Shape:
        """Which metrics to expect: `task_type` says, or the fields present where it is absent or unknown."""
        return shape_of(self.task_type, self.classes)


# -- confusion-matrix --------------------------------------------------------------------------------------------------


class ConfusionMatrix(Panel, frozen=True, gc=False, kw_only=True):
    """`matrix[actual][predicted]`, counts of objects, or of pixels for semantic segmentation (page confusion-matrix).

    Both axes are in the order of `classes`. The row `background` holds what was predicted where nothing is, the column
    `background` what was missed; `background` may stand anywhere, or be absent. `confidence_threshold` (a fraction) is
    the one really used.
    """

    split: str | None = None
    confidence_threshold: float | None = None
    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        force_setattr(self, "confidence_threshold", as_fraction(self.confidence_threshold))
        size = len(self.classes)
        if len(self.matrix) != size or any(len(row) != size for row in self.matrix):
            rows = len(self.matrix)
            raise ValueError(f"the matrix has {rows} rows of {set(map(len, self.matrix))} for {size} classes")

    @property
    def background(self) -> int | None:
        """The index of `background`, None if there is none. If a class bears the same name, the last one is meant."""
        for index in range(len(self.classes) - 1, -1, -1):
            if self.classes[index] == "background":
                return index
        return None

    def count(self, actual: str, predicted: str) -> int:
        """Return how often `actual` was taken for `predicted`. Raises `ValueError` for an unknown class."""
        return self.matrix[self.classes.index(actual)][self.classes.index(predicted)]


# -- vector-analysis ---------------------------------------------------------------------------------------------------


class ClusteringMetrics(Wire, frozen=True, gc=False):
    """`noise_ratio` is the share of images in cluster -1, a fraction; `silhouette_score` lies in [-1, 1]."""

    noise_ratio: float | None = None
    silhouette_score: float | None = None


class Clustering(Wire, frozen=True, gc=False):
    """How the images were clustered. `parameters` are the method's own, as the server sends them."""

    method: str | None = None
    n_clusters: int | None = None
    metrics: ClusteringMetrics = ClusteringMetrics()
    parameters: dict[str, Any] = {}
    processing_time_seconds: float | None = None


class Preprocessing(Wire, frozen=True, gc=False):
    """How the embeddings were reduced before clustering."""

    method: str | None = None
    original_dimensions: int | None = None
    target_dimensions: int | None = None
    n_neighbors: int | None = None
    min_distance: float | None = None


class ClusterMetrics(Wire, frozen=True, gc=False):
    """Per-image scores over the cluster; fractions."""

    f1_mean: float | None = None
    f1_std: float | None = None
    f1_min: float | None = None
    f1_max: float | None = None
    precision_mean: float | None = None
    recall_mean: float | None = None


class ImageCluster(Wire, frozen=True, gc=False):
    """One cluster; id -1 is the noise. `split_distribution` leaves out splits without an image.

    `sample_images` are file names, perhaps not all.
    """

    id: int
    num_images: int | None = None
    split_distribution: dict[str, int] = {}
    metrics: ClusterMetrics = ClusterMetrics()
    sample_images: tuple[str, ...] = ()


class VectorAnalysis(Panel, frozen=True, gc=False, kw_only=True):
    """The clusters of the images of all splits (page vector-analysis)."""

    clustering: Clustering = Clustering()
    preprocessing: Preprocessing = Preprocessing()
    clusters: tuple[ImageCluster, ...]


# -- image-predictions -------------------------------------------------------------------------------------------------


class Cell(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`count` objects of class `actual` were taken for `predicted`; both index the confusion matrix's `classes`."""

    actual: int
    predicted: int
    count: int


class Point(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A place in the plot of the vector analysis; no unit."""

    x: float
    y: float


class Cluster(Wire, frozen=True, gc=False):
    """The cluster of an image: `id` joins `VectorAnalysis.clusters`, -1 is noise."""

    id: int | None = None
    embedding: Point | None = field(default=None, name="embedding2D")


class Stats(Wire, frozen=True, gc=False):
    """Counts of one image (objects, or pixels for semantic segmentation) and the fractions that follow from them."""

    true_positives: int | None = None
    false_positives: int | None = None
    false_negatives: int | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


class ImagePrediction(Wire, frozen=True, gc=False):
    """One image. There are no boxes, masks or scores in this API: only counts.

    `image_id` is the source image's id; augmented copies may share it.
    """

    image_id: str | None = None
    image_name: str | None = None
    split: Split | None = None
    augmentations: int | None = None
    cluster: Cluster | None = None
    stats: Stats = Stats()
    confusion: tuple[Cell, ...] = ()


class ImagePredictionsPage(Panel, frozen=True, gc=False, kw_only=True):
    """One page of images (page per-image-predictions), with the server's echo of what was asked.

    `confidence_threshold` is the fraction really used; `total_images` counts the rows of this split.
    """

    split: str | None = None
    confidence_threshold: float | None = None
    total_images: int | None = None
    offset: int | None = None
    limit: int | None = None
    images: tuple[ImagePrediction, ...]

    def __post_init__(self) -> None:
        force_setattr(self, "confidence_threshold", as_fraction(self.confidence_threshold))


# -- recommendations ---------------------------------------------------------------------------------------------------


class RecommendationsSummary(Wire, frozen=True, gc=False):
    """What the recommendations were made from: `confidence_percent` a whole **percent**, the scores fractions."""

    confidence_percent: int | None = field(default=None, name="confidenceThreshold")
    split: str | None = None
    generated_at: str | None = None
    count: int | None = None
    f1: float | None = None
    precision: float | None = None
    recall: float | None = None


class RecommendationList(Wire, frozen=True, gc=False):
    """`items` as the server sends them: their fields are not documented. Known is `type`, such as "wrong_class"."""

    summary: RecommendationsSummary = RecommendationsSummary()
    items: tuple[dict[str, Any], ...] = ()


class Recommendations(Panel, frozen=True, gc=False, kw_only=True):
    """Suggestions for improving the model (page recommendations); reading never generates them.

    `generated` is False, and all else empty, when none were made.
    """

    generated: bool
    generated_at: str | None = None
    recommendations: RecommendationList = RecommendationList()

    @property
    def items(self) -> tuple[dict[str, Any], ...]:
        """The suggestions."""
        return self.recommendations.items


# -- compare -----------------------------------------------------------------------------------------------------------


class ComparedModel(Wire, frozen=True, gc=False):
    """One model of a version. `metrics` has the server's own names (mAP5095 where the panels say map50_95).

    `median_latency_ms` is in milliseconds; `exclusion_reason` says why the model is not on the frontier's chart.
    """

    model_id: str | None = None
    evaluation_id: str | None = None
    metrics: dict[str, float | None] = {}
    median_latency_ms: float | None = None
    on_frontier: bool | None = None
    exclusion_reason: str | None = None


class Comparison(Wire, frozen=True, gc=False, kw_only=True):
    """The trained models of one version, by accuracy and latency (page compare-trained-models)."""

    project: str | None = None
    version: int | str | None = None
    frontier_metric: str | None = None
    available_metrics: tuple[str, ...] = ()
    models: tuple[ComparedModel, ...]


# -- workspace ---------------------------------------------------------------------------------------------------------


class KeyInfo(Wire, frozen=True, gc=False):
    """What `GET /` says of a key: the slug of its workspace."""

    workspace: str
