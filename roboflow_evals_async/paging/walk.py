"""The walk: a recipe that is awaited for its first page, or iterated for its rows or pages."""

from collections.abc import Generator
from contextlib import aclosing
from typing import Any, Generic, NoReturn, TypeVar

import anyio

from ..core.errors import EvalsError, PaginationDriftError
from ..core.events import Listener
from ..core.request import integer
from .cursor import Cursor, Page, PageQuery, Plan
from .iterate import Fetch, PageIterator, RowIterator, Send
from .prefetch import AdaptiveWindow, Prefetch

Row = TypeVar("Row")
ReplyT = TypeVar("ReplyT")


class Walk(Generic[Row, ReplyT]):
    """A recipe for a walk; nothing is sent before it is used, and using it twice starts afresh.

        page = await walk                       the first page
        async for row in walk: ...              every row, one request at a time
        async for page in walk.pages(): ...     the same by pages: the fastest way
        async with walk.prefetch() as rows: ... read ahead, same order; `rows.pages()` for pages
        rows = await walk.collect()             all rows in a list
        total = await walk.total()              the server's number of rows

    What an iteration raises of `EvalsError` has its `.checkpoint` set to the next row not yet delivered.
    """

    def __init__(
        self,
        query: PageQuery[Row, ReplyT],
        plan: Plan,
        send: Send,
        fetch: Fetch,
        on_event: Listener | None = None,
        deadline: float | None = None,
    ) -> None:
        self._query = query
        self._plan = plan
        self._send = send
        self._on_event = on_event
        self._fetch = fetch
        self._deadline = deadline

    def __repr__(self) -> str:
        return f"<Walk of {self._query.asked}>"

    def __await__(self) -> Generator[Any, None, Page[Row, ReplyT]]:
        return self._first().__await__()

    async def _first(self) -> Page[Row, ReplyT]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                return page
        # Nothing was asked for (max_items=0, or a checkpoint at the end): the first page still tells the total.
        reply = await self._ask(self._plan.start, self._plan.page_size)
        return Page((), self._plan.start, self._query.facts(reply).total, reply)

    async def _ask(self, offset: int, limit: int) -> ReplyT:
        end = None if self._deadline is None else anyio.current_time() + self._deadline
        return await self._send(self._query.request(offset, limit), end=end)

    def __aiter__(self) -> RowIterator[Row, ReplyT]:
        cursor = Cursor(self._query, self._plan)
        return RowIterator(cursor, PageIterator(cursor, self._send, self._on_event, self._deadline))

    def pages(self) -> PageIterator[Row, ReplyT]:
        """Return an iterator over the pages."""
        return PageIterator(Cursor(self._query, self._plan), self._send, self._on_event, self._deadline)

    def prefetch(self, pages: int = 8, *, adaptive: bool = True) -> Prefetch[Row, ReplyT]:
        """Return a block that reads ahead: `async with walk.prefetch() as rows: async for row in rows: ...`.

        The first page goes alone, then at most `pages` are under way or held, delivered in the server's order. The
        window begins small and grows only while a page takes no longer for it; `adaptive=False` fixes it. Leaving the
        block, in whatever way, ends what is under way.
        """
        return Prefetch(
            Cursor(self._query, self._plan),
            self._send,
            self._on_event,
            fetch=self._fetch,
            window=AdaptiveWindow(integer(pages, "pages", 1), adaptive=adaptive),
            deadline=self._deadline,
        )

    async def collect(self) -> list[Row]:
        """Return all rows. With on_drift="restart" the walk begins again when the server's rows change under it.

        An error takes the rows along, so its checkpoint is the beginning: iterate to keep what came before it.
        """
        restarts = 0
        while True:
            rows: list[Row] = []
            pages = self.pages()
            beginning = pages.checkpoint
            try:
                async for page in pages:
                    rows.extend(page.items)
            except EvalsError as error:
                # A first page that drifts was asked for again in place already.
                again = isinstance(error, PaginationDriftError) and pages.report.pages > 0
                if not again or restarts == self._plan.restarts:
                    error.checkpoint = beginning
                    raise
                restarts += 1
            else:
                return rows

    async def total(self) -> int | None:
        """Return the server's number of rows for this query, by one small request; None if it does not say."""
        return self._query.facts(await self._ask(0, 1)).total

    def _misused(self, *_: object) -> NoReturn:
        raise TypeError(
            "A walk is asynchronous: write `async for row in walk`, `await walk` for the first page, "
            "or `await walk.collect()` for a list."
        )

    __iter__ = __len__ = __getitem__ = __contains__ = __enter__ = _misused
    __exit__ = _misused

    def __bool__(self) -> bool:
        return True  # without it `if walk` would ask __len__
