"""The gate that every try of a client passes: at most so many at a time."""

from types import TracebackType

import anyio


class Gate:
    """Slots for tries. A slot is held while a try runs, and not while the client waits before the next one."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        # fast_acquire: a free slot is taken without a turn of the event loop, so a lone call pays next to nothing.
        self._semaphore = anyio.Semaphore(slots, fast_acquire=True)

    async def __aenter__(self) -> None:
        await self._semaphore.acquire()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._semaphore.release()
