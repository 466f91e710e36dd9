"""Which failures are tried again, and after how long: pure functions over errors and headers."""

import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from .errors import APIError, EvalsError, RateLimitedError, ServerError, TransportError

# Every request is a GET, so trying again is safe; these are the statuses after which it can help. 409 is not among
# them: an evaluation that is not done is an answer, and may stay so for ever.
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

# Epoch seconds of this century are above, any number of seconds to wait is below.
_EPOCH_NOT_DELTA = 1_000_000_000


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often and how long: after the nth failure a wait from [0, min(ceiling, base * 2**(n - 1))] seconds."""

    # Four tries ride out a restart of the server; more would hide an outage from the caller.
    max_attempts: int = 4
    # Half a second is about the time of one small answer of this API: less would be the same try again.
    base: float = 0.5
    # Longer than half a minute and the caller is better served by an error.
    ceiling: float = 30.0
    # Without a deadline the client waits on the server's word up to here. Rate-limit windows of public APIs are one
    # to five minutes; a server that asks for more means "not today".
    longest_asked: float = 300.0


def is_retryable(error: BaseException) -> bool:
    """Say whether another try can help. True for errors of this library only, never for a cancellation."""
    if isinstance(error, TransportError):
        return error.retryable
    if isinstance(error, RateLimitedError):
        return True
    # By exact type: where the body's code named the error, the code has decided, whatever the status.
    return type(error) in (APIError, ServerError) and error.status in RETRIED_STATUSES  # type: ignore[attr-defined]


def asked_wait(error: EvalsError) -> float | None:
    """Return the seconds that the server asked to wait, or None."""
    return error.retry_after if isinstance(error, RateLimitedError | ServerError) else None


def wait_after(error: EvalsError, failures: int, policy: RetryPolicy) -> float:
    """Return the seconds to wait after the nth failure: the server's number and a little more, or full jitter."""
    asked = asked_wait(error)
    if asked is not None:
        # Never sooner than told; a tenth more (a quarter second at least) so that not all callers return at once.
        return asked + random.uniform(0, max(0.25, asked / 10))  # noqa: S311
    # 2**32 half seconds are far above any ceiling: more would only overflow.
    return random.uniform(0, min(policy.ceiling, policy.base * 2 ** min(failures - 1, 32)))  # noqa: S311


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After` (seconds or an HTTP date), else `X-RateLimit-Reset` (epoch or seconds), as seconds from `now`.

    `now` is the epoch time. A value that cannot be read counts as absent; a moment in the past is 0.
    """
    asked = headers.get("Retry-After")
    if asked is not None:
        seconds = _seconds(asked)
        if seconds is None:
            seconds = _date(asked, now)
        if seconds is not None:
            return max(0.0, seconds)
    reset = _seconds(headers.get("X-RateLimit-Reset", ""))
    if reset is None:
        return None
    return max(0.0, reset - now if reset > _EPOCH_NOT_DELTA else reset)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if abs(seconds) < float("inf") else None


def _date(text: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    # An HTTP date is always GMT; one without a zone is read as that.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
