"""How replies that differ from the documented sample are rewritten into its shape: pure functions over plain values."""

from math import isfinite
from typing import Any

from ..core.errors import DecodeError

Document = dict[str, Any]


def summary(document: Document) -> Document:
    """The account endpoints' envelope, null for no metrics, and metrics that are no numbers."""
    mended = dict(document)
    if mended.get("success") is False:
        raise DecodeError("The server reports that it did not succeed, with status 200.", path="$.success")
    if mended.get("success") is True and "model_id" not in mended and isinstance(mended.get("data"), dict):
        mended = dict(mended["data"])
    if "metrics" in mended and mended["metrics"] is None:
        mended["metrics"] = {}
    metrics = mended.get("metrics")
    if isinstance(metrics, dict):
        mended["metrics"] = {name: _finite(value) for name, value in metrics.items() if _is_number(value)}
        mended["other_metrics"] = {name: value for name, value in metrics.items() if not _is_number(value)}
    return mended


def _is_number(value: Any) -> bool:
    # A null stands for a number that there is not; true and false are nobody's score.
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _finite(value: float | None) -> float | None:
    try:
        return float(value) if value is not None and isfinite(value) else None
    except OverflowError:  # a whole number beyond any float
        return None
