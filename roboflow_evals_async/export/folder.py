"""The folder of an export: opened by one export at a time, refused if it is another's, asked for what it holds."""

import errno
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import anyio.to_thread
import msgspec

from ..core.errors import InvalidArgumentError
from . import disk, plan
from .disk import Draft
from .manifest import ErrorBook, Manifest, Settings, UnitLine
from .plan import TABLES, Unit
from .sinks import FORMATS, IncompleteError, Sink

Row = TypeVar("Row")

SETTINGS, MANIFEST, ERRORS, LOCK = "_export.json", "_manifest.jsonl", "_errors.jsonl", "_lock"


class Edition(msgspec.Struct, frozen=True):
    """What the server says of the rows that are being fetched; see `UnitLine`."""

    total: int
    all_total: int | None
    created_at: str | None


class Folder:
    """An open folder: its settings, its books, and the files of its units."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self.settings = settings
        self.format = FORMATS[settings.format]
        self.manifest = Manifest(out / MANIFEST)
        self.errors = ErrorBook(out / ERRORS)
        self._out = out

    def path(self, unit: Unit) -> Path:
        """Return where the unit's file lies."""
        return self._out / plan.path(unit, self.format.extension)

    def held(self, head: Unit) -> Mapping[Unit, UnitLine]:
        """Return the units behind a head that are finished and whose files are there, in their size."""
        lines = self.manifest.parts(head)
        return {unit: line for unit, line in lines.items() if not line.rows or self._size(unit) == line.bytes}

    def total(self, head: Unit) -> int | None:
        """Return the number of rows behind a head as the manifest has it, None if it does not."""
        return next((line.total for line in self.manifest.parts(head).values()), None)

    def missing(self, head: Unit) -> tuple[Unit, ...]:
        """Return the units behind a head that are not held, in order."""
        held = self.held(head)
        return tuple(unit for unit in plan.parts(head, self.total(head)) if unit not in held)

    def heads(self, eval_id: str) -> tuple[Unit, ...]:
        """Return the heads of an evaluation's tables and splits."""
        asked = self.settings
        return plan.heads(eval_id, asked.tables, asked.split, asked.confidence)

    def all_held(self, eval_id: str) -> dict[Unit, UnitLine]:
        """Return all held units of an evaluation."""
        return {unit: line for head in self.heads(eval_id) for unit, line in self.held(head).items()}

    def finished(self, eval_id: str) -> bool:
        """Say whether nothing is left to fetch, and the splits add up to the server's number of images."""
        heads = self.heads(eval_id)
        totals = {head: total for head in heads if (total := self.total(head)) is not None}
        asked = self.settings
        units = plan.plan((eval_id,), asked.tables, asked.split, asked.confidence, totals)
        if not self.all_held(eval_id).keys() >= set(units):
            return False
        proof = self.manifest.all_total(eval_id)
        images = [total for head, total in totals.items() if head.table == "images"]
        return asked.split != "all" or not images or sum(images) == proof

    def read(self, unit: Unit, shape: type[Row]) -> Iterator[Row]:
        """Yield the rows of a held unit as structs of the given type.

        Raises `IncompleteError` for a file that was changed, and removes it, so that the unit is fetched again;
        `ExportError` if the disk refuses.
        """
        try:
            yield from self.format.read(self.path(unit), shape)
        except IncompleteError:
            with disk.reported(self.path(unit)):
                self.path(unit).unlink(missing_ok=True)
            raise

    def draft(self, unit: Unit) -> tuple[Draft, Sink]:
        """Return a draft of the unit's file, a context, and the sink for its rows. Raises `ExportError`."""
        draft = Draft(self.path(unit))
        return draft, self.format.open(draft)

    async def publish(self, draft: Draft, unit: Unit, rows: int, edition: Edition) -> UnitLine:
        """Put a whole draft in place and enter it. Raises `ExportError`."""
        # Only the long wait leaves the loop: a cancellation does not reach into a thread, and what it leaves behind
        # there must not be able to change the folder any more.
        await anyio.to_thread.run_sync(draft.sync)
        draft.publish()
        return self._enter(unit, rows, draft.size, draft.sha256, edition)

    def enter_empty(self, unit: Unit, edition: Edition) -> UnitLine:
        """Enter a table or split without rows. Raises `ExportError`."""
        return self._enter(unit, 0, 0, None, edition)

    def prove(self, line: UnitLine, all_total: int) -> None:
        """Enter a held unit once more, with the number of images that has now been found right."""
        self.manifest.add(msgspec.structs.replace(line, all_total=all_total))

    def discard(self, head: Unit) -> None:
        """Remove all files behind a head: they are of another run of the evaluation. Raises `ExportError`."""
        for unit in self.manifest.parts(head):
            with disk.reported(self.path(unit)):
                self.path(unit).unlink(missing_ok=True)
        self.manifest.forget(head)

    def _enter(self, unit: Unit, rows: int, size: int, sha256: str | None, edition: Edition) -> UnitLine:
        line = UnitLine(
            eval_id=unit.eval_id,
            table=unit.table,
            split=unit.split,
            confidence=unit.confidence,
            first_row=unit.first_row,
            rows=rows,
            bytes=size,
            sha256=sha256,
            total=edition.total,
            all_total=edition.all_total,
            created_at=edition.created_at and plan.writable(edition.created_at),
            finished_at=now(),
        )
        self.manifest.add(line)
        return line

    def _size(self, unit: Unit) -> int | None:
        with disk.reported(self.path(unit)):
            try:
                return self.path(unit).stat().st_size
            except OSError as error:
                # Too long: the export was moved to a longer path. Fetching the unit will say so.
                if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                    raise
                return None


