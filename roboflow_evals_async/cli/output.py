"""What is printed, and where: results on stdout, everything else on stderr.

A terminal gets drawn tables; a pipe gets the same without lines and colour, and nothing is cut off. JSON is written
as bytes, for it is UTF-8 whatever the terminal speaks.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from .grid import Cell, Column, Grid, Part

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# The box SIMPLE_HEAD parts columns by a space, and pads each side with one.
_GAP = 3

# A name that is folded into less than this is hard to read; then whole lines are wrapped.
_FOLDED = 12


class Output:
    """The two streams, under the global options."""

    def __init__(self, *, json: bool = False, quiet: bool = False, progress: bool = True, verbose: int = 0) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self._progress = progress
        self._widths: Sequence[int] = ()

    @cached_property
    def stdout(self) -> "Console":
        """The console of the results."""
        return _console(stderr=False)

    @cached_property
    def stderr(self) -> "Console":
        """The console of notes, errors and progress."""
        return _console(stderr=True)

    @property
    def is_terminal(self) -> bool:
        """Whether results are for a person's eyes."""
        return self.stdout.is_terminal

    @property
    def shows_progress(self) -> bool:
        """Whether a progress bar is wanted, and somebody there to see it."""
        return self._progress and not self.quiet and self.stderr.is_terminal

    def document(self, body: bytes) -> None:
        """Print a JSON document, laid out for reading, its numbers spelled as they came."""
        from .raw import pretty

        self.bytes(pretty(body) + b"\n")

    def bytes(self, data: bytes) -> None:
        """Write JSON to stdout: as it is, or for a terminal without what would steer it."""
        if sys.stdout.isatty():
            data = _harmless(data.decode(errors="replace")).encode()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:
            sys.stdout.write(data.decode())
        else:
            sys.stdout.flush()
            _write_all(buffer, data)

    def line(self, text: str) -> None:
        """Print one line of a result, unstyled."""
        _write(f"{text}\n")

    def flush(self) -> None:
        """Send on what was printed."""
        sys.stdout.flush()

    def show(self, parts: Iterable[Part], *, continued: bool = False) -> None:
        """Print lines and tables; quietly, the tables alone. A table that is continued has its header above already."""
        terminal = self.is_terminal
        for part in parts:
            if isinstance(part, Grid):
                self._show_table(part, terminal=terminal, continued=continued)
            elif not self.quiet:
                self.line(clean(part))

    def heading(self, text: str) -> None:
        """Print what the following is about."""
        if self.is_terminal:
            self.stdout.print(clean(text), style="bold")
        else:
            self.line(clean(text))

    def _show_table(self, part: Grid, *, terminal: bool, continued: bool) -> None:
        rows = [[_cell(cell) for cell in row] for row in part.rows]
        self._widths = _widths(part.columns, rows, self._widths if continued else ())
        if not terminal:
            title = [f"\n{clean(part.title)}"] if part.title else []
            lines = _lines(part.columns, rows, self._widths, header=not continued)
            _write("".join(f"{line}\n" for line in (*title, *lines)))
            return
        if part.title:
            self.line("")
            self.heading(part.title)
        # Not cropped: what does not fit at all is left to the terminal to wrap, and nothing is lost.
        table = _table(part.columns, rows, self._widths, room=self.stdout.width, header=not continued)
        self.stdout.print(table, crop=False)

    def note(self, text: str, style: str = "dim") -> None:
        """Say something beside the result."""
        if not self.quiet:
            self.stderr.print(clean(text), style=style, soft_wrap=True)

    def advice(self, text: str) -> None:
        """Say how to go on, even quietly: otherwise what was done would be lost."""
        self.stderr.print(clean(text), soft_wrap=True)

    def warning(self, text: str) -> None:
        """Say something that must not be missed."""
        self._labelled("Warning:", "yellow", text)

    def error(self, text: str) -> None:
        """Say what is wrong, in one line."""
        self._labelled("Error:", "bold red", text)

    def raw_error(self, text: str) -> None:
        """Write to stderr as it is, or for a terminal without what would steer it."""
        if sys.stderr is not None:  # it may be closed
            sys.stderr.write(_harmless(text) if sys.stderr.isatty() else text)

    def _labelled(self, label: str, style: str, text: str) -> None:
        from rich.text import Text

        self.stderr.print(Text.assemble((label, style), " ", clean(text)), soft_wrap=True)


