"""Which rows have been there before, in eight bytes a row."""

from array import array
from collections.abc import Iterable, Sequence

# Half a page, so that small splits stay small; the table doubles from here.
_FIRST_SLOTS = 512

# A slot is eight bytes; with at most two of three taken, a search looks at three slots on average. So a row costs 12
# to 24 bytes, where a set of numbers would take about 75.
_FULLEST = 2 / 3


class Seen:
    """Hashes of the rows of one split, in an open table.

    Two of a million rows share a 64-bit hash once in forty million exports; Python salts its hashes, so that even then
    the next run would pass.
    """

    def __init__(self) -> None:
        self._slots = _empty(_FIRST_SLOTS)
        self._taken = 0

    def add(self, marks: Sequence[int]) -> int:
        """Remember the hashes, and return how many of them had been there before."""
        while self._taken + len(marks) > len(self._slots) * _FULLEST:
            slots = _empty(2 * len(self._slots))
            _enter(slots, (mark for mark in self._slots if mark))
            self._slots = slots
        repeated = _enter(self._slots, marks)
        self._taken += len(marks) - repeated
        return repeated


def _empty(slots: int) -> "array[int]":
    return array("q", bytes(8 * slots))


def _enter(slots: "array[int]", marks: Iterable[int]) -> int:
    last = len(slots) - 1  # the number of slots is a power of two
    repeated = 0
    for mark in marks:
        wanted = mark or 1  # 0 is an empty slot
        place = wanted & last
        while (held := slots[place]) and held != wanted:
            place = (place + 1) & last
        if held:
            repeated += 1
        else:
            slots[place] = wanted
    return repeated
