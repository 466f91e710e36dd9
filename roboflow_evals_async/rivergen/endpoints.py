"""RiverGen's endpoint as a pure function: arguments to a `Request`."""

from typing import Literal

from ..core.errors import DecodeError
from ..core.reply import Reply
from ..core.request import Request, choice, query, segment
from . import mend
from .payloads import PerformanceSummary

DatasetSplit = Literal["train", "validation", "test"]

DATASET_SPLITS = ("train", "validation", "test")


class SummaryReply(Reply[PerformanceSummary]):
    """The summary of the split, and of the version if one was named, that was asked for; any other is refused.

    A deployment gate must never read the numbers of another split or version. The model is not compared: ids are
    opaque, and the server may answer with another form of the same one.
    """

    def __init__(self, *, version_id: str | None, dataset_split: str) -> None:
        super().__init__(PerformanceSummary, mend=mend.summary)
        self._asked = {"dataset_split": dataset_split} | ({} if version_id is None else {"version_id": version_id})

    def decode(self, body: bytes) -> PerformanceSummary:
        """Return the struct. Raises as `Reply.decode` does, and `DecodeError` for the scores of something else."""
        summary = super().decode(body)
        for name, asked in self._asked.items():
            found = getattr(summary, name)
            if found != asked:
                raise DecodeError(f"The server answered for {name} {found!r}, not {asked!r}.", path=f"$.{name}")
        return summary


def performance_summary(
    model_id: str, *, version_id: str | None = None, dataset_split: DatasetSplit = "test"
) -> Request[PerformanceSummary]:
    """The stored scores of a version on one split (page performance-metrics/get-summary)."""
    if version_id is not None:
        segment(version_id, "version_id")
    choice(dataset_split, "dataset_split", DATASET_SPLITS)
    return Request(
        f"/api/v1/models/{segment(model_id, 'model_id')}/performance/summary",
        SummaryReply(version_id=version_id, dataset_split=dataset_split),
        query(version_id=version_id, dataset_split=dataset_split),
        f"the performance summary of {model_id!r}",
    )