def now() -> str:
    """Return the time in UTC, as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def opened(out: Path, settings: Settings, *, force: bool) -> Generator[Folder]:
    """Open the folder, and make it if need be; hold its lock for the time of the block.

    Raises `InvalidArgumentError` (field "out") for a folder that holds anything else, `ExportError` if the disk
    refuses or another export is at work there.
    """
    with disk.reported(out):
        out.mkdir(parents=True, exist_ok=True)
        _check(out, settings, force=force)  # before the lock's file is made: what is refused stays untouched
    with disk.locked(out / LOCK):
        with disk.reported(out):
            fresh = _check(out, settings, force=force)  # another export may have begun and ended in the meantime
            _sweep(out)
            if fresh:
                _clear(out)
                disk.write_file(out / SETTINGS, settings.encode())
            folder = Folder(out, settings)
        yield folder
        folder.errors.close()


def _check(out: Path, settings: Settings, *, force: bool) -> bool:
    """Say whether an export begins here; False if one goes on."""
    found = disk.read(out / SETTINGS)
    if found:
        settings.check(found, force=force)
        if force:
            _check_removable(out)
        return force
    # Not even by force: folders of these names without that file are somebody's data.
    taken = [name for name in (MANIFEST, ERRORS, *TABLES) if (out / name).exists()]
    if taken:
        raise InvalidArgumentError(
            f"The folder is no export, and its {', '.join(taken)} would be overwritten.",
            field="out",
            hint="Take another folder.",
        )
    return True


def _check_removable(out: Path) -> None:
    # Behind a link lie somebody's files.
    for folder in (*(out / table for table in TABLES), *_evaluations(out)):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise InvalidArgumentError(
                f"{folder} is a link, or no folder: what it stands for is not removed.",
                field="out",
                hint="Remove it yourself, or take another folder.",
            )


def _evaluations(out: Path) -> Iterator[Path]:
    """Yield what should be the evaluations' folders, but nothing behind a link."""
    for table in TABLES:
        if not (out / table).is_symlink():
            yield from (out / table).glob("eval_id=*")


def _clear(out: Path) -> None:
    """Remove an export's files and nothing else. Nothing may count as finished while its file goes: the manifest first.

    The settings stay until they are replaced, so that a kill leaves a folder that is still known for an export.
    """
    for name in (MANIFEST, ERRORS):
        (out / name).unlink(missing_ok=True)
    for evaluation in _evaluations(out):
        shutil.rmtree(evaluation)
    for table in TABLES:
        if (out / table).is_dir() and not any((out / table).iterdir()):
            (out / table).rmdir()


def _sweep(out: Path) -> None:
    """Remove the drafts that a killed export left."""
    leftovers = [out / f".{name}{disk.TEMPORARY}" for name in (SETTINGS, MANIFEST, ERRORS)]
    for evaluation in _evaluations(out):
        if not evaluation.is_symlink():
            leftovers += evaluation.glob(f"**/.part-*{disk.TEMPORARY}")
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
