"""What the client tells a listener: frozen structs without key and without query string.

Pass a callable as `on_event`. It is called in the event loop, so it must be quick; what it raises is logged.
Nothing is built when nobody listens.

Many attempts are under way at a time. Their events are joined by numbers, unique in the process: `id` is the attempt's,
`page` and `walk` are those of the page and the walk for which it is made (0: for none).
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Root of the events."""


class AttemptStarted(Event, frozen=True, gc=False):
    """A try begins. `attempt` counts from 1."""

    asked: str
    path: str
    attempt: int
    id: int = 0
    page: int = 0
    walk: int = 0


class AttemptFinished(Event, frozen=True, gc=False):
    """A try gave a whole, decoded reply of `size` bytes after `seconds`."""

    asked: str
    path: str
    attempt: int
    seconds: float
    size: int
    id: int = 0


class AttemptFailed(Event, frozen=True, gc=False):
    """A try failed after `seconds`. `error` is the error's class, `status` the HTTP status if there was one."""

    asked: str
    path: str
    attempt: int
    seconds: float
    error: str
    status: int | None
    id: int = 0


class AttemptCancelled(Event, frozen=True, gc=False):
    """A try was ended after `seconds`: by the deadline, or because nobody wants the reply any more."""

    asked: str
    path: str
    attempt: int
    seconds: float
    id: int = 0


class CoolingDown(Event, frozen=True, gc=False):
    """The client waits `seconds` before the next try: after the attempt `id`, or within it if it has not been sent."""

    asked: str
    path: str
    seconds: float
    id: int = 0


class PageReady(Event, frozen=True, gc=False):
    """A page of `rows` rows, the first being row `offset` of `total` (None: unknown), is about to be delivered."""

    asked: str
    offset: int
    rows: int
    total: int | None
    page: int = 0
    walk: int = 0


class WalkDone(Event, frozen=True, gc=False):
    """A walk delivered its last row."""

    asked: str
    rows: int
    pages: int
    seconds: float
    walk: int = 0


class WalkStopped(Event, frozen=True, gc=False):
    """A walk ended early. `error` is the error's class, or None if it was left or cancelled.

    A walk that goes on after its error is told of anew, under the same number. One that is left by a plain `break`,
    without `aclose()` and outside a read-ahead, cannot be told of.
    """

    asked: str
    rows: int
    pages: int
    seconds: float
    error: str | None
    walk: int = 0


class Polled(Event, frozen=True, gc=False):
    """An evaluation that is waited for had this status, `seconds` after the waiting began."""

    eval_id: str
    status: str
    seconds: float


Listener = Callable[[Event], object]

next_id = count(1).__next__

# The walk and the page for which requests are made. Calls know nothing of walks; a task inherits it from its maker.
place: ContextVar[tuple[int, int]] = ContextVar("place", default=(0, 0))

_LOG = logging.getLogger("roboflow_evals_async")


def harmless(listener: Listener | None) -> Listener | None:
    """Return a listener whose errors are logged and go no further: a page must not be lost to a mistake in telling."""
    if listener is None:
        return None

    def tell(event: Event) -> None:
        try:
            listener(event)
        except Exception:  # noqa: BLE001  (it is logged whole)
            _LOG.exception("on_event failed for %s", type(event).__name__)

    return tell


_JOINS = frozenset({"id", "page", "walk"})

_LEVELS: dict[type[Event], int] = {AttemptFailed: logging.WARNING, CoolingDown: logging.WARNING}


def logging_listener(logger: logging.Logger) -> Listener:
    """Return a listener that writes each event as one line: failures and waits as warnings, the rest as debug."""

    def write(event: Event) -> None:
        level = _LEVELS.get(type(event), logging.DEBUG)
        if logger.isEnabledFor(level):
            fields = msgspec.structs.asdict(event)
            shown = " ".join(f"{k}={v!r}" for k, v in fields.items() if v or k not in _JOINS)
            logger.log(level, "%s %s", type(event).__name__, shown)

    return write
