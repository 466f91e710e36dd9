"""What an evaluation of the stand-in's world is asked to be, and the default world's evaluations.

A spec is plain frozen data and costs nothing: images, predictions and panels are made from it later, when
they are first read (see `outcomes` and `panels`).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

SPLITS = ("train", "valid", "test")
"""Split names in the order in which `split=all` lists their images."""

DETECTION = "object-detection-like"
"""The documented `taskType` of object detection and of instance segmentation alike."""

SEMANTIC_SEGMENTATION = "semantic-segmentation"
"""The documented `taskType` whose panels count pixels."""


def _two_test_images() -> dict[str, int]:
    return {"test": 2}


class EvaluationSpec(Struct, frozen=True, kw_only=True):
    """One evaluation to be made: its metadata, its size and its quirks.

    The defaults make a tiny finished detection evaluation, so `EvaluationSpec()` two hundred times over is
    cheap.
    """

    eval_id: str = ""
    """20 alphanumerics; empty: the world draws one from its seed."""
    status: str = "done"
    """`done`, `running` or `failed`; the panels of the last two answer 409."""
    project: str | None = "demo-project"
    """URL slug; None: the project was deleted. Evaluations of one project share images and ground truth."""
    version_id: str = "1"
    """The version's number, as the API writes it: a string."""
    model_id: str | None = None
    """Internal model id, as the `model` filter takes it."""
    created_at: str = ""
    """ISO 8601 with milliseconds and `Z`; empty: the world counts back one hour per evaluation."""
    task_type: str = DETECTION
    """`object-detection-like`, `semantic-segmentation`, or a value that the documents do not know."""
    classes: tuple[str, ...] = ("cat", "dog", "bird")
    """Foreground class names in index order; `background` is appended in the confusion matrix."""
    images: Mapping[str, int] = field(default_factory=_two_test_images)
    """Images per split; a split that is left out does not exist."""
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Per split, the classes without a single instance there."""
    confidences: tuple[int, ...] = (20, 50)
    """Percents for which reports are materialised; any other answers 404 `report_not_found`."""
    default_confidence: int | None = 20
    """Percent of the canonical report; None: the F1-optimal threshold of the test split. Always materialised."""
    recommendations: bool = True
    """False: the panel answers `{"generated": false}`."""
    skill: float = 0.88
    """Share (fraction) of the objects in an easy image that the model finds and names rightly."""
    objects_per_image: int = 4
    """Mean number of ground truth objects in an image (in semantic segmentation: of regions)."""
    clusters: int = 6
    """Embedding clusters the images fall into, besides the noise cluster -1."""
    large_objects: bool = True
    """False: no object is large, so every `large` bucket is null."""
    by_object_size: bool = True
    """False: `byObjectSize` is left out, as in instance segmentation evaluations of before October 2025."""
    identity_header: bool = True
    """Whether panels begin with evalId, project, versionId and modelId."""
    legacy: bool = False
    """The older server: `id` and `projectId`, no `taskType`, no `summary.mIoU`, no identity header."""
    odd_rows: bool = False
    """A few rows have `cluster` null or no `embedding2D`, and two rows share one source image id."""
    latency_ms: float | None = None
    """Median latency (milliseconds) that `compare` gives; None: unavailable."""
    missing_panels: tuple[str, ...] = ()
    """Panels that answer 409 although the evaluation is done, such as ("confidence-sweep",)."""
    block_size: int = 5_000
    """Images really drawn per split; later ones repeat that block's content under ids and names of their own.

    More than any split of an ordinary data set needs, and small enough that a million rows cost what five
    thousand do.
    """


CHESS_CLASSES = ("Car-rims", "hub cap", "tyre/tread", "=logo", "music-note")
SHELF_CLASSES = ("cereal", "coffee 250 g", "juice/1L", "pasta", "rice", "soap", "tea", "price tag")
_CHESS_IMAGES = {"train": 512, "valid": 96, "test": 192}


def default_specs() -> tuple[EvaluationSpec, ...]:
    """The thirteen evaluations of the default world, newest first."""
    return (
        EvaluationSpec(
            project="chess-pieces-fmhpz",
            version_id="4",
            created_at="2026-04-27T20:04:10.904Z",
            classes=CHESS_CLASSES,
            images=_CHESS_IMAGES,
            absent={"test": ("music-note",)},
            confidences=(20, 37, 50),
            large_objects=False,
            latency_ms=31.4,
        ),
        EvaluationSpec(
            project="chess-pieces-fmhpz",
            version_id="4",
            model_id="Qd8vLr2TnXk5sYwB1uJe",
            created_at="2026-04-27T18:40:51.220Z",
            classes=CHESS_CLASSES,
            images=_CHESS_IMAGES,
            absent={"test": ("music-note",)},
            skill=0.8,
            large_objects=False,
            latency_ms=12.9,
        ),
        EvaluationSpec(
            project="chess-pieces-fmhpz",
            version_id="3",
            model_id="h3PzFa6RmKc0oVtG9iNy",
            created_at="2026-04-12T07:15:33.481Z",
            classes=CHESS_CLASSES,
            images=_CHESS_IMAGES,
            absent={"test": ("music-note",)},
            skill=0.72,
            large_objects=False,
        ),
        EvaluationSpec(
            status="running",
            project="hard-hat-detection",
            version_id="1",
            created_at="2026-03-19T21:02:07.918Z",
        ),
        EvaluationSpec(
            project="shelf-audit",
            version_id="7",
            model_id="w0CxUe4BjTq7lDnM2hSa",
            created_at="2026-03-11T09:30:00.000Z",
            classes=SHELF_CLASSES,
            images={"train": 2380, "valid": 680, "test": 340},
            default_confidence=None,
            clusters=53,
            identity_header=False,
            latency_ms=44.0,
        ),
        EvaluationSpec(
            project="road-scenes",
            version_id="5",
            created_at="2026-02-20T13:45:09.077Z",
            task_type=SEMANTIC_SEGMENTATION,
            classes=("road", "side walk", "sky", "multi"),
            images={"train": 180, "valid": 40, "test": 60},
            absent={"valid": ("multi",)},
            confidences=(0, 20),
            default_confidence=0,
            latency_ms=88.2,
        ),
        EvaluationSpec(
            project="hand-poses",
            version_id="1",
            created_at="2026-02-02T16:20:44.310Z",
            task_type="keypoint-detection",
            classes=("left hand", "right hand"),
            images={"train": 70, "valid": 15, "test": 15},
            identity_header=False,
        ),
        EvaluationSpec(
            status="failed",
            project="hard-hat-detection",
            version_id="2",
            created_at="2026-01-28T11:11:11.011Z",
        ),
        EvaluationSpec(
            project=None,
            version_id="9",
            created_at="2026-01-15T08:00:30.600Z",
            images={"valid": 30, "test": 25},
        ),
        EvaluationSpec(
            project="solar-panels",
            version_id="1",
            model_id="n5KbYs8ZrHg1aPfE6vQd",
            created_at="2025-12-04T19:52:18.745Z",
            classes=("panel", "crack", "snail trail"),
            images={"train": 60, "valid": 20, "test": 20},
            recommendations=False,
            identity_header=False,
        ),
        EvaluationSpec(
            project="odd-rows",
            version_id="1",
            created_at="2025-11-17T12:00:00.000Z",
            images={"test": 12},
            odd_rows=True,
        ),
        EvaluationSpec(
            project="leaf-disease-seg",
            version_id="2",
            model_id="t9JmXo3DwRi7cLuF4kGz",
            created_at="2025-09-09T10:05:26.134Z",
            classes=("healthy leaf", "rust", "blight"),
            images={"train": 90, "valid": 30, "test": 60},
            by_object_size=False,
            latency_ms=52.7,
        ),
        EvaluationSpec(
            project="warehouse-pallets",
            version_id="11",
            model_id="y2VgNq5AhWb8eTjO0rCx",
            created_at="2025-08-01T06:41:02.003Z",
            classes=("pallet", "forklift"),
            images={"train": 40, "valid": 10, "test": 10},
            legacy=True,
        ),
    )
