"""What one call may take: time, tries and bytes."""

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from .request import integer, seconds
from .retry import RetryPolicy

# A page of 1000 images is about 330 KB; a report hundreds of times as large is a fault, not data.
DEFAULT_MAX_BODY = 64 * 1024 * 1024

# The server re-reads one large file for every page, so the first byte may take tens of seconds.
DEFAULT_TIMEOUT = 60.0


class Options(msgspec.Struct, frozen=True):
    """What one call may take.

    `timeout` limits, in seconds, connecting and each silence between two pieces of an answer; `deadline` is one wall
    clock, in seconds, over queueing, tries, waits and body of a call; `max_body` is in bytes, after decompression.
    """

    timeout: float = DEFAULT_TIMEOUT
    deadline: float | None = None
    max_body: int = DEFAULT_MAX_BODY
    retry: RetryPolicy = RetryPolicy()

    def changed(
        self,
        *,
        timeout: float | UnsetType = UNSET,
        deadline: float | UnsetType | None = UNSET,
        max_attempts: int | UnsetType = UNSET,
        max_body: int | UnsetType = UNSET,
    ) -> "Options":
        """Return a copy with what is given. Raises `InvalidArgumentError` for what cannot be."""
        changes: dict[str, object] = {}
        if timeout is not UNSET:
            changes["timeout"] = seconds(timeout, "timeout")
        if deadline is not UNSET:
            changes["deadline"] = None if deadline is None else seconds(deadline, "deadline")
        if max_body is not UNSET:
            changes["max_body"] = integer(max_body, "max_body", 1)
        if max_attempts is not UNSET:
            changes["retry"] = replace(self.retry, max_attempts=integer(max_attempts, "max_attempts", 1))
        return replace(self, **changes)
