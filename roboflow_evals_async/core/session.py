"""Session.send: gate, exchange, decode, retry."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import aiohttp
import anyio
import msgspec

from . import retry
from .errors import ClientStateError, DeadlineExceededError, EvalsError, error_from_reply
from .events import Listener, harmless
from .gate import Gate
from .key import Key
from .options import Options
from .reply import json_object
from .request import Request
from .transport import check_base_url, exchange, proxy_for
from .tries import Call, Tries, Watch

T = TypeVar("T")


class Session:
    """One connection pool, one key and one gate, bound to the event loop in which it is first used."""

    def __init__(
        self,
        base_url: str,
        key: Key,
        *,
        gate: Gate,
        session: aiohttp.ClientSession | None = None,
        on_event: Listener | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.key = key
        self.gate = gate
        self.on_event = harmless(on_event)
        self._trace_configs = list(trace_configs)
        self._http = session
        self._borrowed = session is not None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"Session({self.base_url!r})"

    async def aclose(self) -> None:
        """Close the connections, unless the aiohttp session was handed in. May be called again."""
        self._closed = True
        if self._http is not None and not self._borrowed:
            await self._http.close()

    async def send(self, request: Request[T], options: Options, *, end: float | None = None) -> T:
        """Send until it succeeds, may not be retried, or the tries or the deadline run out; return the struct.

        `end` is the moment, on anyio's clock, at which the deadline passes; None: there is none.
        """
        return await self._within_deadline(Call(request, options, request.reply.decode), end)

    async def send_raw(self, request: Request[Any], options: Options, *, end: float | None = None) -> bytes:
        """Do the same, and return the body as it came, checked to be one JSON object."""
        return await self._within_deadline(Call(request, options, _checked_body), end)

    async def fetch(
        self, request: Request[Any], options: Options, *, end: float | None = None, watch: Watch | None = None
    ) -> bytes:
        """Do the same, and return the body unread: whoever decodes it must be ready for a cut one.

        `watch` is told each failure as it happens.
        """
        return await self._within_deadline(Call(request, options, bytes, watch), end)

    async def _within_deadline(self, call: Call[T], end: float | None) -> T:
        tries = Tries(self, call, end)
        if end is None:
            return await tries.run()
        with anyio.CancelScope(deadline=end):
            return await tries.run()
        raise tries.counted(DeadlineExceededError(f"{call.request.asked}: not finished when the deadline passed."))

    async def attempt(
        self,
        call: Call[Any],
        read: Callable[[bytes], T],
        end: float | None,
        on_wait: Callable[[float], object] | None = None,
    ) -> T:
        """Make one try: slot, send, status, body, decode. A fault in any of them is a failed try."""
        http, request = self._open(), call.request
        async with self.gate.slot(end, on_wait):
            await self.key.current()
            status, headers, body = await exchange(http, self.base_url, request, call.options, self.key)
        if status != 200:
            error = error_from_reply(
                status,
                headers,
                body,
                url=self.base_url + request.path,
                asked=request.asked,
                scrub=self.key.scrub,
                retry_after=retry.retry_after(headers, time.time()),
            )
            asked = retry.asked_wait(error)
            # A server that asks for longer than anybody would wait ends this call; it must not hold up the others.
            if asked is not None and asked <= call.options.retry.longest_asked:
                self.gate.cool_down(asked)
            raise error
        try:
            result = read(body)
        except EvalsError as error:
            raise error.scrubbed(self.key.scrub) from None
        self.gate.succeeded()
        return result

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise ClientStateError("The client is closed.", hint="Make a new one.")
        if self._http is not None and self._http.closed:
            raise ClientStateError("The aiohttp session that was handed in is closed.", hint="Keep it open.")
        if self._loop is None or self._http is None:
            self._loop = loop
            # The connector's limit is the gate's, so that nothing ever queues inside aiohttp, where the wait would
            # count against the timeouts.
            self._http = self._http or aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.gate.slots),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=self._trace_configs,
                # Asked once: aiohttp's trust_env would ask the environment for every call, and take a key from netrc.
                proxy=proxy_for(self.base_url),
            )
        if loop is not self._loop:
            raise ClientStateError(
                "The client belongs to another event loop.", hint="Make one client in each event loop."
            )
        return self._http


def _checked_body(body: bytes) -> bytes:
    try:
        _ANY_OBJECT.decode(body)
    except (ValueError, RecursionError):
        json_object(body)  # names the fault; a body that is sound but for NaN passes as it is
    return body


# Scans the body without building its values.
_ANY_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
