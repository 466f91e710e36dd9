"""The export: evaluations into a folder, one after another, each file exactly once."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ..core.errors import EvalNotDoneError, EvalsError, InvalidArgumentError, PaginationDriftError
from ..core.request import choice, integer
from ..roboflow.client import EvalsClient
from ..roboflow.endpoints import SPLITS_OR_ALL, SplitOrAll
from ..roboflow.listing import EvalListing
from ..roboflow.payloads import ModelEval
from .folder import Edition, Folder, now, opened
from .images import Images
from .ledger import Ledger, OnProgress, RerunError, is_rerun
from .manifest import Settings
from .plan import TABLES, Unit, check_id, writable
from .sinks import FORMATS, IncompleteError
from .summary import ExportSummary
from .tables import EvalRow, eval_row


async def export(
    client: EvalsClient,
    evals: Iterable[str | ModelEval] | None,
    out: str | os.PathLike[str],
    *,
    tables: Sequence[str] = TABLES,
    split: SplitOrAll = "all",
    confidence: int | None = None,
    format: str = "jsonl",  # noqa: A002  (the name that users know from other tools)
    force: bool = False,
    fail_fast: bool = False,
    on_progress: OnProgress | None = None,
) -> ExportSummary:
    """Bring evaluations into the folder `out`, and go on where an earlier call with the same arguments was stopped.

    `evals` are ids, or evaluations as `client.evals()` lists them; None means all done evaluations of the workspace.
    `confidence` is a whole percent, None for each evaluation's default report. What is finished is not fetched again:
    a second call with the same ids sends no request (a client that was given no workspace asks once for it). A re-run
    of an evaluation on the server is noticed by another `created_at` or number of images, so by a call that has
    something to fetch of it or was given listed evaluations; its files are then replaced. A file that is gone or has
    another size is fetched again; an edit that keeps the size is not noticed, for the hashes in the manifest are not
    compared here. `force` starts over.

    One failed evaluation does not stop the others: see `ExportSummary.errors`, or pass `fail_fast` to have the first
    error raised. Evaluations that are not done are left out and reported, but count as failed if named by id.
    `on_progress` is called after every page, in the event loop.

    Raises `InvalidArgumentError` (with field "out" for a folder that holds another export, or somebody's files under
    an export's names; other files there are left alone), `ExportError` if the disk refuses or another export is at work
    in the folder, and `AuthenticationError`, `AccessDeniedError` and `ConfigError`, after which nothing can succeed.
    Whatever is raised, what was finished stays.
    """
    _check(evals, out, tables, split, confidence, format)
    given = None if evals is None else _targets(evals)
    ordered = tuple(table for table in TABLES if table in tables)
    settings = Settings(await client.workspace(), ordered, split, confidence, format)
    with opened(Path(out), settings, force=force) as folder:
        targets, unreached = given or _targets(await client.evals())
        expected = {target.eval_id: _expected_rows(folder, target) for target in targets}
        ledger = Ledger(expected, on_progress, fail_fast=fail_fast)
        for target in targets:
            await _Evaluation(client, folder, ledger, target).bring()
        return ledger.summary(os.fspath(out), unreached)


def _check(
    evals: object, out: str | os.PathLike[str], tables: Sequence[str], split: str, confidence: int | None, form: str
) -> None:
    if isinstance(evals, str) or not (evals is None or isinstance(evals, Iterable)):
        kind = "text" if isinstance(evals, str) else type(evals).__name__
        raise InvalidArgumentError(f"evals is a {kind}.", field="evals", hint="Give a list of ids.")
    if isinstance(tables, str) or not tables:
        raise InvalidArgumentError(f"tables is {tables!r}.", field="tables", hint="Give a list of names.")
    for table in tables:
        choice(table, "tables", TABLES)
    choice(split, "split", SPLITS_OR_ALL)
    choice(form, "format", tuple(FORMATS))
    if confidence is not None:
        integer(confidence, "confidence", 0, 100)
    if not os.fspath(out):
        raise InvalidArgumentError("out is empty.", field="out", hint="Give a folder.")
    if "://" in os.fspath(out):
        raise InvalidArgumentError(f"{os.fspath(out)!r} is an address.", field="out", hint="Give a folder.")


class _Target(msgspec.Struct, frozen=True):
    """An evaluation asked for: by its id, or as it was listed."""

    eval_id: str
    listed: ModelEval | None = None


def _targets(evals: Iterable[str | ModelEval]) -> tuple[tuple[_Target, ...], tuple[str, ...]]:
    """Return each evaluation once, in the order given, and in words what a list could not reach."""
    unreached = evals.unreached if isinstance(evals, EvalListing) else ()
    targets: dict[str, _Target] = {}
    for entry in evals:
        if not isinstance(entry, str | ModelEval):
            raise InvalidArgumentError(
                f"evals has a {type(entry).__name__}.", field="evals", hint="Give ids, or evaluations as listed."
            )
        target = _Target(writable(entry)) if isinstance(entry, str) else _Target(writable(entry.eval_id), entry)
        # An id that is given in both ways was named by somebody.
        if target.eval_id not in targets or target.listed is None:
            targets[target.eval_id] = target
    return tuple(targets.values()), unreached


def _nothing_to_do(folder: Folder, target: _Target) -> bool:
    """Say whether the folder has all of an evaluation, as far as can be told without asking the server."""
    if not folder.finished(target.eval_id):
        return False
    created_at = target.listed.created_at if target.listed is not None else None
    held = folder.all_held(target.eval_id).values()
    return created_at is None or all(line.created_at == created_at for line in held)


def _expected_rows(folder: Folder, target: _Target) -> int | None:
    if not _nothing_to_do(folder, target):
        return None
    return sum(line.rows for line in folder.all_held(target.eval_id).values())


class _Evaluation:
    """Brings one evaluation into the folder."""

    def __init__(self, client: EvalsClient, folder: Folder, ledger: Ledger, target: _Target) -> None:
        self._client = client
        self._folder = folder
        self._ledger = ledger
        self._target = target
        self._eval_id = target.eval_id
        self._known = target.listed
        self._row: EvalRow | None = None

    async def bring(self) -> None:
        """Fetch what is missing and settle the account. Raises what stops an export."""
        self._row = self._held_row()
        self._ledger.begin(self._eval_id, self._folder.all_held(self._eval_id))
        try:
            await self._attempt()
        except EvalsError:
            if failures := self._ledger.failures:
                self._folder.errors.settle(self._eval_id, failures, now())
            raise
        self._folder.errors.settle(self._eval_id, self._ledger.failures, now())
        # The row in the folder tells most, for lists have no metrics.
        self._ledger.end(self._row or (eval_row(self._eval_id, self._known) if self._known is not None else None))

    async def _attempt(self) -> None:
        try:
            with self._ledger.failing():
                if not _nothing_to_do(self._folder, self._target):
                    await self._fetch()
        except EvalNotDoneError as error:
            if self._target.listed is None:
                self._ledger.fail(error)
            else:
                self._ledger.not_done()

    async def _fetch(self) -> None:
        check_id(self._eval_id)
        if self._target.listed is not None:
            _check_done(self._target.listed)
        # A re-run replaces an evaluation within seconds, so beginning again once is enough; a server whose totals
        # change a second time is not settling.
        for last in (False, True):
            try:
                await self._fetch_one_run()
            except PaginationDriftError as error:
                if not is_rerun(error):
                    raise
                self._discard()
                if last:
                    self._ledger.fail(error, "images")
            else:
                return

    async def _fetch_one_run(self) -> None:
        """Fetch what is missing. Raises what `is_rerun` knows if not all that is then held is of one run."""
        head = Unit(self._eval_id, "evals")
        self._ledger.turn_to(head)
        ev = self._known = await self._client.eval(self._eval_id)
        _check_done(ev)
        if any(line.created_at != ev.created_at for line in self._folder.all_held(self._eval_id).values()):
            self._discard()
        if "evals" in self._folder.settings.tables and self._folder.missing(head):
            with self._ledger.failing("evals"):
                await self._write(head, eval_row(self._eval_id, ev))
        if "images" in self._folder.settings.tables:

            async def confirm() -> None:
                again = await self._client.eval(self._eval_id)
                if again.created_at != ev.created_at:
                    dates = f"its date was {ev.created_at}, and is now {again.created_at}"
                    raise RerunError(f"{self._eval_id} was run again while it was fetched: {dates}.")
                _check_done(again)

            images = Images(
                self._client,
                self._folder,
                self._ledger,
                eval_id=self._eval_id,
                created_at=ev.created_at,
                confirm=confirm,
            )
            with self._ledger.failing("images"):
                await images.fetch()

    def _discard(self) -> None:
        # Of all tables and splits: none of them may be of another run than the rest.
        for head in self._folder.heads(self._eval_id):
            self._folder.discard(head)
        self._row = None
        self._ledger.discarded()

    async def _write(self, unit: Unit, row: EvalRow) -> None:
        draft, sink = self._folder.draft(unit)
        with draft:
            sink.write([row])
            sink.close()
            edition = Edition(total=1, all_total=None, created_at=row.created_at)
            self._ledger.finished(await self._folder.publish(draft, unit, 1, edition))
        self._row = row

    def _held_row(self) -> EvalRow | None:
        """Return the row in the folder; None if there is none, or none that can be read, which is then removed."""
        head = Unit(self._eval_id, "evals")
        try:
            return next(self._folder.read(head, EvalRow)) if self._folder.held(head) else None
        except IncompleteError:
            return None


def _check_done(ev: ModelEval) -> None:
    # Servers that do not tell the status are asked for the panels, and refuse them themselves.
    if ev.status not in ("done", ""):
        raise EvalNotDoneError(f"Evaluation {ev.eval_id!r} is {ev.status}.", status=409, code="model_eval_not_done")
