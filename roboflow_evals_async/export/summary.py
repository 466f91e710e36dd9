"""What an export tells: while it runs, and at the end."""

import msgspec


class UnitError(msgspec.Struct, frozen=True):
    """What failed: a split of a table, a table (`split` None) or a whole evaluation (`table` None as well).

    `error` is the class of the error, `message` what it says and what to do.
    """

    eval_id: str
    table: str | None
    split: str | None
    error: str
    message: str


class EvalSummary(msgspec.Struct, frozen=True):
    """One evaluation of an export. Metrics are fractions on the test split, None where they are not known.

    `rows` are those that the folder now holds, in all tables; `seconds` what this run spent on it.
    """

    eval_id: str
    project: str | None
    version_id: str | None
    map50: float | None
    miou: float | None
    precision: float | None
    recall: float | None
    rows: int
    seconds: float


class ExportSummary(msgspec.Struct, frozen=True):
    """What an export did, and what its folder `out` now holds of the evaluations asked for.

    `evals` is their number, without those in `not_done`: ids of evaluations that are running, failed or lack the panel,
    and were not asked for by id. Units (files) were fetched in this run (`units_done`), were there before
    (`units_skipped`) or failed (`units_failed`, one for each of `errors`). `rows` (in all tables) and `bytes` count
    what the folder holds, `seconds` is the time of this run. `per_eval` has the evaluations in the order in which they
    were given. `unreached` says in words which evaluations the list could not reach.
    """

    out: str
    evals: int
    units_done: int
    units_skipped: int
    units_failed: int
    not_done: tuple[str, ...]
    rows: int
    bytes: int
    seconds: float
    errors: tuple[UnitError, ...]
    per_eval: tuple[EvalSummary, ...]
    unreached: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all done evaluations that were asked for are in the folder, whole."""
        return not self.errors and not self.unreached

    @property
    def fetched_nothing(self) -> bool:
        """Whether no file was fetched: all was there before, or failed."""
        return self.units_done == 0


class ExportProgress(msgspec.Struct, frozen=True):
    """Where an export stands. `rows` (in all tables) counts what is in the folder and what is on its way there.

    `rows_total` is None until the totals of all evaluations are known; `current` says in words what is being fetched.
    """

    evals_done: int
    evals_total: int
    rows: int
    rows_total: int | None
    units_done: int
    units_skipped: int
    units_failed: int
    current: str
