"""File formats: rows to bytes, page by page, and back."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from ..core.errors import EvalsError
from .disk import Draft, reported

Row = TypeVar("Row")

_ENCODER = msgspec.json.Encoder()


class IncompleteError(EvalsError):
    """What the server sent, or what an earlier call left, cannot become all rows, each once."""

    hint = "Export again; if it stays so, the server's data is at fault."


class Sink(Protocol):
    """Takes the rows of one file in portions; `close` writes what the format puts at the end.

    `write` raises `IncompleteError` for a row that the format cannot hold, and `ExportError`.
    """

    def write(self, rows: Sequence[msgspec.Struct]) -> None: ...
    def close(self) -> None: ...


class Format(msgspec.Struct, frozen=True):
    """A file format. `open` makes a sink for a draft, `read` yields the rows of a file as structs of the given type."""

    extension: str
    open: Callable[[Draft], Sink]
    read: Callable[[Path, Any], Iterator[Any]]


class JsonlSink:
    """JSON lines: one row, one line, in UTF-8; columns in the order of the struct."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._rows = 0

    def write(self, rows: Sequence[msgspec.Struct]) -> None:
        """Write the rows at once; raises `IncompleteError` and `ExportError`."""
        try:
            data = _ENCODER.encode_lines(rows)
        except ValueError:
            data = b"".join([self._line(row, number) for number, row in enumerate(rows, self._rows)])
        self._draft.write(data)
        self._rows += len(rows)

    def close(self) -> None:
        """Do nothing: the last line is the end."""

    def _line(self, row: msgspec.Struct, number: int) -> bytes:
        try:
            return _ENCODER.encode(row) + b"\n"
        except ValueError as error:
            raise IncompleteError(f"{self._draft.path}: its row {number} cannot be written: {error}.") from None


def read_jsonl(path: Path, shape: type[Row]) -> Iterator[Row]:
    """Yield the rows, one line in memory at a time. Raises `IncompleteError` for a file that was changed."""
    decoder = msgspec.json.Decoder(shape)
    with reported(path), path.open("rb") as file:
        for line in file:
            try:
                yield decoder.decode(line)
            except (ValueError, RecursionError):
                raise IncompleteError(f"{path} was changed and cannot be read.", hint="Export again.") from None


FORMATS = {"jsonl": Format("jsonl", JsonlSink, read_jsonl)}
