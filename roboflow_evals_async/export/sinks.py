"""File formats: rows to bytes, page by page, and back."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from .disk import Draft, ExportError, reported

Row = TypeVar("Row")

_ENCODER = msgspec.json.Encoder()


class Sink(Protocol):
    """Takes the rows of one file in portions; `close` writes what the format puts at the end."""

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

    def write(self, rows: Sequence[msgspec.Struct]) -> None:
        """Write the rows at once; raises `ExportError`."""
        self._draft.write(_ENCODER.encode_lines(rows))

    def close(self) -> None:
        """Do nothing: the last line is the end."""


def read_jsonl(path: Path, shape: type[Row]) -> Iterator[Row]:
    """Yield the rows, one line in memory at a time. Raises `ExportError` for a file that cannot be read."""
    decoder = msgspec.json.Decoder(shape)
    with reported(path), path.open("rb") as file:
        for line in file:
            try:
                yield decoder.decode(line)
            except ValueError:
                raise ExportError(
                    f"{path} was changed and cannot be read.", hint="Remove it: the next export fetches it again."
                ) from None


FORMATS = {"jsonl": Format("jsonl", JsonlSink, read_jsonl)}
