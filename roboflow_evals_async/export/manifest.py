"""The export's own files: what was asked, what is finished, what failed. Lines that a kill tore are passed over."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from ..core.errors import InvalidArgumentError
from ..core.version import __version__
from ..roboflow.endpoints import SplitName, SplitOrAll
from . import disk
from .plan import Unit
from .summary import UnitError

# Raised when tables, layout or the rule of the parts change, so that a folder is never of two kinds.
SCHEMA_VERSION = 1

T = TypeVar("T")


# -- _export.json ------------------------------------------------------------------------------------------------------


class Settings(msgspec.Struct, frozen=True):
    """What was asked, except for the evaluations: `_export.json`. A folder is of one kind for all of its life."""

    workspace: str
    tables: tuple[str, ...]
    split: SplitOrAll
    confidence: int | None
    format: str
    schema_version: int = SCHEMA_VERSION
    tool_version: str = __version__

    def check(self, found: bytes, *, force: bool = False) -> None:
        """Compare with a folder's `_export.json`; raises `InvalidArgumentError` (field "out") if it is another.

        By force it may be another export, but not something else, nor of a newer version: what lies beside such a file
        is not known here.
        """
        try:
            version = msgspec.json.decode(found, type=_Schema).schema_version
            if version > SCHEMA_VERSION:
                hint = "Take another folder, or update the library."
                raise _refused(f"it was made by a newer version of this library (schema {version})", hint)
            there = msgspec.json.decode(found, type=Settings)
        except ValueError:
            raise _refused("its _export.json cannot be read", "Take another folder.") from None
        if force:
            return
        for name in ("workspace", "tables", "split", "confidence", "format"):
            before, now = getattr(there, name), getattr(self, name)
            if before != now:
                raise _refused(f"it was made with {name}={_words(before)}, and now {name}={_words(now)}")

    def encode(self) -> bytes:
        """Return the file's content, laid out for people."""
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"


class _Schema(msgspec.Struct, frozen=True):
    schema_version: int


def _refused(reason: str, hint: str = "Take another folder, or start over by force.") -> InvalidArgumentError:
    return InvalidArgumentError(f"The folder holds another export: {reason}.", field="out", hint=hint)


def _words(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# -- lines -------------------------------------------------------------------------------------------------------------


def read_lines(data: bytes, shape: type[T]) -> Iterator[T]:
    """Yield the lines that are whole and of the given shape, in order."""
    decoder = msgspec.json.Decoder(shape)
    for line in whole_lines(data).split(b"\n"):
        try:
            yield decoder.decode(line)
        except ValueError:
            continue  # what cannot be read counts as never written: its unit is fetched again


def whole_lines(data: bytes) -> bytes:
    """Return the data up to its last line end: what comes after was torn by a kill."""
    return data[: data.rfind(b"\n") + 1]


def _mended(path: Path) -> bytes:
    data = disk.read(path)
    whole = whole_lines(data)
    if whole != data:
        disk.write_file(path, whole)  # or the next line would be glued to the torn one
    return whole


# -- _manifest.jsonl ---------------------------------------------------------------------------------------------------


class UnitLine(msgspec.Struct, frozen=True, kw_only=True):
    """A finished unit: a line of `_manifest.jsonl`.

    `total` is the server's number of rows in that table and split, and `all_total` that of all splits together (null
    unless they were asked for). A unit without rows has no file, and null for `sha256`. `created_at` is the
    evaluation's, `finished_at` the time of the line; both are ISO 8601.
    """

    eval_id: str
    table: str
    split: SplitName | None
    confidence: int | None
    first_row: int
    rows: int
    bytes: int
    sha256: str | None
    total: int
    all_total: int | None
    created_at: str | None
    finished_at: str

    @property
    def unit(self) -> Unit:
        """The unit that the line is about."""
        return Unit(self.eval_id, self.table, self.split, self.confidence, self.first_row)

    @property
    def edition(self) -> tuple[int, str | None]:
        """What lines of one run of the evaluation have in common."""
        return self.total, self.created_at


class Manifest:
    """The finished units. The last line about a unit holds, and a line of another edition voids those before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[Unit, dict[Unit, UnitLine]] = {}
        self._all_totals: dict[str, int] = {}
        for line in read_lines(_mended(path), UnitLine):
            self._take(line)

    def add(self, line: UnitLine) -> None:
        """Write the line; afterwards it is on the disk. Raises `ExportError`."""
        disk.append(self._path, msgspec.json.encode(line))
        self._take(line)

    def parts(self, head: Unit) -> Mapping[Unit, UnitLine]:
        """Return what is finished behind a head, all of it of one edition."""
        return self._parts.get(head, {})

    def all_total(self, eval_id: str) -> int | None:
        """Return the last known number of images of all splits, None if it was never asked for."""
        return self._all_totals.get(eval_id)

    def forget(self, head: Unit) -> None:
        """Take what is behind a head for unfinished; the file keeps the lines until others follow."""
        self._parts.pop(head, None)

    def _take(self, line: UnitLine) -> None:
        parts = self._parts.setdefault(line.unit.head, {})
        if any(other.edition != line.edition for other in parts.values()):
            parts.clear()
        parts[line.unit] = line
        if line.all_total is not None:
            self._all_totals[line.eval_id] = line.all_total


# -- _errors.jsonl -----------------------------------------------------------------------------------------------------


class ErrorLine(msgspec.Struct, frozen=True, kw_only=True):
    """A failed unit: a line of `_errors.jsonl`; with `error` null, one that failed before and no longer does."""

    eval_id: str
    table: str | None
    split: str | None
    error: str | None
    message: str
    at: str

    @property
    def place(self) -> tuple[str, str | None, str | None]:
        """What the line is about; the last line about a place holds."""
        return self.eval_id, self.table, self.split


class ErrorBook:
    """The failures that still stand. Lines are appended as things happen, and tidied up by `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._standing: dict[tuple[str, str | None, str | None], ErrorLine] = {}
        self._untidy = False
        for line in read_lines(_mended(path), ErrorLine):
            self._take(line)

    def settle(self, eval_id: str, errors: Iterable[UnitError], at: str) -> None:
        """Enter what failed of an evaluation in its last try, in place of all that was entered before."""
        lines = [
            ErrorLine(
                eval_id=error.eval_id,
                table=error.table,
                split=error.split,
                error=error.error,
                message=error.message,
                at=at,
            )
            for error in errors
        ]
        gone = {place for place in self._standing if place[0] == eval_id} - {line.place for line in lines}
        lines += [
            ErrorLine(eval_id=eval_id, table=table, split=split, error=None, message="", at=at)
            for _, table, split in sorted(gone, key=str)
        ]
        for line in lines:
            disk.append(self._path, msgspec.json.encode(line))
            self._take(line)

    def close(self) -> None:
        """Leave one line for each failure that stands, and no file if there is none. Raises `ExportError`."""
        if not self._untidy:
            return
        if self._standing:
            disk.write_file(self._path, msgspec.json.Encoder().encode_lines(list(self._standing.values())))
        else:
            with disk.reported(self._path):
                self._path.unlink(missing_ok=True)
        self._untidy = False

    def _take(self, line: ErrorLine) -> None:
        self._untidy |= line.place in self._standing or line.error is None
        self._standing.pop(line.place, None)
        if line.error is not None:
            self._standing[line.place] = line
