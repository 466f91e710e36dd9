"""The list of evaluations, as far as a server without pages lets it be reached."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import overload

import msgspec

from ..core.request import integer
from ..core.tasks import gather
from ..paging.iterate import Send
from . import endpoints
from .endpoints import LIST_CAP, STATUSES
from .payloads import ModelEval


class EvalListing(msgspec.Struct, frozen=True):
    """The evaluations found, newest first: iterable, with `len()` and index.

    `complete` is True if these are all that match. Otherwise `unreached` says in words what may be missing: the server
    hands out 200 evaluations for one filter, and has no further pages.
    """

    evals: tuple[ModelEval, ...]
    complete: bool
    unreached: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.evals)

    def __iter__(self) -> Iterator[ModelEval]:
        return iter(self.evals)

    @overload
    def __getitem__(self, index: int) -> ModelEval: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ModelEval, ...]: ...
    def __getitem__(self, index: int | slice) -> ModelEval | tuple[ModelEval, ...]:
        return self.evals[index]


# Asks for one answer of the list, with further parameters.
Ask = Callable[..., Awaitable[tuple[ModelEval, ...]]]


class Filters(msgspec.Struct, frozen=True):
    """What the caller wants to see. The server takes one of model, project and version; the others are matched here."""

    project: str | None = None
    version: str | None = None
    model: str | None = None

    def sent(self) -> dict[str, str]:
        """Return the one filter to send: a model has few evaluations, a project fewer than a version number has."""
        for name in ("model", "project", "version"):
            value = getattr(self, name)
            if value is not None:
                return {name: value}
        return {}

    def local(self) -> Callable[[ModelEval], bool]:
        """Return the test for what was not sent."""
        sent = self.sent()
        version = None if "version" in sent else self.version
        project = None if "project" in sent else self.project
        return lambda ev: version in (None, ev.version_id) and project in (None, ev.project)


async def list_evals(
    send: Send, filters: Filters, *, status: str | None = None, limit: int | None = None
) -> EvalListing:
    """List what matches, newest first, at most `limit` evaluations.

    Where one answer is full (200), more are asked for by status, and by the projects seen so far.
    """
    if limit is not None:
        integer(limit, "limit", 1)
    sent, matches = filters.sent(), filters.local()
    everything_sent = sum(value is not None for value in (filters.project, filters.version, filters.model)) <= 1
    # A smaller page is asked for only if no row of it will be dropped.
    page = min(limit, LIST_CAP) if limit is not None and everything_sent else LIST_CAP

    async def ask(**more: str | None) -> tuple[ModelEval, ...]:
        return (await send(endpoints.evals(limit=page, **{**sent, **more}))).evals

    def enough(found: Iterable[ModelEval]) -> bool:
        return limit is not None and sum(map(matches, found)) >= limit

    rows = await ask(status=status)
    full = len(rows) >= page
    unreached: list[str] = []
    if full and not enough(rows):
        rows, unreached = await _narrowed(ask, rows, [status] if status else None, by_project=not sent)
        full = bool(unreached)
    found = sorted(filter(matches, {ev.eval_id: ev for ev in rows}.values()), key=_age, reverse=True)
    if limit is not None and (len(found) > limit or (full and len(found) == limit)):
        return EvalListing(tuple(found[:limit]), complete=False, unreached=(f"evaluations after the first {limit}",))
    return EvalListing(tuple(found), complete=not full, unreached=tuple(unreached))


async def _narrowed(
    ask: Ask, rows: tuple[ModelEval, ...], statuses: list[str] | None, *, by_project: bool
) -> tuple[tuple[ModelEval, ...], list[str]]:
    """Ask in smaller portions; return all rows and, in words, what is out of reach."""
    found, unreached = list(rows), []
    full = statuses or []
    if statuses is None:
        answers = await gather([partial(ask, status=status) for status in STATUSES])
        found += [ev for answer in answers for ev in answer]
        full = [status for status, answer in zip(STATUSES, answers, strict=True) if len(answer) >= LIST_CAP]
        unknown = sorted({ev.status for ev in found} - set(STATUSES))
        unreached += [f"evaluations with status {status!r} beyond the first {LIST_CAP}" for status in unknown]
    if full and not by_project:
        unreached += [f"{status} evaluations beyond the first {LIST_CAP} of this filter" for status in full]
    elif full:
        projects = sorted({ev.project for ev in found if ev.project})
        portions = [(status, project) for status in full for project in projects]
        answers = await gather([partial(ask, status=status, project=project) for status, project in portions])
        found += [ev for answer in answers for ev in answer]
        unreached += [
            f"{status} evaluations of project {project!r} beyond the first {LIST_CAP}"
            for (status, project), answer in zip(portions, answers, strict=True)
            if len(answer) >= LIST_CAP
        ]
        unreached += [f"{status} evaluations of projects that were not among the first {LIST_CAP}" for status in full]
    return tuple(found), unreached


def _age(ev: ModelEval) -> tuple[bool, str]:
    # ISO 8601 in one zone sorts as text; an evaluation without a date comes last.
    return ev.created_at is not None, ev.created_at or ""
