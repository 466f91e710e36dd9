"""The options that limit what is sent, read and checked by the library's own rules before a key is looked for."""

from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from ..core.errors import InvalidArgumentError
from ..core.gate import Gate
from ..core.options import Options
from ..core.request import integer

if TYPE_CHECKING:
    from .context import Globals


class Limits(NamedTuple):
    """How much at once and how fast, and what one call may take; what was not asked for is the library's default."""

    gate: Gate
    options: Options


def limits(given: "Globals") -> Limits:
    """Read the global options. Raises `InvalidArgumentError`."""
    slots, retries = whole(given.max_concurrency, "max_concurrency"), whole(given.retries, "retries")
    return Limits(
        Gate(rate=_rate(given.rate)) if slots is None else Gate(slots, rate=_rate(given.rate)),
        Options().changed(
            timeout=UNSET if given.timeout is None else given.timeout,
            deadline=given.deadline,
            # The first try is none of the retries.
            max_attempts=UNSET if retries is None else integer(retries, "retries", 0) + 1,
        ),
    )


def whole(text: str | None, field: str) -> int | None:
    """Read a whole number; the library checks its range. Raises `InvalidArgumentError`."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        hint = "Give a whole number."
        if field == "confidence":
            hint = "Give a whole number of percent, from 0 to 100: 20 where a threshold of 0.2 is meant."
        raise InvalidArgumentError(f"{field} is {text!r}.", field=field, hint=hint) from None


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.strip().removesuffix("/s"))
    except ValueError:
        hint = "Give requests a second, above 0: 5 or 5/s."
        raise InvalidArgumentError(f"rate is {text!r}.", field="rate", hint=hint) from None
