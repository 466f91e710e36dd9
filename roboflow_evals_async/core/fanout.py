"""Many ids at once: work for several of them under way, results delivered as they come, nothing left behind."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .errors import ClientStateError, InvalidArgumentError
from .request import integer

T = TypeVar("T")

Ids = Iterable[str] | AsyncIterable[str]
Emit = Callable[[T], Awaitable[None]]
Work = Callable[[str, Emit[T]], Awaitable[None]]


class FanOut(AsyncIterator[T], Generic[T]):
    """A block in which `work(id, emit)` runs for up to `at_once` ids at a time; iterate it for what they emit.

    Ids are taken one by one, as work on them begins; an async generator of ids is closed with the block. A worker
    waits until its result was taken before it goes on, so that little is fetched that nobody reads; leaving the block
    ends what is under way. What `work` raises ends the block: results of which some may fail must be emitted as values.
    """

    def __init__(self, ids: Ids, work: Work[T], *, at_once: int) -> None:
        if isinstance(ids, str):
            # A text is an iterable of texts too, and its letters are nobody's ids.
            raise InvalidArgumentError("ids is one text.", field="ids", hint="Give a list of ids.")
        self._ids = _each(ids)
        self._work = work
        self._at_once = integer(at_once, "max_evals", 1)
        self._taking = anyio.Lock()
        self._group: TaskGroup | None = None
        self._results: MemoryObjectReceiveStream[T] | None = None
        self._failure: Exception | None = None

    async def __aenter__(self) -> Self:
        if self._group is not None:
            raise ClientStateError("This block was entered before.", hint="Make a new one.")
        send, self._results = anyio.create_memory_object_stream[T]()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        for _ in range(self._at_once):
            self._group.start_soon(self._worker, send.clone())
        send.close()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._group is not None
        assert self._results is not None
        self._group.cancel_scope.cancel()
        # Not told of the body's exception, which it would wrap in a group: the plain one goes on.
        try:
            await self._group.__aexit__(None, None, None)
        finally:
            self._results.close()
            await self._ids.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._results is None:
            raise ClientStateError("The block was not entered.", hint="Write `async with … as results`.")
        try:
            return await self._results.receive()
        except anyio.EndOfStream:
            if self._failure is not None:
                raise self._failure from None
            raise StopAsyncIteration from None
        except anyio.ClosedResourceError:
            raise ClientStateError("The block was left.", hint="Iterate inside `async with`.") from None

    async def _worker(self, results: MemoryObjectSendStream[T]) -> None:
        with results:
            try:
                while self._failure is None:
                    async with self._taking:  # an async iterator of ids may be asked by one at a time
                        eval_id = await anext(self._ids)
                    await self._work(eval_id, results.send)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001  (raised where the results are read)
                self._failure = self._failure or error


async def _each(ids: Ids) -> AsyncGenerator[str, None]:
    if isinstance(ids, AsyncIterable):
        try:
            async for eval_id in ids:
                yield eval_id
        finally:
            # Otherwise the garbage collector would do it some time later, in a task that belongs to nobody.
            if isinstance(ids, AsyncGenerator):
                await ids.aclose()
    else:
        for eval_id in ids:
            yield eval_id
