"""A server of rows in memory, for what is arithmetic and not I/O."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from roboflow_evals_async.core.errors import PaginationDriftError, ServerError
from roboflow_evals_async.core.reply import Reply
from roboflow_evals_async.core.request import Request, query
from roboflow_evals_async.paging.cursor import PageQuery, plan_walk
from roboflow_evals_async.paging.walk import Walk
from roboflow_evals_async.paging.window import Facts


class Served(msgspec.Struct, frozen=True):
    """One page as the server sends it."""

    rows: tuple[int, ...] = ()
    total: int | None = None
    offset: int | None = None
    limit: int | None = None


Trouble = Exception | Callable[[Served], Served] | None

REPLY = Reply(Served)


class Server:
    """Hands out rows by offset and limit. `cap` clamps a page, `echo` repeats what was asked, `tell` names the total.

    `script` meets the requests one by one: an exception is raised, a function changes the page. What was asked is in
    `asked`, as (offset, limit).
    """

    def __init__(
        self,
        rows: int | Sequence[int],
        *,
        cap: int | None = None,
        echo: bool = True,
        tell: bool = True,
        script: Sequence[Trouble] = (),
    ) -> None:
        self.rows: Sequence[int] = range(rows) if isinstance(rows, int) else rows
        self.cap = cap
        self.echo = echo
        self.tell = tell
        self.script: Iterator[Trouble] = iter(script)
        self.asked: list[tuple[int, int]] = []

    async def send(self, request: Request[Any], **_: Any) -> Any:
        """Answer one request."""
        parameters = dict(request.query)
        offset, limit = int(parameters["offset"]), int(parameters["limit"])
        self.asked.append((offset, limit))
        trouble = next(self.script, None)
        if isinstance(trouble, Exception):
            raise trouble
        limit = limit if self.cap is None else min(limit, self.cap)
        page = Served(
            tuple(self.rows[offset : offset + limit]),
            len(self.rows) if self.tell else None,
            offset if self.echo else None,
            limit if self.echo else None,
        )
        return page if trouble is None else trouble(page)

    def walk(self, *, name: str = "the rows", on_event: Any = None, **options: Any) -> Walk[int, Served]:
        """Return a walk over the rows; options as for `plan_walk`."""
        arguments = {"page_size": 10, "start": 0, "max_items": None, "on_drift": "raise", "resume": None, **options}
        pages = rows_query(name)
        return Walk(pages, plan_walk(pages, **arguments), self.send, no_fetch, on_event)


async def no_fetch(*_: Any, **__: Any) -> bytes:
    """Fail the test: a sequential walk fetches no bytes."""
    raise AssertionError


def rows_query(name: str = "the rows") -> PageQuery[int, Served]:
    """The query of that name."""
    return PageQuery(
        request=lambda offset, limit: Request("/rows", REPLY, query(limit=limit, offset=offset), name),
        rows=attrgetter("rows"),
        facts=lambda page: Facts(len(page.rows), page.total, page.offset, page.limit),
        key=lambda row: row,
        fingerprint=name,
        asked=name,
        max_page_size=1000,
    )


def unavailable() -> ServerError:
    """What is raised when all tries met a 503."""
    return ServerError("the rows: try again", status=503)


def kinds(error: PaginationDriftError) -> list[str]:
    """The kinds of drift that an error names."""
    return [drift.kind for drift in error.drift]
