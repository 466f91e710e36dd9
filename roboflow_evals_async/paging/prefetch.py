"""Read-ahead: the pages of a walk fetched several at a time, delivered one by one in the server's order.

The tasks fetch bytes; whoever iterates decodes them. The next request is started before a page is decoded, so that the
network never waits for the decoder. All tasks live inside `async with`, and none outlives it, however it is left.
"""

from collections import deque
from statistics import median
from types import TracebackType
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from ..core.errors import (
    ClientStateError,
    EvalsError,
    PaginationDriftError,
    RateLimitedError,
    ServerError,
    TruncatedBodyError,
)
from ..core.events import Listener
from .cursor import Cursor, Page
from .iterate import Fetch, PageIterator, RowIterator, Send
from .window import Window, next_window

Row = TypeVar("Row")
ReplyT = TypeVar("ReplyT")

# A first guess that costs the server little: one page more than a sequential walk has under way.
_FIRST_PAGES = 2

# A round of pages adds two: a window of eight is reached within a dozen pages, and the server is never surprised.
_GROWTH = 2

# The latency of a page may vary by half from one round to the next without the server being the busier for it.
_STEADY = 1.5

# Twice the best latency means that the pages now queue for the same file on the server.
_CROWDED = 2.0


class AdaptiveWindow:
    """How many pages to have under way: two more after each steady round, half after a crowded one. Pure.

    Every page re-reads the same file on the server, so more pages help only while each takes no longer.
    """

    def __init__(self, most: int, *, adaptive: bool = True) -> None:
        self.most = most
        self.size = min(_FIRST_PAGES, most) if adaptive else most
        self._adaptive = adaptive
        self._latencies: list[float] = []
        self._best: float | None = None

    def page_took(self, seconds: float) -> None:
        """Count a page; a round is as many pages as are under way at a time."""
        if not self._adaptive:
            return
        self._latencies.append(seconds)
        if len(self._latencies) < self.size:
            return
        took, self._latencies = median(self._latencies), []
        self._best = took if self._best is None else min(self._best, took)
        if took >= _CROWDED * self._best:
            self._halve()
        elif took <= _STEADY * self._best:
            self.size = min(self.most, self.size + _GROWTH)

    def failed(self, error: EvalsError) -> None:
        """Take a failed try into account: a server that says "too much" gets half."""
        if self._adaptive and (
            isinstance(error, RateLimitedError) or (isinstance(error, ServerError) and error.status in (503, 504))
        ):
            self._halve()

    def _halve(self) -> None:
        self.size = max(1, self.size // 2)
        self._latencies = []


class _Ahead:
    """A page under way, or here."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.arrived = anyio.Event()
        self.body = b""
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()


class PrefetchedPages(PageIterator[Row, ReplyT], Generic[Row, ReplyT]):
    """One iteration by pages, with others under way behind the one that is delivered."""

    def __init__(
        self,
        cursor: Cursor[Row, ReplyT],
        send: Send,
        on_event: Listener | None,
        *,
        fetch: Fetch,
        group: TaskGroup,
        window: AdaptiveWindow,
        deadline: float | None = None,
    ) -> None:
        super().__init__(cursor, send, on_event, deadline)
        self._fetch_bytes = fetch
        self._group = group
        self._window = window
        self._ahead: deque[_Ahead] = deque()
        self._planned: Window | None = None
        self.closed = False

    async def _fetch(self, window: Window) -> Page[Row, ReplyT]:
        if self.closed:
            raise ClientStateError(
                "The read-ahead is over: its block was left.", hint="Iterate inside `async with walk.prefetch()`."
            )
        if not self._ahead or self._ahead[0].window != window:
            # The beginning; or a page failed, or the server changed its step: what is under way does not fit any more.
            self._drop_all()
        self._refill(window)
        head = self._ahead[0]
        await head.arrived.wait()
        self._ahead.popleft()
        if head.error is not None:
            raise head.error
        if self._cursor.total is not None:
            self._refill(window)
        request = self._cursor.query.request(window.offset, window.limit)
        try:
            reply = request.reply.decode(head.body)
            return self._cursor.accept(window, reply)
        except TruncatedBodyError:
            pass  # cut, and still called whole by the transport
        except PaginationDriftError:
            if self._cursor.pages or not self._cursor.plan.restarts:
                raise
        return await super()._fetch(window)  # ask again in place

    def _refill(self, first: Window) -> None:
        """Start pages, up to the window's size; only the first one while the total is not known."""
        end, most = self._cursor.end, self._window.size if self._cursor.total is not None else 1
        while len(self._ahead) < most:
            planned = self._planned
            window = first if planned is None else next_window(planned, planned.limit, end)
            if window is None:
                break
            self._planned = window
            page = _Ahead(window)
            self._ahead.append(page)
            self._group.start_soon(self._bring, page)

    async def _bring(self, page: _Ahead) -> None:
        request = self._cursor.query.request(page.window.offset, page.window.limit)
        begun = anyio.current_time()
        with page.scope:
            try:
                page.body = await self._fetch_bytes(request, end=self._until, watch=self._window.failed)
            except Exception as error:  # noqa: BLE001  (raised where the page is delivered)
                page.error = error
            else:
                self._window.page_took(anyio.current_time() - begun)
        page.arrived.set()

    def _drop_all(self) -> None:
        for page in self._ahead:
            page.scope.cancel()
        self._ahead.clear()
        self._planned = None


class PrefetchedRows(RowIterator[Row, ReplyT], Generic[Row, ReplyT]):
    """What `async with walk.prefetch()` gives: iterate it for rows, or `.pages()` for pages; they share a position."""

    def pages(self) -> PageIterator[Row, ReplyT]:
        """Return the iterator over the pages."""
        return self._pages


class Prefetch(Generic[Row, ReplyT]):
    """The block in which a read-ahead lives. Leaving it, in whatever way, ends what is under way."""

    def __init__(
        self,
        cursor: Cursor[Row, ReplyT],
        send: Send,
        on_event: Listener | None,
        *,
        fetch: Fetch,
        window: AdaptiveWindow,
        deadline: float | None = None,
    ) -> None:
        self._cursor = cursor
        self._send = send
        self._on_event = on_event
        self._fetch = fetch
        self._window = window
        self._deadline = deadline
        self._group: TaskGroup | None = None
        self._pages: PrefetchedPages[Row, ReplyT] | None = None

    async def __aenter__(self) -> PrefetchedRows[Row, ReplyT]:
        if self._group is not None:
            raise ClientStateError("This read-ahead was entered before.", hint="Call walk.prefetch() again.")
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._pages = PrefetchedPages(
            self._cursor,
            self._send,
            self._on_event,
            fetch=self._fetch,
            group=self._group,
            window=self._window,
            deadline=self._deadline,
        )
        return PrefetchedRows(self._cursor, self._pages)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._group is not None
        assert self._pages is not None
        self._pages.closed = True
        self._group.cancel_scope.cancel()
        # The group is not told of the body's exception: it would wrap it in a group, or take a cancellation from
        # outside for its own. Its tasks raise nothing, so it ends quietly and the plain exception goes on.
        await self._group.__aexit__(None, None, None)
