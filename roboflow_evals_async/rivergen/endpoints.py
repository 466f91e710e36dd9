"""RiverGen's endpoint as a pure function: arguments to a `Request`."""

from typing import Literal

from ..core.reply import Reply
from ..core.request import Request, choice, query, segment
from . import mend
from .payloads import PerformanceSummary

DatasetSplit = Literal["train", "validation", "test"]

DATASET_SPLITS = ("train", "validation", "test")


_SUMMARY = Reply(PerformanceSummary, mend=mend.summary, always=True)


def performance_summary(
    model_id: str, *, version_id: str | None = None, dataset_split: DatasetSplit = "test"
) -> Request[PerformanceSummary]:
    """The stored scores of a version on one split (page performance-metrics/get-summary)."""
    if version_id is not None:
        segment(version_id, "version_id")
    choice(dataset_split, "dataset_split", DATASET_SPLITS)
    return Request(
        f"/api/v1/models/{segment(model_id, 'model_id')}/performance/summary",
        # The model is not compared: ids are opaque, and the server may answer with another form of the same one.
        _SUMMARY.expecting(version_id=version_id, dataset_split=dataset_split),
        query(version_id=version_id, dataset_split=dataset_split),
        f"the performance summary of {model_id!r}",
    )
