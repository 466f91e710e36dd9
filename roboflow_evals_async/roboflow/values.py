"""Values that several replies share: the names of splits, the shapes of results, thresholds."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol, Self

Shape = Literal["detection", "segmentation", "other"]

# The values of `taskType` that the documents name.
DETECTION = "object-detection-like"
SEGMENTATION = "semantic-segmentation"


class Split(StrEnum):
    """A split of a version's images. A value that the documents do not name is kept as it is."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"

    # Enum's own hash is that of the member's name: slow, and another than that of the text that it equals.
    __hash__ = str.__hash__

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


class Scored(Protocol):
    """A split or a class with its metrics."""

    @property
    def map50(self) -> float | None: ...
    @property
    def map50_95(self) -> float | None: ...
    @property
    def iou(self) -> float | None: ...


def shape_of(task_type: str | None, scored: Sequence[Scored]) -> Shape:
    """Say which metrics to expect: `task_type` says, or the fields present where it is absent or unknown."""
    if task_type == DETECTION:
        return "detection"
    if task_type == SEGMENTATION:
        return "segmentation"
    if any(scores.map50 is not None or scores.map50_95 is not None for scores in scored):
        return "detection"
    if any(scores.iou is not None or getattr(scores, "miou", None) is not None for scores in scored):
        return "segmentation"
    return "other"


def as_fraction(threshold: float | None) -> float | None:
    """Return the threshold of a panel as a fraction."""
    # The documents say fraction; some servers have been seen to say 30. Exactly 1 is a fraction, as documented.
    return threshold / 100 if threshold is not None and threshold > 1 else threshold
