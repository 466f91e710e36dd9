"""Offset arithmetic, pure: which page comes next, what a page should have held, and when a walk is over."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

Row = TypeVar("Row")

DriftKind = Literal["offset", "total", "short", "long", "repeat"]


class Window(msgspec.Struct, frozen=True):
    """The rows [offset, offset + limit) are asked for."""

    offset: int
    limit: int


class Facts(msgspec.Struct, frozen=True):
    """What a page says of itself: its number of rows, and the server's echoes; None where the server is silent."""

    rows: int
    total: int | None
    offset: int | None
    limit: int | None


class Drift(msgspec.Struct, frozen=True):
    """A page that does not fit the walk.

    `kind` says how: the echoed "offset" differs, the "total" changed, the page is too "short" or too "long", or a row
    is a "repeat" of one before. `offset` is the first row of the page, `expected` and `found` the figures.
    """

    kind: DriftKind
    offset: int
    expected: int | None
    found: int | None

    def __str__(self) -> str:
        where = f"on the page from row {self.offset}"
        match self.kind:
            case "offset":
                return f"the server answered with rows from {self.found} {where}"
            case "total":
                return f"the total changed from {self.expected} to {self.found} {where}"
            case "repeat":
                return f"{self.found} rows came a second time {where}"
            case _:  # "short" or "long"
                return f"{self.found} rows instead of {self.expected} {where}"


def step_of(window: Window, facts: Facts, total: int | None) -> int:
    """Return by how many rows the walk moves on: the window asked, or the smaller limit that the server admits to.

    Without a total nothing would tell a page that the server cut short from the last one, and the rows between would
    be lost: the walk then moves on by what came.
    """
    step = facts.limit if facts.limit is not None and 0 < facts.limit < window.limit else window.limit
    return facts.rows if total is None and 0 < facts.rows < step else step


def next_window(window: Window, step: int, end: int | None) -> Window | None:
    """Return the window after this one, or None at the end: the only rule by which a walk stops.

    `end` is the row to stop before, None while it is not known.
    """
    offset = window.offset + step
    return None if end is not None and offset >= end else Window(offset, step)


def end_of(total: int | None, stop: int | None) -> int | None:
    """Return the row to stop before: the server's total or the caller's stop, whichever comes first."""
    if total is None or stop is None:
        return stop if total is None else total
    return min(total, stop)


def drifts(window: Window, facts: Facts, known_total: int | None) -> list[Drift]:
    """Compare a page with what it must be, given the total that earlier pages named."""
    found: list[Drift] = []
    if facts.offset is not None and facts.offset != window.offset:
        found.append(Drift("offset", window.offset, window.offset, facts.offset))
    if known_total is not None and facts.total is not None and facts.total != known_total:
        found.append(Drift("total", window.offset, known_total, facts.total))
    if facts.rows > window.limit:
        found.append(Drift("long", window.offset, window.limit, facts.rows))
    elif (total := known_total if facts.total is None else facts.total) is not None:
        due = max(0, min(step_of(window, facts, total), total - window.offset))
        if facts.rows != due:
            found.append(Drift("short" if facts.rows < due else "long", window.offset, due, facts.rows))
    return found


class Repeats(Generic[Row]):
    """Notices rows that come a second time, in memory that grows by two keys a page.

    Held are the rows of the last page (a server whose rows move repeats some at the seam of two pages) and the first
    and last row of every page (a server that hands out an old page again). `mark` is cheap to compute and may be
    shared by rows that differ; only where marks meet are the rows compared by `key`.
    """

    def __init__(self, mark: Callable[[Row], Hashable], key: Callable[[Row], Hashable]) -> None:
        self._mark = mark
        self._key = key
        self._last: Sequence[Row] = ()
        self._last_marks: set[Hashable] = set()
        self._edges: set[Hashable] = set()
        self._judged: tuple[Sequence[Row], set[Hashable], set[Hashable]] = ((), set(), set())

    def count(self, rows: Sequence[Row]) -> int:
        """Return how many of the rows were seen before. They are not remembered until `keep` is called."""
        marks = set(map(self._mark, rows))
        edges = {self._key(rows[0]), self._key(rows[-1])} if rows else set()
        self._judged = rows, marks, edges
        if len(marks) == len(rows) and marks.isdisjoint(self._last_marks):
            return len(edges & self._edges)
        keys = set(map(self._key, rows))
        return len(rows) - len(keys) + len(keys.intersection(map(self._key, self._last))) or len(edges & self._edges)

    def keep(self) -> None:
        """Remember the rows last counted: their page was accepted."""
        self._last, self._last_marks, edges = self._judged
        self._edges |= edges
