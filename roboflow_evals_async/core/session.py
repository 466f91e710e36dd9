"""Session.send: gate, attempt, decode, retry. The only place that does I/O."""

import asyncio
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar

import aiohttp
import anyio
import msgspec
import tenacity
from yarl import URL

from . import retry
from .errors import (
    APIError,
    AttemptTimeoutError,
    AuthenticationError,
    ClientStateError,
    ConfigError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    EvalsError,
    TransportError,
    TruncatedBodyError,
    error_from_reply,
)
from .events import AttemptFailed, AttemptFinished, AttemptStarted, CoolingDown, Listener
from .gate import Gate
from .key import Key
from .options import Options
from .reply import json_object
from .request import Request
from .version import __version__

T = TypeVar("T")

Watch = Callable[[EvalsError], object]

# A TCP and TLS handshake that takes longer than this has failed, whatever the patience for the answer.
_CONNECT_SECONDS = 10.0

# Redirects that stay on the server: one for a trailing slash, one for a renamed path; more is a loop.
_MAX_REDIRECTS = 3

_HEADERS = {"Accept": "application/json", "User-Agent": f"roboflow-evals-async/{__version__}"}


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
        self.on_event = on_event
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

        `end` is a moment on anyio's clock that ends the call too, as the deadline of a whole walk does.
        """
        return await self._within_deadline(_Call(request, options, request.reply.decode), end)

    async def send_raw(self, request: Request[Any], options: Options, *, end: float | None = None) -> bytes:
        """Do the same, and return the body as it came, checked to be one JSON object."""
        return await self._within_deadline(_Call(request, options, _checked_body), end)

    async def fetch(
        self, request: Request[Any], options: Options, *, end: float | None = None, watch: Watch | None = None
    ) -> bytes:
        """Do the same, and return the body unread: whoever decodes it must be ready for a cut one.

        `watch` is told each failure as it happens.
        """
        return await self._within_deadline(_Call(request, options, bytes, watch), end)

    async def _within_deadline(self, call: "_Call[T]", end: float | None) -> T:
        deadline = call.options.deadline
        if deadline is not None:
            end = min(anyio.current_time() + deadline, float("inf") if end is None else end)
        tries = _Tries(self, call, end)
        if end is None:
            return await self._tries(call, tries)
        with anyio.CancelScope(deadline=end):
            return await self._tries(call, tries)
        raise tries.counted(DeadlineExceededError(f"{call.request.asked}: not finished when the deadline passed."))

    async def _tries(self, call: "_Call[T]", tries: "_Tries[T]") -> T:
        """Make the first try bare, and bring in tenacity with the first failure: most calls never need it."""
        try:
            return await tries.next()
        except EvalsError as error:
            if call.options.retry.max_attempts == 1 or not retry.is_retryable(error):
                raise
            tries.first_failure = error
        return await tries.retrying()(tries.next)

    async def attempt(
        self,
        call: "_Call[T]",
        read: Callable[[bytes], T],
        end: float | None,
        on_wait: Callable[[float], object] | None = None,
    ) -> T:
        """Make one try: slot, send, status, body, decode. A fault in any of them is a failed try."""
        http, request = self._open(), call.request
        async with self.gate.slot(end, on_wait):
            key = await self.key.current()
            status, headers, body = await self._exchange(http, request, call.options, key)
        if status != 200:
            error = error_from_reply(
                status,
                headers,
                body,
                url=self.base_url + request.path,
                asked=request.asked,
                secret=key,
                retry_after=retry.retry_after(headers, time.time()),
            )
            asked = retry.asked_wait(error)
            # A server that asks for longer than anybody would wait ends this call; it must not hold up the others.
            if asked is not None and asked <= call.options.retry.longest_asked:
                self.gate.cool_down(asked)
            raise error
        result = read(body)
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
                # Asking the environment for a proxy costs more than the rest of a small call: only if there is one.
                trust_env=bool(urllib.request.getproxies()),
            )
        if loop is not self._loop:
            raise ClientStateError(
                "The client belongs to another event loop.", hint="Make one client in each event loop."
            )
        return self._http

    async def _exchange(
        self, http: aiohttp.ClientSession, request: Request[Any], options: Options, key: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = URL(self.base_url + request.target, encoded=True)
        headers = {**_HEADERS, "Authorization": f"Bearer {key}"}
        shown = self.base_url + request.path
        try:
            for _ in range(_MAX_REDIRECTS):
                async with http.get(
                    url,
                    headers=headers,
                    allow_redirects=False,
                    raise_for_status=False,  # a session that was handed in may have it on, and would lose the body
                    timeout=_timeout(options.timeout),
                ) as response:
                    location = response.headers.get("Location")
                    if response.status not in (301, 302, 303, 307, 308) or location is None:
                        return (
                            response.status,
                            response.headers,
                            await _body(response, options.max_body, shown),
                        )
                    url = _same_origin(url, location, shown, response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _transport_error(error, shown, options.timeout) from None
        raise ConnectionFailedError("The server redirects in a circle.", url=shown, retryable=False)


class _Call(msgspec.Struct, Generic[T], frozen=True):
    """What is sent, within what limits, how the body is read, and who is told of failures."""

    request: Request[Any]
    options: Options
    read: Callable[[bytes], T]
    watch: Watch | None = None


class _Tries(Generic[T]):
    """The tries of one call, as tenacity wants to see them."""

    def __init__(self, session: Session, call: _Call[T], end: float | None) -> None:
        self._session = session
        self._call = call
        self._request = call.request
        self._policy = call.options.retry
        self._end = end
        self.made = 0
        self._renewed = False
        self.first_failure: EvalsError | None = None

    def retrying(self) -> tenacity.AsyncRetrying:
        """Return a fresh object for this call: one that is shared would mix the calls' states."""
        return tenacity.AsyncRetrying(
            sleep=anyio.sleep,
            retry=tenacity.retry_if_exception(retry.is_retryable),
            wait=self._wait,
            stop=self._stop,
            before_sleep=self._tell_wait,
            retry_error_callback=self._give_up,
        )

    async def next(self) -> T:
        """Make a try; for tenacity, the first one is the failure that has happened already."""
        if self.first_failure is not None:
            failure, self.first_failure = self.first_failure, None
            raise failure
        self.made += 1
        try:
            return await self._told()
        except AuthenticationError as error:
            # A provider may hand out a key that has just expired: ask it once more, and only once.
            if self._renewed or not self._session.key.renewable:
                raise self.counted(error) from None
            self._renewed = True
            return await self.next()
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
        tell(AttemptStarted(request.asked, request.path, self.made))
        try:
            result = await self._session.attempt(self._call, read, self._end, self._tell_pause)
        except EvalsError as error:
            seconds = time.perf_counter() - begun
            status = error.status if isinstance(error, APIError) else None
            name = type(error).__name__
            tell(AttemptFailed(request.asked, request.path, self.made, seconds, name, status))
            raise
        tell(AttemptFinished(request.asked, request.path, self.made, time.perf_counter() - begun, size))
        return result

    def counted(self, error: EvalsError) -> EvalsError:
        error.attempts = self.made
        if self._call.watch is not None:
            self._call.watch(error)
        return error

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return retry.wait_after(_failure(state), self.made, self._policy)

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        if self.made >= self._policy.max_attempts or not self._fits(state.upcoming_sleep):
            return True
        # A wait that the server asked for is no storm: the shared pause keeps all callers back.
        return retry.asked_wait(_failure(state)) is None and not self._session.gate.may_retry()

    def _fits(self, wait: float) -> bool:
        if self._end is None:
            return wait <= self._policy.longest_asked * 1.1  # the tenth is the jitter's
        return anyio.current_time() + wait < self._end

    def _tell_wait(self, state: tenacity.RetryCallState) -> None:
        self._tell_pause(state.upcoming_sleep)

    def _tell_pause(self, seconds: float) -> None:
        if self._session.on_event is not None:
            self._session.on_event(CoolingDown(self._request.asked, self._request.path, seconds))

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


