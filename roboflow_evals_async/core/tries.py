"""The tries of one call: the first bare, the others by tenacity, all of them counted and told."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import anyio
import msgspec
import tenacity

from . import retry
from .errors import APIError, AuthenticationError, DeadlineExceededError, EvalsError
from .events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptFinished,
    AttemptStarted,
    CoolingDown,
    Listener,
    next_id,
    place,
)
from .gate import Gate
from .key import Key
from .options import Options
from .request import Request

T = TypeVar("T")

Watch = Callable[[EvalsError], object]


class Call(msgspec.Struct, Generic[T], frozen=True):
    """What is sent, within what limits, how the body is read, and who is told of failures."""

    request: Request[Any]
    options: Options
    read: Callable[[bytes], T]
    watch: Watch | None = None


class Attempts(Protocol):
    """What the tries need of a session."""

    gate: Gate
    key: Key
    on_event: Listener | None

    def attempt(
        self,
        call: Call[Any],
        read: Callable[[bytes], T],
        end: float | None,
        on_wait: Callable[[float], object] | None = None,
    ) -> Awaitable[T]:
        """Make one try."""
        ...


class Tries(Generic[T]):
    """The tries of one call, as tenacity wants to see them."""

    def __init__(self, session: Attempts, call: Call[T], end: float | None) -> None:
        self._session = session
        self._call = call
        self._request = call.request
        self._policy = call.options.retry
        self._end = end
        self.made = 0
        self._attempt_id = 0
        self._renewed = False
        self._first_failure: EvalsError | None = None

    async def run(self) -> T:
        """Make the first try bare, and bring in tenacity with the first failure: most calls never need it."""
        try:
            return await self._next()
        except EvalsError as error:
            if self._policy.max_attempts == 1 or not retry.is_retryable(error):
                raise
            self._first_failure = error
        # A fresh object for this call: one that is shared would mix the calls' states.
        retrying = tenacity.AsyncRetrying(
            sleep=anyio.sleep,
            retry=tenacity.retry_if_exception(retry.is_retryable),
            wait=self._wait,
            stop=self._stop,
            before_sleep=self._tell_wait,
            retry_error_callback=self._give_up,
        )
        return await retrying(self._next)

    async def _next(self) -> T:
        """Make a try; for tenacity, the first one is the failure that has happened already."""
        if self._first_failure is not None:
            failure, self._first_failure = self._first_failure, None
            raise failure
        self.made += 1
        try:
            return await self._told()
        except AuthenticationError as error:
            # A provider may hand out a key that has just expired: ask it once more, and only once.
            if self._renewed or not self._session.key.renewable:
                raise self.counted(error) from None
            self._renewed = True
            return await self._next()
        except EvalsError as error:
            raise self.counted(error) from None

    async def _told(self) -> T:
        tell, request = self._session.on_event, self._request
        if tell is None:
            return await self._session.attempt(self._call, self._call.read, self._end)
        size = 0

        def read(body: bytes) -> T:
            nonlocal size
            size = len(body)
            return self._call.read(body)

        begun = time.perf_counter()
        walk, page = place.get()
        this = self._attempt_id = next_id()
        tell(AttemptStarted(request.asked, request.path, self.made, this, page, walk))
        try:
            result = await self._session.attempt(self._call, read, self._end, self._tell_pause)
        except asyncio.CancelledError:
            tell(AttemptCancelled(request.asked, request.path, self.made, time.perf_counter() - begun, this))
            raise
        except Exception as error:
            seconds = time.perf_counter() - begun
            status = error.status if isinstance(error, APIError) else None
            name = type(error).__name__
            tell(AttemptFailed(request.asked, request.path, self.made, seconds, name, status, this))
            raise
        tell(AttemptFinished(request.asked, request.path, self.made, time.perf_counter() - begun, size, this))
        return result

    def counted(self, error: EvalsError) -> EvalsError:
        """Return the error with the number of tries made."""
        error.attempts = self.made
        if self._call.watch is not None:
            self._call.watch(error)
        return error

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return retry.wait_after(_failure(state), self.made, self._policy)

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        if self.made >= self._policy.max_attempts or not self._fits(state.upcoming_sleep):
            return True
        # A wait that the server asked for is no storm: the shared pause keeps all callers back. No wait holds nobody.
        return not retry.asked_wait(_failure(state)) and not self._session.gate.may_retry()

    def _fits(self, wait: float) -> bool:
        if self._end is None:
            return wait <= self._policy.longest_asked * 1.1  # the tenth is the jitter's
        return anyio.current_time() + wait < self._end

    def _tell_wait(self, state: tenacity.RetryCallState) -> None:
        self._tell_pause(state.upcoming_sleep)

    def _tell_pause(self, seconds: float) -> None:
        if self._session.on_event is not None:
            request = self._request
            self._session.on_event(CoolingDown(request.asked, request.path, seconds, self._attempt_id))

    def _give_up(self, state: tenacity.RetryCallState) -> NoReturn:
        failure, wait = _failure(state), state.upcoming_sleep
        if self.made >= self._policy.max_attempts or self._fits(wait) or self._end is None:
            raise failure
        left = max(0.0, self._end - anyio.current_time())
        refusal = DeadlineExceededError(
            f"{failure.message}: the next try is {wait:.1f} s away, and the deadline {left:.1f} s.", wait=wait
        )
        raise self.counted(refusal) from failure


def _failure(state: tenacity.RetryCallState) -> EvalsError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, EvalsError)
    return error
