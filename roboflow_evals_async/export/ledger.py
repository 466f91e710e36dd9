"""The running account of an export: what it shows while it runs, and its summary."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager

from ..core.errors import (
    AccessDeniedError,
    AuthenticationError,
    ClientStateError,
    ConfigError,
    EvalNotDoneError,
    EvalsError,
    PaginationDriftError,
)
from .disk import ExportError
from .manifest import UnitLine
from .plan import Unit, writable
from .summary import EvalSummary, ExportProgress, ExportSummary, UnitError
from .tables import EvalRow

OnProgress = Callable[[ExportProgress], object]

# After these nothing else can succeed either.
FATAL = (AuthenticationError, AccessDeniedError, ConfigError, ClientStateError, ExportError)


class RerunError(PaginationDriftError):
    """The evaluation was run again while it was fetched."""

    hint = "Export again when nobody runs it any more."


def is_rerun(error: EvalsError) -> bool:
    """Say whether the error shows that the evaluation was run again: its date or its number of images changed."""
    return isinstance(error, RerunError) or (
        isinstance(error, PaginationDriftError) and any(drift.kind == "total" for drift in error.drift or ())
    )


class Ledger:
    """Counts one evaluation at a time: `begin`, then what happens to its units, then `end`."""

    def __init__(self, expected: Mapping[str, int | None], on_progress: OnProgress | None, *, fail_fast: bool) -> None:
        """`expected` has, for every evaluation, the number of rows that it will have, None if that is not known."""
        self._evals = len(expected)
        self._expected = {eval_id: rows for eval_id, rows in expected.items() if rows is not None}
        self._expected_rows = sum(self._expected.values())
        self._on_progress = on_progress
        self._fail_fast = fail_fast
        self._begun = time.monotonic()
        # What is settled, of the evaluations that have ended.
        self._ended = self._rows = self._bytes = self._done = self._skipped = 0
        self._errors: list[UnitError] = []
        self._not_done: list[str] = []
        self._per_eval: list[EvalSummary] = []
        # The evaluation at hand.
        self._eval_id = ""
        self._eval_begun = self._begun
        self._present: dict[Unit, UnitLine] = {}
        self._fetched: set[Unit] = set()
        self._failed: dict[tuple[str | None, str | None], UnitError] = {}
        self._raised: EvalsError | None = None
        self._coming = 0
        self._current = ""

    # What happens

    def begin(self, eval_id: str, held: Mapping[Unit, UnitLine]) -> None:
        """Turn to an evaluation, of which some units are held already."""
        self._eval_id = eval_id
        self._eval_begun = time.monotonic()
        self._present = dict(held)
        self._fetched = set()
        self._failed = {}
        self._coming = 0

    def expect(self, rows: int) -> None:
        """Note how many rows the evaluation at hand will have."""
        self._expected_rows += rows - self._expected.get(self._eval_id, 0)
        self._expected[self._eval_id] = rows

    def turn_to(self, unit: Unit) -> None:
        """Note what is being fetched."""
        self._coming = 0
        self._current = str(unit)
        self.tell()

    def came(self, rows: int) -> None:
        """Note rows of the unit being fetched."""
        self._coming += rows
        self.tell()

    def finished(self, line: UnitLine) -> None:
        """Note a unit that is now in the folder."""
        self._coming = 0
        self._present[line.unit] = line
        self._fetched.add(line.unit)
        self.tell()

    def discarded(self) -> None:
        """Note that all units of the evaluation at hand were removed, and that it begins again."""
        self._present, self._fetched, self._failed, self._coming = {}, set(), {}, 0

    def not_done(self) -> None:
        """Note that the evaluation at hand is not done, and nobody asked for it by its id."""
        self._not_done.append(self._eval_id)

    @contextmanager
    def failing(self, table: str | None = None, split: str | None = None) -> Generator[None]:
        """Note an error of the block and go on after it.

        What stops an export passes: see `FATAL`; so do `EvalNotDoneError`, the news of a re-run (`is_rerun`), and with
        `fail_fast` every error.
        """
        try:
            yield
        except (*FATAL, EvalNotDoneError):
            raise
        except EvalsError as error:
            if error is self._raised or is_rerun(error):
                raise  # noted already, further inside; or to be begun again, further outside
            self.fail(error, table, split)

    def fail(self, error: EvalsError, table: str | None = None, split: str | None = None) -> None:
        """Note a failure; with `fail_fast` it is raised."""
        self._coming = 0
        self._failed[table, split] = UnitError(self._eval_id, table, split, type(error).__name__, writable(str(error)))
        if self._fail_fast:
            self._raised = error
            raise error

    @property
    def failures(self) -> tuple[UnitError, ...]:
        """What failed of the evaluation at hand."""
        return tuple(self._failed.values())

    def end(self, row: EvalRow | None) -> None:
        """Settle the evaluation at hand; `row` is what is known of it."""
        rows = sum(line.rows for line in self._present.values())
        self._ended += 1
        if rows or self._eval_id not in self._not_done[-1:]:
            seconds = time.monotonic() - self._eval_begun
            self._per_eval.append(_eval_summary(self._eval_id, row, rows, seconds))
        self.expect(rows)
        self._rows += rows
        self._bytes += sum(line.bytes for line in self._present.values())
        self._done += len(self._fetched)
        self._skipped += len(self._present.keys() - self._fetched)
        self._errors += self._failed.values()
        self._present, self._fetched, self._failed, self._coming = {}, set(), {}, 0
        self.tell()

    # What is told

    def tell(self) -> None:
        """Call the listener, if there is one."""
        if self._on_progress is None:
            return
        present = sum(line.rows for line in self._present.values())
        self._on_progress(
            ExportProgress(
                evals_done=self._ended,
                evals_total=self._evals,
                rows=self._rows + present + self._coming,
                rows_total=self._expected_rows if len(self._expected) == self._evals else None,
                units_done=self._done + len(self._fetched),
                units_skipped=self._skipped + len(self._present.keys() - self._fetched),
                units_failed=len(self._errors) + len(self._failed),
                current=self._current,
            )
        )

    def summary(self, out: str, unreached: Iterable[str]) -> ExportSummary:
        """Return the summary of all evaluations that have ended."""
        return ExportSummary(
            out=out,
            evals=self._evals - len(self._not_done),
            units_done=self._done,
            units_skipped=self._skipped,
            units_failed=len(self._errors),
            not_done=tuple(self._not_done),
            rows=self._rows,
            bytes=self._bytes,
            seconds=time.monotonic() - self._begun,
            errors=tuple(self._errors),
            per_eval=tuple(self._per_eval),
            unreached=tuple(unreached),
        )


def _eval_summary(eval_id: str, row: EvalRow | None, rows: int, seconds: float) -> EvalSummary:
    return EvalSummary(
        eval_id=eval_id,
        project=row.project if row else None,
        version_id=row.version_id if row else None,
        map50=row.map50 if row else None,
        miou=row.miou if row else None,
        precision=row.precision if row else None,
        recall=row.recall if row else None,
        rows=rows,
        seconds=seconds,
    )
