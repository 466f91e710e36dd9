"""What the client tells a listener: frozen structs without key and without query string.

Pass a callable as `on_event`. It is called in the event loop, so it must be quick; what it raises goes to the caller.
Nothing is built when nobody listens.
"""

import logging
from collections.abc import Callable

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Root of the events."""


class AttemptStarted(Event, frozen=True, gc=False):
    """A try begins. `attempt` counts from 1."""

    asked: str
    path: str
    attempt: int


class AttemptFinished(Event, frozen=True, gc=False):
    """A try gave a whole, decoded reply of `size` bytes after `seconds`."""

    asked: str
    path: str
    attempt: int
    seconds: float
    size: int


class AttemptFailed(Event, frozen=True, gc=False):
    """A try failed after `seconds`. `error` is the error's class, `status` the HTTP status if there was one."""

    asked: str
    path: str
    attempt: int
    seconds: float
    error: str
    status: int | None


class CoolingDown(Event, frozen=True, gc=False):
    """The client waits `seconds` before the next try."""

    asked: str
    path: str
    seconds: float


class PageReady(Event, frozen=True, gc=False):
    """A page of `rows` rows, the first being row `offset` of `total` (None: unknown), is about to be delivered."""

    asked: str
    offset: int
    rows: int
    total: int | None


class WalkDone(Event, frozen=True, gc=False):
    """A walk delivered its last row."""

    asked: str
    rows: int
    pages: int
    seconds: float


class Polled(Event, frozen=True, gc=False):
    """An evaluation that is waited for had this status, `seconds` after the waiting began."""

    eval_id: str
    status: str
    seconds: float


Listener = Callable[[Event], object]

_LEVELS: dict[type[Event], int] = {AttemptFailed: logging.WARNING, CoolingDown: logging.WARNING}


def logging_listener(logger: logging.Logger) -> Listener:
    """Return a listener that writes each event as one line: failures and waits as warnings, the rest as debug."""

    def write(event: Event) -> None:
        level = _LEVELS.get(type(event), logging.DEBUG)
        if logger.isEnabledFor(level):
            fields = msgspec.structs.asdict(event)
            logger.log(level, "%s %s", type(event).__name__, " ".join(f"{k}={v!r}" for k, v in fields.items()))

    return write
