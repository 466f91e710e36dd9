"""The stand-in server: a world over real HTTP on a local socket, with faults where they are scripted."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from time import monotonic
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from . import answers, rivergen
from .answers import Answer, Refusal
from .faults import Fault, Faults, RecordedRequest
from .world import World

MAX_RECORDED = 20_000
"""Requests kept; beyond that the older half is dropped, so a long benchmark does not grow."""

_HTML = b"<!doctype html><html><body><h1>Sign in</h1><p>This network asks you to sign in.</p></body></html>"
_TOTAL = re.compile(rb'"totalImages":[0-9]+')
_SHUTDOWN = 0.05  # seconds for answers under way; stalled ones are ended before; 0 would mean no limit
_TICK = 0.01  # seconds between the writes of a trickle: finer sleeps cost more than they show
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing sends RST


class StandIn:
    """Both APIs on one local address.

    `async with StandIn(world) as s:` serves in the running loop; `with StandIn(world).in_thread() as s:`
    serves from a thread with a loop of its own, for sync code. Hand `s.url`, `s.api_key` and `s.workspace`
    (or `s.rivergen_token`) to the client.
    """

    def __init__(
        self,
        world: World | None = None,
        faults: Faults | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        api_key: str = "demo-key-0123456789",
        rivergen_token: str = "demo-rivergen-token",  # noqa: S107 - it opens nothing but this server
    ) -> None:
        """`port` 0 takes a free one; `latency` is the seconds from a request to the beginning of its answer.

        Nothing listens yet.
        """
        self.world = World() if world is None else world
        self.faults = Faults() if faults is None else faults
        self.latency = latency
        self.host = host
        self.port = port
        self.api_key = api_key
        """The key that may read everything."""
        self.unscoped_key = f"{api_key}-unscoped"
        """A good key without the scope `model-eval:read`."""
        self.rivergen_token = rivergen_token
        self.expired_rivergen_token = f"{rivergen_token}-expired"
        """Answers 401 AUTH_EXPIRED."""
        self.requests: list[RecordedRequest] = []
        """What has come in, oldest first; may be cleared."""
        self.in_flight = 0
        """Requests being answered now."""
        self.max_in_flight = 0
        """The most at one time so far; may be set back to 0."""
        self._wanted_port = port
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        """Base URL of both APIs, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def workspace(self) -> str:
        """URL slug of the world's workspace."""
        return self.world.workspace

    async def start(self) -> None:
        """Listen; `port` and `url` are settled afterwards."""
        if self._runner is not None:
            msg = "this stand-in is already serving: leave its block first, or make a second one"
            raise RuntimeError(msg)
        self._stopping = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        # A handler whose client has gone is cancelled, so that a stall does not outlive it.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self._wanted_port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """End every answer under way and close all connections."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self._stopping.set()
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start, and give the stand-in back."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    @contextmanager
    def in_thread(self) -> Generator[Self]:
        """Serve from a thread until the block ends; what failed at the start is raised here."""
        ready = threading.Event()
        failed: list[BaseException] = []
        loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

        async def serve() -> None:
            leave = asyncio.Event()
            async with self:
                loops.append((asyncio.get_running_loop(), leave))
                ready.set()
                await leave.wait()

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
                failed.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=run, name="stand-in", daemon=True)
        thread.start()
        ready.wait()
        try:
            if failed:
                raise failed[0]
            yield self
        finally:
            for loop, leave in loops:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(leave.set)
            thread.join()

    # One request

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        record = _record(request)
        self.requests.append(record)
        if len(self.requests) > MAX_RECORDED:
            del self.requests[: MAX_RECORDED // 2]
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            fault = self.faults.take(record)
            if fault is None:
                response = _response(self._answer(request, record))
                if self.latency:
                    # Less what the answer took: a run against a given latency shall not depend on this machine.
                    await self._pause(max(0.0, record.time + self.latency - monotonic()))
                record.status = response.status
                return response
            return await self._misbehave(request, record, fault)
        finally:
            self.in_flight -= 1

    def _answer(self, request: web.Request, record: RecordedRequest) -> Answer:
        """The proper answer."""
        match request.rel_url.parts[1:]:
            case ("api", "v1", "models", model_id, "performance", "summary") if request.method == "GET":
                return self._rivergen(request, model_id, record.query)
            case _:
                pass
        key = _key(request)
        if key not in {self.api_key, self.unscoped_key}:
            return answers.unauthenticated(key)
        if request.path == "/" and request.method in {"GET", "POST"}:
            return answers.root(self.world)
        try:
            return self._model_evals(request, key, record.query)
        except Refusal as refusal:
            return refusal.answer

    def _model_evals(self, request: web.Request, key: str | None, query: Mapping[str, str]) -> Answer:
        match (request.method, *request.rel_url.parts[1:]):
            case ("GET", _, "model-evals", *_) if key == self.unscoped_key:
                return answers.scope_missing()
            case ("GET", workspace, "model-evals"):
                return answers.listing(self.world, workspace, query)
            case ("GET", workspace, "model-evals", "compare"):
                return answers.compare(self.world, workspace, query)
            case ("GET", workspace, "model-evals", eval_id):
                return answers.evaluation(self.world, workspace, eval_id)
            case ("GET", workspace, "model-evals", eval_id, name) if name in answers.PANELS:
                return answers.panel(self.world, workspace, eval_id, name, query)
            case _:
                return answers.no_such_route(request.method, request.path)

    def _rivergen(self, request: web.Request, model_id: str, query: Mapping[str, str]) -> Answer:
        token = _bearer(request)
        if token == self.rivergen_token:
            status, body = rivergen.summary(self.world.models, model_id, query)
        elif token is None:
            status, body = rivergen.refuse(HTTPStatus.UNAUTHORIZED, "AUTH_REQUIRED", "A token is required.")
        elif token == self.expired_rivergen_token:
            status, body = rivergen.refuse(HTTPStatus.UNAUTHORIZED, "AUTH_EXPIRED", "The token has expired.")
        else:
            status, body = rivergen.refuse(HTTPStatus.UNAUTHORIZED, "AUTH_INVALID", "The token is malformed.")
        return Answer(status, msgspec.json.encode(body))

    # Faults

    async def _pause(self, seconds: float | None) -> None:
        """Wait, but not beyond the end of serving; None waits for just that."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise asyncio.CancelledError

    async def _misbehave(self, request: web.Request, record: RecordedRequest, fault: Fault) -> web.StreamResponse:
        if self.latency or fault.delay:
            await self._pause(self.latency + fault.delay)
        if fault.stall:
            await self._pause(None)
        if fault.reset:
            transport = request.transport
            if transport is not None:
                connection = transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
            return web.Response()
        response = self._tampered(request, record, fault)
        response.headers.update(fault.headers)
        if fault.close:
            response.force_close()
        record.status = response.status
        if fault.cut_after is not None or fault.trickle is not None:
            return await self._send_slowly(request, response, fault)
        return response

    def _tampered(self, request: web.Request, record: RecordedRequest, fault: Fault) -> web.Response:
        if fault.garbage:
            return web.Response(body=_HTML, content_type="text/html")
        if fault.status is not None:
            return web.Response(status=fault.status, body=fault.body, content_type="application/json")
        answer = self._answer(request, record)
        body = answer.body
        if fault.total is not None:
            body = _TOTAL.sub(b'"totalImages":%d' % fault.total, body, count=1)
        if fault.rewrite is not None:
            body = fault.rewrite(body)
        return _response(Answer(answer.status, body))

    async def _send_slowly(self, request: web.Request, whole: web.Response, fault: Fault) -> web.StreamResponse:
        """Send what the fault lets through of the body; less than promised ends the connection."""
        body = whole.body if isinstance(whole.body, bytes) else b""
        sent = body if fault.cut_after is None else body[: fault.cut_after]
        response = web.StreamResponse(status=whole.status, headers=whole.headers)
        response.content_length = len(body)
        if whole.keep_alive is False:
            response.force_close()
        await response.prepare(request)
        if fault.trickle is None:
            await response.write(sent)
        else:
            step = max(1, round(_TICK / fault.trickle)) if fault.trickle > 0 else len(body)
            for start in range(0, len(sent), step):
                await self._pause(fault.trickle * step)
                await response.write(sent[start : start + step])
        if len(sent) < len(body) and request.transport is not None:
            request.transport.close()
        return response


def _record(request: web.Request) -> RecordedRequest:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    query: dict[str, str] = {}
    for name, value in request.query.items():
        if name != "api_key":
            query.setdefault(name, value)
    key_in_query = "query" if request.query.get("api_key") else "none"
    return RecordedRequest(
        method=request.method,
        path=request.path,
        query=query,
        auth="bearer" if _bearer(request) is not None else key_in_query,
        time=monotonic(),
        peer=peer[1] if peer else 0,
    )


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _key(request: web.Request) -> str | None:
    return _bearer(request) or request.query.get("api_key") or None


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type="application/json")
