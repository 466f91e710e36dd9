"""`export` and `demo`: evaluations to files, with a bar while it runs and a summary at the end."""

import asyncio
import shlex
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.errors import InvalidArgumentError
from ..export import ExportProgress, ExportSummary, export
from ..roboflow.endpoints import evals as listed
from ..roboflow.payloads import ModelEval
from .arguments import STDIN
from .context import Context
from .exits import Exit
from .grid import Part, context, count, grid, ident, number, or_absent, percent, plural, text
from .limits import whole
from .output import Output, word
from .running import program
from .several import each

if TYPE_CHECKING:
    from ..roboflow.client import EvalsClient

# More ids than this make a command that nobody copies.
_MOST_NAMED = 50

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Wanted:
    """Which evaluations to export: those with the ids, or where these are None, all that match the filters."""

    eval_ids: tuple[str, ...] | None
    project: str | None
    version: str | None
    model: str | None
    status: str | None = None

    async def checked(self) -> "Wanted":
        """Return the same with the ids of stdin in place of `-`, and with a status. Raises `InvalidArgumentError`."""
        if self.eval_ids is None:
            found = replace(self, status="done" if self.status is None else self.status)
            listed(status=found.status)  # refuses a status that is none
            return found
        if any(given is not None for given in (self.project, self.version, self.model, self.status)):
            hint = "Name evaluations, or the filters that find them."
            raise InvalidArgumentError("Ids and filters are given.", field="eval_id", hint=hint)
        return replace(self, eval_ids=tuple([eval_id async for eval_id in each(self.eval_ids)]))

    def named(self, read: "Wanted") -> "Wanted | None":
        """Return how to name the same again, if `read` is what came of it: None if stdin is needed again."""
        if STDIN not in (self.eval_ids or ()):
            return self
        ids = read.eval_ids or ()
        # A word that begins with a dash would be an option, and none at all would mean all evaluations.
        fit = 0 < len(ids) <= _MOST_NAMED and all(word(one) == one and not one.startswith("-") for one in ids)
        return read if fit else None

    async def found(self, client: "EvalsClient") -> Iterable[str | ModelEval]:
        """Return the evaluations."""
        if self.eval_ids is not None:
            return self.eval_ids
        return await client.evals(project=self.project, version=self.version, model=self.model, status=self.status)


async def export_command(
    context: Context,
    wanted: Wanted,
    out: str,
    *,
    tables: str,
    split: Any,
    confidence: str | None,
    format: Any,  # noqa: A002
    force: bool,
    fail_fast: bool,
) -> int:
    """Export what is wanted, and tell what came of it."""
    _check_folder(out)
    selected = await wanted.checked()
    named = wanted.named(selected)
    resume = _command(context, "export", named or wanted, out, tables, split, confidence, format, fail_fast=fail_fast)
    goes_on = f"This goes on: {resume}" if named else f"With the same ids on stdin, this goes on: {resume}"
    arguments: dict[str, Any] = {
        "tables": tuple(name.strip() for name in tables.split(",") if name.strip()),
        "split": split,
        "confidence": whole(confidence, "confidence"),
        "format": format,
        "force": force,
        "fail_fast": fail_fast,
    }
    summary = await _run(context, selected, out, goes_on, **arguments)
    if context.output.json:
        context.output.document(msgspec.json.encode(summary))
    else:
        context.output.show(result(summary))
    return _conclude(context.output, summary)


async def demo_command(given: Context, out: str) -> int:
    """Export the done evaluations of the stand-in, and say what to look at."""
    _check_folder(out)
    shown = Context(replace(given.options, demo=True))
    goes_on = f"This goes on: {shlex.join([program(), 'demo', '-o', out])}"
    summary = await _run(shown, Wanted(None, None, None, None, "done"), out, goes_on)
    if shown.output.json:
        shown.output.document(msgspec.json.encode(summary))
        return _conclude(shown.output, summary)
    example = max(summary.per_eval, key=lambda one: one.rows, default=None)
    shown.output.show(["Evaluations of an embedded stand-in for the API: made up, the same on every machine.", ""])
    shown.output.show(result(summary))
    if example is not None:
        shown.output.show(next_steps(out, example.eval_id))
    return _conclude(shown.output, summary)


def result(summary: ExportSummary) -> list[Part]:
    """The evaluations of an export with their headline metrics, and what was fetched."""
    columns = (
        ident("Evaluation"), text("Project"), number("Version"), number("mAP50"), number("mIoU"), number("Precision"),
        number("Recall"), number("Rows"), number("Seconds"),
    )  # fmt: skip
    rows = [
        (
            one.eval_id,
            or_absent(one.project),
            or_absent(one.version_id),
            percent(one.map50),
            percent(one.miou),
            percent(one.precision),
            percent(one.recall),
            count(one.rows),
            f"{one.seconds:.2f}",
        )
        for one in summary.per_eval
    ]
    total = context(
        plural(summary.evals, "evaluation"),
        plural(summary.rows, "row"),
        size(summary.bytes),
        f"{summary.seconds:.1f} s",
        f"in {summary.out}",
    )
    if summary.units_done or summary.units_failed:
        said = f"{plural(summary.units_done, 'file')} fetched, {summary.units_skipped:,} there already."
    elif not summary.evals:
        said = "There was no evaluation to export."
    else:
        said = f"Nothing was left to fetch: {plural(summary.units_skipped, 'file')} there already."
    return [grid(columns, rows), "", total, said] if rows else [total, said]


