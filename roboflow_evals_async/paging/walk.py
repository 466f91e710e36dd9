"""The sequential walk: a recipe that is awaited for its first page, or iterated for its rows or pages. No tasks."""

from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from operator import length_hint
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

from ..core.errors import ClientStateError, DecodeError, EvalsError, PaginationDriftError
from ..core.events import Listener, PageReady, WalkDone
from ..core.request import Request
from .checkpoint import Checkpoint
from .cursor import Cursor, Page, PageQuery, Plan, WalkReport
from .window import Window

Row = TypeVar("Row")
ReplyT = TypeVar("ReplyT")

# A re-run replaces an evaluation's rows within seconds; a server that still drifts the third time is not settling.
_MAX_RESTARTS = 3


class Send(Protocol):
    """How a walk asks for one page."""

    def __call__(self, request: Request[ReplyT], /) -> Awaitable[ReplyT]: ...


class Walk(Generic[Row, ReplyT]):
    """A recipe for a walk; nothing is sent before it is used, and using it twice starts afresh.

        page = await walk                       the first page
        async for row in walk: ...              every row, one request at a time
        async for page in walk.pages(): ...     the same by pages: the fastest way
        rows = await walk.collect()             all rows in a list
        total = await walk.total()              the server's number of rows

    All of them raise the errors of `EvalsError`, with `.checkpoint` set to the next row not yet delivered.
    """

    def __init__(self, query: PageQuery[Row, ReplyT], plan: Plan, send: Send, on_event: Listener | None = None) -> None:
        self._query = query
        self._plan = plan
        self._send = send
        self._on_event = on_event

    def __repr__(self) -> str:
        return f"<Walk of {self._query.asked}>"

    def __await__(self) -> Generator[Any, None, Page[Row, ReplyT]]:
        return self._first().__await__()

    async def _first(self) -> Page[Row, ReplyT]:
        async for page in self.pages():
            return page
        # Nothing was asked for (max_items=0, or a checkpoint at the end): the first page still tells the total.
        window = Window(self._plan.start, self._plan.page_size)
        reply = await self._send(self._query.request(window.offset, window.limit))
        return Page((), window.offset, self._query.facts(reply).total, reply)

    def __aiter__(self) -> "RowIterator[Row, ReplyT]":
        cursor = Cursor(self._query, self._plan)
        return RowIterator(cursor, PageIterator(cursor, self._send, self._on_event))

    def pages(self) -> "PageIterator[Row, ReplyT]":
        """Return an iterator over the pages."""
        return PageIterator(Cursor(self._query, self._plan), self._send, self._on_event)

    async def collect(self) -> list[Row]:
        """Return all rows. With on_drift="restart" the walk begins again when the server's rows change under it."""
        restarts = 0
        while True:
            rows: list[Row] = []
            try:
                async for page in self.pages():
                    rows.extend(page.items)
            except PaginationDriftError:
                if self._plan.on_drift != "restart" or restarts == _MAX_RESTARTS:
                    raise
                restarts += 1
            else:
                return rows

    async def total(self) -> int | None:
        """Return the server's number of rows for this query, by one small request; None if it does not say."""
        return self._query.facts(await self._send(self._query.request(0, 1))).total

    def _misused(self, *_: object) -> NoReturn:
        raise TypeError(
            "A walk is asynchronous: write `async for row in walk`, `await walk` for the first page, "
            "or `await walk.collect()` for a list."
        )

    __iter__ = __len__ = __getitem__ = __contains__ = __enter__ = _misused
    __exit__ = _misused

    def __bool__(self) -> bool:
        return True  # without it `if walk` would ask __len__


class PageIterator(AsyncIterator[Page[Row, ReplyT]], Generic[Row, ReplyT]):
    """One iteration by pages. After an error it may be asked again: it goes on at its checkpoint."""

    def __init__(self, cursor: Cursor[Row, ReplyT], send: Send, on_event: Listener | None) -> None:
        self._cursor = cursor
        self._send = send
        self._on_event = on_event
        self._fetching = False
        self._ended = False

    @property
    def checkpoint(self) -> Checkpoint:
        """Where to go on: the first row of the page that was not delivered yet."""
        return self._cursor.checkpoint(0)

    @property
    def report(self) -> WalkReport:
        """The figures so far."""
        return self._cursor.report(0)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[Row, ReplyT]:
        window = self._cursor.window
        if window is None or self._ended:
            self._end()
            raise StopAsyncIteration
        if self._fetching:
            raise ClientStateError(
                "The iterator is waiting for a page in another task.", hint="Give each task a walk of its own."
            )
        self._fetching = True
        try:
            page = await self._fetch(window)
        except EvalsError as error:
            if isinstance(error, DecodeError):
                error.offset = window.offset
            error.checkpoint = self.checkpoint
            raise
        finally:
            self._fetching = False
        if self._on_event is not None:
            self._on_event(PageReady(self._cursor.query.asked, page.offset, len(page.items), page.total))
        return page

    async def _fetch(self, window: Window) -> Page[Row, ReplyT]:
        cursor = self._cursor
        request = cursor.query.request(window.offset, window.limit)
        restarts = 0
        while True:
            reply = await self._send(request)
            try:
                return cursor.accept(window, reply)
            except PaginationDriftError:
                # Nothing was delivered yet, here or before a checkpoint: the same page is the beginning.
                fresh = cursor.pages == 0 and cursor.plan.total is None
                if cursor.plan.on_drift != "restart" or not fresh or restarts == _MAX_RESTARTS:
                    raise
                restarts += 1

    def _end(self) -> None:
        if self._on_event is not None and not self._ended:
            report = self.report
            self._on_event(WalkDone(self._cursor.query.asked, report.rows, report.pages, report.seconds))
        self._ended = True

    async def aclose(self) -> None:
        """End the iteration. Nothing is left behind by not calling it."""
        self._ended = True


class RowIterator(AsyncIterator[Row], Generic[Row, ReplyT]):
    """One iteration by rows. After an error it may be asked again: it goes on at its checkpoint."""

    def __init__(self, cursor: Cursor[Row, ReplyT], pages: PageIterator[Row, ReplyT]) -> None:
        self._cursor = cursor
        self._pages = pages
        self._rows: Iterator[Row] = iter(())

    @property
    def checkpoint(self) -> Checkpoint:
        """Where to go on: the next row that was not delivered yet."""
        return self._cursor.checkpoint(length_hint(self._rows))

    @property
    def report(self) -> WalkReport:
        """The figures so far."""
        return self._cursor.report(length_hint(self._rows))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        while True:
            for row in self._rows:
                return row
            self._rows = iter((await self._pages.__anext__()).items)

    async def aclose(self) -> None:
        """End the iteration. Nothing is left behind by not calling it."""
        self._rows = iter(())
        await self._pages.aclose()