def clean(text: str) -> str:
    """Return the text in one line, with what would steer a terminal made visible: names come from outside."""
    text = " ".join(text.split()) if "\n" in text or "\r" in text else text
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def word(text: str) -> str:
    """Return an id as one word: white space is made visible too, for it would part it in two."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text).replace(" ", "\\x20")


def prepare_streams() -> None:
    """Let characters that the terminal cannot show be escaped, and not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def abandon_stdout() -> None:
    """Give up on a stdout that nobody reads any more, so that the interpreter's last flush does not complain."""
    with contextlib.suppress(OSError, ValueError):  # it may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _harmless(text: str) -> str:
    """Return the JSON with what would steer a terminal spelled as JSON escapes; it means the same."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _write(text: str) -> None:
    buffer = getattr(sys.stdout, "buffer", None)
    if isinstance(buffer, io.RawIOBase):
        _write_all(buffer, text.encode(sys.stdout.encoding, sys.stdout.errors or "strict"))
    else:
        sys.stdout.write(text)


def _write_all(buffer: Any, data: bytes) -> None:
    # Unbuffered (PYTHONUNBUFFERED), a signal cuts a write short that waits for its reader.
    rest = memoryview(data)
    while rest:
        rest = rest[buffer.write(rest) :]


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    class Stream(Console):
        def on_broken_pipe(self) -> NoReturn:
            # rich would end the program with an error; that nobody reads on is none.
            raise

    options: dict[str, Any] = {"stderr": stderr, "markup": False, "emoji": False, "highlight": False}
    if os.environ.get("NO_COLOR"):
        options["color_system"] = None
    return Stream(**options)


def _cell(cell: str | Cell) -> Cell:
    styled = cell if isinstance(cell, Cell) else Cell(cell)
    return Cell(clean(styled.text), styled.style)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], least: Sequence[int]) -> list[int]:
    """Return how wide each column is; at least as wide as in the part of the table that is printed already."""
    from rich.cells import cell_len

    widths = [
        max([cell_len(clean(column.header)), *(cell_len(row[index].text) for row in rows)])
        for index, column in enumerate(columns)
    ]
    return [max(pair) for pair in zip(widths, least or widths, strict=True)]


def _lines(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], widths: Sequence[int], *, header: bool
) -> Iterator[str]:
    """Lay a table out for a pipe: columns two spaces apart."""
    from rich.cells import cell_len

    heads = [[Cell(clean(column.header)) for column in columns]] if header and _has_header(columns) else []
    for row in (*heads, *rows):
        cells: list[str] = []
        for column, cell, width in zip(columns, row, widths, strict=True):
            room = " " * (width - cell_len(cell.text))
            cells.append(room + cell.text if column.right else cell.text + room)
        yield "  ".join(cells).rstrip()


def _table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], widths: Sequence[int], *, room: int, header: bool
) -> "Table":
    """Draw a table for a terminal `room` characters wide: texts are folded into it, numbers and ids are not."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        show_header=header and _has_header(columns),
        header_style="bold",
    )
    gaps = _GAP * (len(columns) - 1)
    least = [
        width if column.right or column.whole else min(width, _FOLDED)
        for column, width in zip(columns, widths, strict=True)
    ]
    if sum(least) + gaps > room:
        least, table.width = list(widths), sum(widths) + gaps
    for column, width in zip(columns, least, strict=True):
        table.add_column(
            Text(clean(column.header)),
            justify="right" if column.right else "left",
            no_wrap=column.right or column.whole,
            overflow="fold",
            min_width=width,
        )
    for row in rows:
        table.add_row(*(Text(cell.text, cell.style) for cell in row))
    return table


def _has_header(columns: Iterable[Column]) -> bool:
    return any(column.header for column in columns)