def next_steps(out: str, eval_id: str) -> list[Part]:
    """What to try after the demo."""
    files = {
        f"{out}/evals/eval_id=…/part-00000.jsonl": "an evaluation a row",
        f"{out}/images/eval_id=…/split=…/part-00000.jsonl": "an image a row",
    }
    me = program()
    commands = {
        f"{me} list --demo": "the evaluations",
        f"{me} performance-by-class {eval_id} --demo": "one of them, by class",
        f"{me} confusion-matrix {eval_id} --demo": "what was taken for what",
        f"{me} image-predictions {eval_id} --demo --json | head -3": "its images, as JSON lines",
        f"{me} demo -o {shlex.quote(out)}": "again: nothing is left to fetch",
    }
    return [
        grid((ident(""), text("")), files.items(), "The files"),
        grid((ident(""), text("")), commands.items(), "What to try next"),
        "",
        "With your own key: set ROBOFLOW_API_KEY, and leave --demo out.",
    ]


def size(value: int) -> str:
    """A number of bytes for reading."""
    amount, unit = float(value), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def _check_folder(out: str) -> None:
    if not out:
        raise InvalidArgumentError("The folder to write to is empty.", field="output", hint="Is a variable not set?")
    if out == "-":
        hint = "It needs a folder; one of that name is ./- here."
        raise InvalidArgumentError("An export cannot be written to stdout.", field="output", hint=hint)


async def _run(context: Context, wanted: Wanted, out: str, goes_on: str, **arguments: Any) -> ExportSummary:
    output = context.output
    async with context.client() as client:
        evals = await wanted.found(client)
        try:
            with _bar(output) as on_progress:
                return await export(client, evals, out, on_progress=on_progress, **arguments)
        except asyncio.CancelledError:
            output.note(f"Stopped; what is finished is kept. {goes_on}", style="")
            raise


def _conclude(output: Output, summary: ExportSummary) -> int:
    """Say on stderr what is missing, and return the exit code."""
    if summary.not_done:
        output.note(f"Left out, for they are not done: {', '.join(summary.not_done)}.")
    if summary.unreached:
        output.warning(f"The list was not complete: {'; '.join(summary.unreached)}. Name a project to reach more.")
    code = Exit.SOME_FAILED if summary.errors or summary.unreached else Exit.DONE
    if output.json:
        return code
    for failed in summary.errors:
        what = " ".join(part for part in (failed.table, failed.split) if part)
        output.error(f"{failed.eval_id}{f' ({what})' if what else ''}: {failed.message}")
    if summary.errors:
        output.note("The same command fetches what is missing.", style="")
    return code


@contextmanager
def _bar(output: Output) -> Generator[Callable[[ExportProgress], None] | None]:
    """Draw a bar on stderr while the block runs, if somebody is there to see it."""
    if not output.shows_progress:
        yield None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.fields[evals]}"),
        TextColumn("{task.fields[rows]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    begun = monotonic()
    first: list[int] = []
    with Progress(
        *columns, console=output.stderr, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task("", total=None, evals="", rows="", rate="")

        def update(at: ExportProgress) -> None:
            # What lay there before this run says nothing of its speed.
            first[:] = first or [at.rows]
            rate = (at.rows - first[0]) / max(monotonic() - begun, 1e-9)  # never by zero
            known = at.rows_total is not None
            progress.update(
                task,
                completed=at.rows if known else at.evals_done,
                total=at.rows_total if known else at.evals_total,
                evals=f"{at.evals_done}/{at.evals_total} evaluations",
                rows=f"{at.rows:,}{f'/{at.rows_total:,}' if at.rows_total is not None else ''} rows",
                rate=f"{rate:,.0f} rows/s",
            )

        yield update


def _command(
    context: Context,
    name: str,
    wanted: Wanted,
    out: str,
    tables: str,
    split: str,
    confidence: str | None,
    format: str,  # noqa: A002
    *,
    fail_fast: bool,
) -> str:
    """Return the command that goes on, without the key and without --force, which would begin again."""
    options = {
        "--project": wanted.project,
        "--version": wanted.version,
        "--model": wanted.model,
        "--status": wanted.status,
        "--tables": tables,
        "--split": split,
        "--confidence": confidence,
        "--output": out,
        "--format": format,
    }
    words = [program(), name, *("-" if given == STDIN else given for given in wanted.eval_ids or ())]
    words += [word for option, value in options.items() if value is not None for word in (option, value)]
    words += ["--fail-fast"] if fail_fast else []
    return shlex.join(words + context.options.carried(deadline=True))
