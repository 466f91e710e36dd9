"""Read-ahead: the pages of a walk fetched several at a time, delivered one by one in the server's order.

The tasks fetch bytes; whoever iterates decodes them. The next request is started before a page is decoded, so that the
network never waits for the decoder. All tasks live inside `async with`, and none outlives it, however it is left.
"""

from collections import deque
from collections.abc import AsyncIterator
from statistics import median
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from ..core.errors import (
    ClientStateError,
    EvalsError,
    PaginationDriftError,
    RateLimitedError,
    ServerError,
    TruncatedBodyError,
)
from ..core.events import Listener, next_id, place
from .checkpoint import Checkpoint
from .cursor import Cursor, Page, WalkReport
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
        # A page alone under way crowds nobody: so long is what a page takes now, and growth begins anew from there.
        self._best = took if self._best is None or self.size == 1 else min(self._best, took)
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

    def __init__(self, window: Window, number: int) -> None:
        self.window = window
        self.number = number  # in events
        self.arrived = anyio.Event()
        self.body = b""
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()


class PrefetchedPages(PageIterator[Row, ReplyT], Generic[Row, ReplyT]):
    """One iteration by pages, with others under way behind the one that is delivered."""

    # The pages under way go on behind a wait that is cancelled, until the block is left.
    _ends_with_its_wait = False

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
        self.last: Page[Row, ReplyT] | None = None
        self.closed = False

    def left(self) -> None:
        """Tell that the block was left."""
        self._stopped(None)

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise ClientStateError(
                "The read-ahead is over: its block was left.", hint="Iterate inside `async with walk.prefetch()`."
            )

    async def _fetch(self, window: Window, restarts: int = 0) -> Page[Row, ReplyT]:
        self._refuse_if_closed()
        self.last = None
        if not self._ahead or self._ahead[0].window != window:
            # The beginning; or a page failed, or the server changed its step: what is under way does not fit any more.
            self._drop_all()
        self._refill(window)
        head = self._ahead[0]
        self._page_id = head.number
        await head.arrived.wait()
        self._refuse_if_closed()  # by another task, while this one waited
        self._ahead.popleft()
        try:
            self.last = await self._delivered(head, window, restarts)
        except EvalsError:
            self._drop_all()  # what comes after it is not read, unless it is asked for again
            raise
        following = self._cursor.window
        if following is not None and self._cursor.total is not None and not self._ahead:
            # The first page told the total: those after it come while the caller is busy with it.
            self._planned = None
            self._refill(following)
        return self.last

    async def _delivered(self, head: _Ahead, window: Window, restarts: int) -> Page[Row, ReplyT]:
        if head.error is not None:
            raise head.error
        if self._cursor.total is not None:
            self._refill(window)
            # One turn of the loop, in which the task just started sends its request: the network must not wait for the
            # decoder. Shielded, for the page is in hand.
            await anyio.lowlevel.cancel_shielded_checkpoint()
        request = self._cursor.query.request(window.offset, window.limit)
        try:
            reply = request.reply.decode(head.body)
            return self._cursor.accept(window, reply)
        except TruncatedBodyError:
            pass  # cut, and still called whole by the transport
        except PaginationDriftError:
            if self._cursor.pages or not self._cursor.plan.restarts:
                raise
            restarts += 1
        if self._on_event is not None:
            place.set((self._walk_id, self._page_id))  # put back by the caller
        return await super()._fetch(window, restarts)  # ask again in place

    def _refill(self, first: Window) -> None:
        """Start pages, up to the window's size; only the first one while the total is not known."""
        end, most = self._cursor.end, self._window.size if self._cursor.total is not None else 1
        while len(self._ahead) < most:
            planned = self._planned
            window = first if planned is None else next_window(planned, planned.limit, end)
            if window is None:
                break
            self._planned = window
            page = _Ahead(window, 0 if self._on_event is None else next_id())
            self._ahead.append(page)
            self._group.start_soon(self._bring, page)

    async def _bring(self, page: _Ahead) -> None:
        request = self._cursor.query.request(page.window.offset, page.window.limit)
        begun = anyio.current_time()
        if self._on_event is not None:
            place.set((self._walk_id, page.number))
        try:
            with page.scope:
                page.body = await self._fetch_bytes(request, end=self._until, watch=self._window.failed)
                self._window.page_took(anyio.current_time() - begun)
        except Exception as error:  # noqa: BLE001  (raised where the page is delivered)
            page.error = error
        finally:
            page.arrived.set()  # even if it is cancelled: another task may wait for it

    def _drop_all(self) -> None:
        for page in self._ahead:
            page.scope.cancel()
        self._ahead.clear()
        self._planned = None


class PrefetchedRows(RowIterator[Row, ReplyT], Generic[Row, ReplyT]):
    """What `async with walk.prefetch()` gives: iterate it for rows, or `.pages()` for pages; they share a position."""

    def __init__(self, cursor: Cursor[Row, ReplyT], pages: PrefetchedPages[Row, ReplyT]) -> None:
        super().__init__(cursor, pages)
        self._pages_ahead = pages

    def pages(self) -> "PagesOf[Row, ReplyT]":
        """Return the iterator over the pages. Where rows of a page were taken, the rest of it comes first."""
        return PagesOf(self)

    async def next_page(self) -> Page[Row, ReplyT]:
        """Return the rest of the present page, or the next one."""
        page, rest = self._pages_ahead.last, tuple(self._rows)
        if page is None or not rest:
            return await self._pages.__anext__()
        return Page(rest, page.offset + len(page.items) - len(rest), page.total, page.reply)


class PagesOf(AsyncIterator[Page[Row, ReplyT]], Generic[Row, ReplyT]):
    """The pages of a read-ahead. The rows of the handle and these share one position."""

    def __init__(self, rows: PrefetchedRows[Row, ReplyT]) -> None:
        self._rows = rows

    @property
    def checkpoint(self) -> Checkpoint:
        """Where to go on: the next row that was not delivered yet."""
        return self._rows.checkpoint

    @property
    def report(self) -> WalkReport:
        """The figures so far."""
        return self._rows.report

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[Row, ReplyT]:
        return await self._rows.next_page()

    async def aclose(self) -> None:
        """End the iteration, and what is under way for it."""
        await self._rows.aclose()


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
        try:
            await self._group.__aexit__(None, None, None)
        finally:
            self._pages.left()
