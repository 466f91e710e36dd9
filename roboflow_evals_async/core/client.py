"""What every client has: a session, options, a life cycle, and the two ways to send a request."""

import copy
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from msgspec import UNSET, UnsetType

from .options import Options
from .request import Request
from .session import Session
from .tries import Watch

T = TypeVar("T")


class Client:
    """Root of the clients. Use it as `async with … as client`, or call `aclose()` at the end: one for a program."""

    def __init__(self, session: Session, options: Options) -> None:
        self._session = session
        self._options = options

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._session.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; a session that was handed in stays open. May be called again."""
        await self._session.aclose()

    def with_options(
        self,
        *,
        timeout: float | UnsetType = UNSET,
        deadline: float | UnsetType | None = UNSET,
        max_attempts: int | UnsetType = UNSET,
        max_body: int | UnsetType = UNSET,
    ) -> Self:
        """Return a light view of this client with other limits, on the same connections.

        `timeout` and `deadline` are in seconds, `max_body` in bytes; see `Options`. Raises `InvalidArgumentError`.
        """
        view = copy.copy(self)
        view._options = self._options.changed(
            timeout=timeout, deadline=deadline, max_attempts=max_attempts, max_body=max_body
        )
        return view

    async def send(self, request: Request[T], *, end: float | None = None) -> T:
        """Send a request that an `endpoints` function made, and return its struct. Raises `EvalsError`.

        `end` is a moment on anyio's clock by which it must be done, besides the client's own `deadline`.
        """
        end = self._until(end)
        return await self._session.send(await self._placed(request, end), self._options, end=end)

    async def send_raw(self, request: Request[Any], *, end: float | None = None) -> bytes:
        """Do the same, and return the body as the server sent it, checked to be one JSON object."""
        end = self._until(end)
        return await self._session.send_raw(await self._placed(request, end), self._options, end=end)

    async def fetch(self, request: Request[Any], *, end: float | None = None, watch: Watch | None = None) -> bytes:
        """Do the same, and return the body unread, as read-ahead wants it; `watch` is told each failure."""
        end = self._until(end)
        return await self._session.fetch(await self._placed(request, end), self._options, end=end, watch=watch)

    def _until(self, end: float | None) -> float | None:
        """Return the moment at which a call that begins now must have ended, None if it may take any time."""
        deadline = self._options.deadline
        if deadline is None:
            return end
        until = anyio.current_time() + deadline
        return until if end is None else min(until, end)

    async def _placed(self, request: Request[T], end: float | None) -> Request[T]:
        """Return the request with the path that it has on this client's server."""
        return request
