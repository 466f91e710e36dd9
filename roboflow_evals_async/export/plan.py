"""What an export consists of, as pure rules: units of work, their rows, and where their files lie."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from ..core.errors import InvalidArgumentError
from ..roboflow.endpoints import SPLITS, SplitName, SplitOrAll

# One file holds at most so many rows. A kill loses no more than one file's work (a hundred pages), and the number is
# what readers of columnar formats like for one row group. Whole pages fit into it, so no row is asked for twice.
# Files made with another number cannot be gone on with: a change needs a new SCHEMA_VERSION.
ROWS_PER_PART = 100_000

# The order in which an evaluation's tables are made.
TABLES = ("evals", "images")

# Bytes that a name may have on every usual disk.
LONGEST_NAME = 255

# Tables whose rows belong to a split, and depend on the confidence asked for.
TABLES_BY_SPLIT = frozenset({"images"})


class Unit(msgspec.Struct, frozen=True):
    """A unit of work, which becomes one file: the rows of a table from `first_row` (0-based, within the split) on.

    `split` is None for tables without splits; `confidence` is a whole percent, None for the default report. The unit
    with `first_row` 0 is called the head, and stands for all parts of its table and split.
    """

    eval_id: str
    table: str
    split: SplitName | None = None
    confidence: int | None = None
    first_row: int = 0

    @property
    def head(self) -> "Unit":
        """The first part of the same table and split."""
        return replace(self, first_row=0) if self.first_row else self

    def __str__(self) -> str:
        part = f" from row {self.first_row}" if self.first_row else ""
        return f"{self.table}{f' {self.split}' if self.split else ''} of {self.eval_id}{part}"


def heads(eval_id: str, tables: Sequence[str], split: SplitOrAll, confidence: int | None) -> tuple[Unit, ...]:
    """Return the first part of each table and split of an evaluation, in order."""
    found: list[Unit] = []
    for table in TABLES:
        if table in tables and table in TABLES_BY_SPLIT:
            found += [Unit(eval_id, table, one, confidence) for one in splits(split)]
        elif table in tables:
            found.append(Unit(eval_id, table))
    return tuple(found)


def splits(split: SplitOrAll) -> tuple[SplitName, ...]:
    """Return the splits that are meant."""
    return SPLITS if split == "all" else (split,)  # type: ignore[return-value]


def parts(head: Unit, total: int | None) -> tuple[Unit, ...]:
    """Return the units that hold the rows [0, total), in order: at least one, for the first part tells the total."""
    return tuple(replace(head, first_row=row) for row in range(0, max(total or 0, 1), ROWS_PER_PART))


def plan(
    eval_ids: Iterable[str],
    tables: Sequence[str],
    split: SplitOrAll,
    confidence: int | None,
    totals: Mapping[Unit, int],
) -> tuple[Unit, ...]:
    """Return all units, sorted by evaluation, table, split and row; the same whatever the order of `eval_ids`.

    `totals` says how many rows lie behind a head. Where it is silent, the first part stands for all.
    """
    return tuple(
        unit
        for eval_id in sorted(set(eval_ids))
        for head in heads(eval_id, tables, split, confidence)
        for unit in parts(head, totals.get(head))
    )


def rows_due(unit: Unit, total: int) -> int:
    """Return how many rows the unit must have when its table and split have `total`."""
    return min(ROWS_PER_PART, total - unit.first_row)


def path(unit: Unit, extension: str) -> PurePosixPath:
    """Return where the unit's file lies below the export's folder: folders `name=value`, as Hive lays them out.

    Values are percent-quoted, and the name before them keeps an id such as `..` from meaning anything else.
    """
    folder = PurePosixPath(unit.table, folder_name("eval_id", unit.eval_id))
    if unit.confidence is not None:
        folder /= folder_name("confidence", str(unit.confidence))
    if unit.split is not None:
        folder /= folder_name("split", unit.split)
    return folder / f"part-{unit.first_row // ROWS_PER_PART:05}.{extension}"


def folder_name(name: str, value: str) -> str:
    """Return `name=value` with the value quoted, so that it is one folder."""
    return f"{name}={quote(value, safe='')}"


def check_id(eval_id: str) -> None:
    """Check that the evaluation can have a folder; raises `InvalidArgumentError` (field "evals")."""
    length = len(folder_name("eval_id", eval_id))
    if length > LONGEST_NAME:
        raise InvalidArgumentError(
            f"The id would make a folder name of {length} bytes, and {LONGEST_NAME} is the most.", field="evals"
        )


def writable(text: str) -> str:
    """Return the text with `?` for halves of character pairs: Python knows them, no file can hold them."""
    return text.encode(errors="replace").decode()
