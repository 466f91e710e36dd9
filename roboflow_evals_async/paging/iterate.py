"""Iterating a walk, sequentially: by pages or by rows. No tasks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from operator import length_hint
from typing import Any, Generic, Protocol, Self, TypeVar

import anyio

from ..core.errors import ClientStateError, DecodeError, EvalsError, PaginationDriftError
from ..core.events import Listener, PageReady, WalkDone, WalkStopped, next_id, place
from ..core.request import Request
from ..core.tries import Watch
from .checkpoint import Checkpoint
from .cursor import Cursor, Page, WalkReport
from .window import Window

Row = TypeVar("Row")
ReplyT = TypeVar("ReplyT")


class Send(Protocol):
    """How a walk asks for one page."""

    def __call__(self, request: Request[ReplyT], /, *, end: float | None = None) -> Awaitable[ReplyT]: ...


class Fetch(Protocol):
    """How a read-ahead asks for the bytes of one page."""

    def __call__(
        self, request: Request[Any], /, *, end: float | None = None, watch: Watch | None = None
    ) -> Awaitable[bytes]: ...


class PageIterator(AsyncIterator[Page[Row, ReplyT]], Generic[Row, ReplyT]):
    """One iteration by pages. After an error it may be asked again: it goes on at its checkpoint."""

    # A sequential walk asks for nothing more when its wait is cancelled: it has stopped, as far as can be known.
    _ends_with_its_wait = True

    def __init__(
        self,
        cursor: Cursor[Row, ReplyT],
        send: Send,
        on_event: Listener | None,
        deadline: float | None = None,
    ) -> None:
        self._cursor = cursor
        self._send = send
        self._on_event = on_event
        self._deadline = deadline
        self._until: float | None = None
        self._fetching = False
        self._ended = False
        # The numbers of the walk and of its present page in events; 0 as long as nobody listens.
        self._walk_id = 0 if on_event is None else next_id()
        self._page_id = 0
        self._begun = False

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
            self._finish()
            raise StopAsyncIteration
        if self._fetching:
            raise ClientStateError(
                "The iterator is waiting for a page in another task.", hint="Give each task a walk of its own."
            )
        if self._until is None and self._deadline is not None:
            self._until = anyio.current_time() + self._deadline
        self._fetching = True
        try:
            page = await (self._fetch(window) if self._on_event is None else self._told(window))
        except EvalsError as error:
            if isinstance(error, DecodeError):
                error.offset = window.offset
            error.checkpoint = self.checkpoint
            self._stopped(type(error).__name__)
            raise
        except asyncio.CancelledError:
            if self._ends_with_its_wait:
                self._stopped(None)
            raise
        finally:
            self._fetching = False
        if self._on_event is not None:
            asked, rows = self._cursor.query.asked, len(page.items)
            self._on_event(PageReady(asked, page.offset, rows, page.total, self._page_id, self._walk_id))
        return page

    async def _told(self, window: Window) -> Page[Row, ReplyT]:
        """Fetch the page so that the events of its requests name it."""
        self._begun = True
        self._page_id = next_id()
        token = place.set((self._walk_id, self._page_id))
        try:
            return await self._fetch(window)
        finally:
            place.reset(token)

    async def _fetch(self, window: Window, restarts: int = 0) -> Page[Row, ReplyT]:
        cursor = self._cursor
        request = cursor.query.request(window.offset, window.limit)
        while True:
            reply = await self._send(request, end=self._until)
            try:
                return cursor.accept(window, reply)
            except PaginationDriftError:
                # Nothing was delivered yet: the same page is the beginning.
                if cursor.pages or restarts == cursor.plan.restarts:
                    raise
                restarts += 1

    def _finish(self) -> None:
        if self._on_event is not None and not self._ended:
            report = self.report
            asked = self._cursor.query.asked
            self._on_event(WalkDone(asked, report.rows, report.pages, report.seconds, self._walk_id))
        self._ended = True

    def _stopped(self, error: str | None) -> None:
        if self._on_event is not None and self._begun and not self._ended:
            self._begun = False
            report = self.report
            asked = self._cursor.query.asked
            self._on_event(WalkStopped(asked, report.rows, report.pages, report.seconds, error, self._walk_id))

    async def aclose(self) -> None:
        """End the iteration. Nothing is left behind by not calling it."""
        self._stopped(None)
        self._ended = True


class RowIterator(AsyncIterator[Row], Generic[Row, ReplyT]):
    """One iteration by rows. After an error it may be asked again: it goes on at its checkpoint."""

    def __init__(self, cursor: Cursor[Row, ReplyT], pages: PageIterator[Row, ReplyT]) -> None:
        self._cursor = cursor
        self._pages = pages
        self._rows: Iterator[Row] = iter(())
        self._given_up = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """Where to go on: the next row that was not delivered yet."""
        return self._cursor.checkpoint(self._undelivered)

    @property
    def report(self) -> WalkReport:
        """The figures so far."""
        return self._cursor.report(self._undelivered)

    @property
    def _undelivered(self) -> int:
        return self._given_up + length_hint(self._rows)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        while True:
            for row in self._rows:
                return row
            self._rows = iter((await self._pages.__anext__()).items)

    async def aclose(self) -> None:
        """End the iteration. Nothing is left behind by not calling it."""
        self._given_up = self._undelivered
        self._rows = iter(())
        await self._pages.aclose()
