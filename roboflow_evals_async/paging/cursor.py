"""The state of one walk, without I/O: sequential walks and read-ahead share it."""

import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, Literal, TypeVar

import msgspec

from ..core.errors import InvalidArgumentError, PaginationDriftError
from ..core.request import Request, choice, integer
from .checkpoint import Checkpoint
from .window import Drift, Facts, Repeats, Window, drifts, end_of, next_window, step_of

Row = TypeVar("Row")
ReplyT = TypeVar("ReplyT")

OnDrift = Literal["raise", "warn", "restart"]

# A re-run replaces an evaluation's rows within seconds; a server that still drifts the third time is not settling.
_MAX_RESTARTS = 3


class PageQuery(msgspec.Struct, Generic[Row, ReplyT], frozen=True):
    """What is walked: one immutable query from which every page's request is made.

    `request(offset, limit)` asks for one page; `rows` and `facts` read it; `key` tells rows apart (see
    `Repeats`); `fingerprint` names the query in checkpoints; `max_page_size` is the server's cap in rows.
    """

    request: Callable[[int, int], Request[ReplyT]]
    rows: Callable[[ReplyT], tuple[Row, ...]]
    facts: Callable[[ReplyT], Facts]
    key: Callable[[Row], Hashable]
    fingerprint: str
    asked: str
    max_page_size: int


class Page(msgspec.Struct, Generic[Row, ReplyT], frozen=True):
    """Rows in server order: `items[0]` is row `offset` of `total` (None: the server does not say).

    `reply` is the whole page as the server sent it; `items` can be fewer rows at the end of a walk with `max_items`.
    """

    items: tuple[Row, ...]
    offset: int
    total: int | None
    reply: ReplyT


class WalkReport(msgspec.Struct, frozen=True):
    """What a walk delivered so far: rows, pages, the server's total (None: unknown), the seconds, and what drifted.

    `complete` is True once the last row asked for was delivered.
    """

    rows: int
    pages: int
    total: int | None
    seconds: float
    drift: tuple[Drift, ...]
    complete: bool


class Plan(msgspec.Struct, frozen=True):
    """The rows of one walk: from `start` to before `stop` (None: the end), by pages of `page_size`.

    `total` is what the server said before, when the walk goes on from a checkpoint.
    """

    start: int
    stop: int | None
    page_size: int
    on_drift: OnDrift
    total: int | None = None

    @property
    def restarts(self) -> int:
        """How often the walk may begin again: never from a checkpoint, for the rows before it were delivered."""
        return _MAX_RESTARTS if self.on_drift == "restart" and self.total is None else 0


def plan_walk(
    query: PageQuery[Any, Any],
    *,
    page_size: int,
    start: int,
    max_items: int | None,
    on_drift: OnDrift,
    resume: Checkpoint | str | None,
) -> Plan:
    """Check the arguments of a walk; raises `InvalidArgumentError` naming the one that is wrong."""
    integer(page_size, "page_size", 1, query.max_page_size)
    integer(start, "start", 0)
    choice(on_drift, "on_drift", ("raise", "warn", "restart"))
    stop = None if max_items is None else start + integer(max_items, "max_items", 0)
    if resume is None:
        return Plan(start, stop, page_size, on_drift)
    if isinstance(resume, str):
        resume = Checkpoint.decode(resume)
    if not isinstance(resume, Checkpoint):
        raise InvalidArgumentError(f"resume is a {type(resume).__name__}, not a checkpoint.", field="resume")
    if resume.query != query.fingerprint:
        raise InvalidArgumentError(
            "The checkpoint belongs to another query.",
            field="resume",
            hint="Resume with the evaluation, split and confidence that it was made with.",
        )
    if stop is not None and stop != resume.stop:
        raise InvalidArgumentError(
            "The checkpoint belongs to a walk with other start and max_items.",
            field="resume",
            hint="Leave both out: the checkpoint knows where to stop.",
        )
    return Plan(resume.offset, resume.stop, page_size, on_drift, resume.total)


class Cursor(Generic[Row, ReplyT]):
    """Which window comes next, where the walk stands, and what was wrong with the pages so far."""

    def __init__(self, query: PageQuery[Row, ReplyT], plan: Plan) -> None:
        self.query = query
        self.plan = plan
        self.total = plan.total
        self.pages = 0
        self.rows = 0
        self.drift: list[Drift] = []
        end = self.end
        self.window = Window(plan.start, plan.page_size) if end is None or plan.start < end else None
        self._position = plan.start
        self._page_end = plan.start
        self._repeats: Repeats[Row] = Repeats(query.key)
        self._begun = time.monotonic()

    @property
    def end(self) -> int | None:
        """The row to stop before, None while it is not known."""
        return end_of(self.total, self.plan.stop)

    def accept(self, window: Window, reply: ReplyT) -> Page[Row, ReplyT]:
        """Judge the page that came for the window, move on, and return its rows.

        Raises `PaginationDriftError`, without having moved, if the page does not fit and `on_drift` is not "warn".
        """
        rows, facts = self.query.rows(reply), self.query.facts(reply)
        found = drifts(window, facts, self.total)
        repeated = self._repeats.count(rows, self.total if facts.total is None else facts.total)
        if repeated:
            found.append(Drift("repeat", window.offset, 0, repeated))
        if found:
            if self.plan.on_drift != "warn":
                text = "; ".join(map(str, found))
                raise PaginationDriftError(f"{self.query.asked}: {text}.", drift=tuple(found))
            self.drift += found
        self._repeats.keep()
        if facts.total is not None:
            self.total = facts.total
        stop = self.plan.stop
        items = rows if stop is None else rows[: stop - window.offset]
        self.pages += 1
        self.rows += len(items)
        self._page_end = window.offset + len(items)
        self.window = next_window(window, step_of(window, facts, self.total), self.end)
        if self.total is None and repeated == len(rows):
            self.window = None  # without a total, only a page that brings nothing new says that there is no more
        if self.window is not None:
            self._position = self.window.offset
        else:
            # Rows that the server owed, or took away again, are not asked for later; the walk never goes back.
            self._position = max(self._page_end, self.end or 0)
        return Page(items, window.offset, self.total, reply)

    def checkpoint(self, undelivered: int) -> Checkpoint:
        """Return where to go on, when so many rows of the last accepted page were not delivered."""
        offset = self._page_end - undelivered if undelivered else self._position
        return Checkpoint(self.query.fingerprint, offset, self.plan.stop, self.total)

    def report(self, undelivered: int) -> WalkReport:
        """Return the figures so far."""
        return WalkReport(
            rows=self.rows - undelivered,
            pages=self.pages,
            total=self.total,
            seconds=time.monotonic() - self._begun,
            drift=tuple(self.drift),
            complete=self.window is None and not undelivered,
        )
