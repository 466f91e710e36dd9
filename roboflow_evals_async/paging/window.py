"""Offset arithmetic, pure: which page comes next, what a page should have held, and when a walk is over."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

Row = TypeVar("Row")

# The rows that a walk remembers: ten pages whole, in about one MB. Remembering every row would cost a tenth of the time
# of a page and, for a million rows, a hundred MB.
_HELD = 10_000

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
    """Notices rows that come a second time, in memory and time that do not grow with the walk.

    Up to `_HELD` rows are remembered: all of a small walk, which is then exact, and every nth row of each page of a
    large one. The first n rows of a page are also held against the last n of the page before, so that rows that move
    across the seam of two pages are noticed however many they are, and a page that is handed out again always is. A row
    whose key is None cannot be told from others, and counts as new.
    """

    def __init__(self, key: Callable[[Row], Hashable]) -> None:
        self._key = key
        self._held: set[Hashable] = set()
        self._tail: set[Hashable] = set()
        self._judged: tuple[set[Hashable], set[Hashable]] = (set(), set())

    def count(self, rows: Sequence[Row], total: int | None) -> int:
        """Return how many of the rows were seen before. They are not remembered until `keep` is called.

        `total` is the number of rows of the whole walk, None if it is not known.
        """
        stride = max(1, (total or 0) // _HELD)
        sample = self._keys(rows[::stride])
        keys = set(sample)
        looked_at = keys.union(self._keys(rows[:stride]))
        self._judged = keys, set(self._keys(rows[-stride:]))
        again = looked_at & self._held
        return len(sample) - len(keys) + len(again) + len((looked_at - again) & self._tail)

    def _keys(self, rows: Sequence[Row]) -> list[Hashable]:
        keys = list(map(self._key, rows))
        return keys if None not in keys else [key for key in keys if key is not None]

    def keep(self) -> None:
        """Remember the rows last counted: their page was accepted."""
        keys, self._tail = self._judged
        self._held |= keys