def _checked_body(body: bytes) -> bytes:
    try:
        _ANY_OBJECT.decode(body)
    except (ValueError, RecursionError):
        json_object(body)  # names the fault; a body that is sound but for NaN passes as it is
    return body


# Scans the body without building its values.
_ANY_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _parsed(text: str) -> URL:
    try:
        return URL(text.strip().rstrip("/"))
    except ValueError:
        return URL()


def check_base_url(text: str) -> str:
    """Return the base URL without a trailing slash; raises `ConfigError` if it is not an http(s) address."""
    url = _parsed(text)
    # What is refused may hold a secret, so it is not repeated.
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("The base URL is no http or https address.", hint="Example: https://api.example.com")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ConfigError("The base URL must have no user, query or fragment.", hint="Example: https://api.example.com")
    return str(url)


@lru_cache(maxsize=16)  # a program uses a handful of timeouts
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # No total: it would count the body, and the time of a large body says nothing about the server's health.
    return aiohttp.ClientTimeout(total=None, sock_connect=min(seconds, _CONNECT_SECONDS), sock_read=seconds)


async def _body(response: aiohttp.ClientResponse, limit: int, url: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > limit:
            response.close()
            raise DecodeError(f"The body of {url} is larger than {limit} bytes (max_body).")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _same_origin(url: URL, location: str, shown: str, status: int) -> URL:
    try:
        target = url.join(URL(location, encoded=True))
        origin = target.origin()
    except ValueError:
        target, origin = url, None
    if origin != url.origin():
        raise APIError(
            "The server redirects to another host, and the key is sent to no other host.",
            status=status,
            url=shown,
            hint="Check the base URL.",
        )
    return target.with_user(None)  # aiohttp would set it against the key


def _transport_error(error: Exception, url: str, timeout: float) -> TransportError:
    # Only the class and the system's text are taken over: texts of aiohttp may hold addresses and headers.
    where = f"{URL(url).host}:{URL(url).port}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return TruncatedBodyError("The answer ended before it was whole.", url=url)
    if isinstance(error, TimeoutError):
        return AttemptTimeoutError(f"No answer from {where} within {timeout:g} s.", url=url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConnectionFailedError(f"The certificate of {where} is not trusted.", url=url, retryable=False)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(error).__name__
    return ConnectionFailedError(f"The connection to {where} failed: {text}.", url=url)
