"""The gate that every try passes: slots, a rate, a shared pause after "too many requests", and a quota of retries.

One gate belongs to one client, or is handed to several that share a key. State changes in synchronous blocks, with the
waiting between them, so no lock is needed and nothing is lost when a waiter is cancelled.
"""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from .errors import DeadlineExceededError, InvalidArgumentError
from .request import integer

# An outage makes every call fail and try again. Once so many retries were spent without a success, calls fail at their
# first failure: enough for each slot of a large client to ride out a restart, too few to load a server that is down.
_RETRY_QUOTA = 100


class Gate:
    """At most `slots` tries at a time and `rate` a second (None: no limit), for all clients that share the gate.

    A slot is held while a try runs, never while anything waits. Waiters are served in the order in which they came, so
    a long export does not starve a single call.
    """

    def __init__(self, slots: int = 8, *, rate: float | None = None) -> None:
        self.slots = integer(slots, "max_concurrency", 1)
        if rate is not None and not 0 < rate < float("inf"):
            raise InvalidArgumentError(f"rate is {rate!r}.", field="rate", hint="Give requests a second, above 0.")
        self._interval = 0.0 if rate is None else 1 / rate
        self._next_turn = 0.0
        self._not_before = 0.0
        self._spread = 0.0
        self._retries_left = _RETRY_QUOTA
        # fast_acquire: a free slot is taken without a turn of the event loop, so a lone call pays next to nothing.
        self._semaphore = anyio.Semaphore(slots, fast_acquire=True)
        self._turns = anyio.Lock(fast_acquire=True)
        self._queue = 0

    @property
    def in_use(self) -> int:
        """The number of slots held now."""
        return self.slots - self._semaphore.value

    @asynccontextmanager
    async def slot(
        self, end: float | None = None, on_wait: Callable[[float], object] | None = None
    ) -> AsyncGenerator[None, None]:
        """Hold a slot. `end` is the moment, on anyio's clock, at which the caller's deadline passes.

        `on_wait` is told the seconds of a shared pause before it begins. Raises `DeadlineExceededError` at once for a
        wait that would go past the end.
        """
        while True:
            rested = await self._rest(end, on_wait)
            if self._interval:
                await self._turn_and_slot(end)
            else:
                await self._semaphore.acquire()
            try:
                # While this one queued, another may have been told to wait.
                if self._not_before <= rested:
                    yield
                    return
            finally:
                self._semaphore.release()

    def cool_down(self, seconds: float) -> None:
        """Let nobody send for so many seconds: the server has asked one caller, and means all."""
        until = anyio.current_time() + seconds
        if until > self._not_before:
            self._not_before = until
            # A tenth more for each waiter by chance, a quarter second at least, so that they do not return at once.
            self._spread = max(0.25, seconds / 10)

    def may_retry(self) -> bool:
        """Spend one retry of the quota; False if none is left."""
        if self._retries_left < 1:
            return False
        self._retries_left -= 1
        return True

    def succeeded(self) -> None:
        """Earn one retry back."""
        self._retries_left = min(_RETRY_QUOTA, self._retries_left + 1)

    async def _rest(self, end: float | None, on_wait: Callable[[float], object] | None) -> float:
        """Wait until the shared pause is over; return the moment that was waited for."""
        until = self._not_before
        wait = until - anyio.current_time()
        if wait > 0:
            wait += random.uniform(0, self._spread)  # noqa: S311
            _refuse_past(end, wait, "The server asked to pause")
            if on_wait is not None:
                on_wait(wait)
            await anyio.sleep(wait)
        return until

    async def _turn_and_slot(self, end: float | None) -> None:
        """Wait for this one's turn under the rate, then for a slot: turns are evenly spaced, without bursts.

        One caller at a time waits for the turn, and takes it with the slot: turns that queue for slots would be saved
        up and go out at once, and those of callers who have gone would be lost.
        """
        now = anyio.current_time()
        _refuse_past(
            end, max(0.0, self._next_turn - now) + self._queue * self._interval, "The rate limit leaves no room"
        )
        self._queue += 1
        try:
            async with self._turns:
                now = anyio.current_time()
                turn = max(now, self._next_turn)
                if turn > now:
                    await anyio.sleep(turn - now)
                await self._semaphore.acquire()
                # A timer that fires a little late does not slow the rate; turns that were missed are not made up for.
                now = anyio.current_time()
                self._next_turn = self._interval + (turn if now < turn + self._interval else now)
        finally:
            self._queue -= 1


def _refuse_past(end: float | None, wait: float, why: str) -> None:
    if end is not None and anyio.current_time() + wait >= end:
        left = max(0.0, end - anyio.current_time())
        raise DeadlineExceededError(f"{why}: the next try is {wait:.1f} s away, the deadline {left:.1f} s.", wait=wait)
