"""Tables as plain values: what the panels are turned into, before anything is drawn."""

from collections.abc import Iterable
from typing import NamedTuple


class Cell(NamedTuple):
    """A text with a style that only a terminal shows."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column: numbers stand at the right and are never broken; a `whole` text is broken last of all."""

    header: str
    right: bool = False
    whole: bool = False


Row = tuple[str | Cell, ...]


class Grid(NamedTuple):
    """A table with its title, or a list of names and values where it has no columns' headers."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""


# What a command shows: lines of context, and tables.
Part = str | Grid

ABSENT = "-"


def grid(columns: Iterable[Column], rows: Iterable[Row], title: str = "") -> Grid:
    """Make a table."""
    return Grid(tuple(columns), tuple(rows), title)


def facts(pairs: Iterable[tuple[str, str | Cell]], title: str = "") -> Grid:
    """Make a list of names and values."""
    return grid((text(""), ident("")), [(Cell(name, "bold"), value) for name, value in pairs], title)


def text(header: str) -> Column:
    """A column of names."""
    return Column(header)


def ident(header: str) -> Column:
    """A column of ids, for copying."""
    return Column(header, whole=True)


def number(header: str) -> Column:
    """A column of numbers."""
    return Column(header, right=True)


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal: the accuracy that test sets of a few hundred images carry."""
    return ABSENT if fraction is None else f"{fraction * 100:.1f}%"


def threshold(fraction: float | None) -> str:
    """A confidence threshold as a percentage; the API's are whole percents."""
    return ABSENT if fraction is None else f"{round(fraction * 100, 2):g}%"


def count(value: int | None) -> str:
    """A number of things, with thousands apart."""
    return ABSENT if value is None else f"{value:,}"


def plural(value: int, noun: str) -> str:
    """A number with its noun."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def or_absent(value: object) -> str:
    """A value as text, and a dash for what is absent or empty."""
    return ABSENT if value is None or value == "" else str(value)


def context(*parts: str) -> str:
    """The line above a table: what it was made from."""
    return " · ".join(part for part in parts if part)
