"""A served small world, a client of it, and a raw server for what no web framework would send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

import anyio
import pytest

from roboflow_evals_async.roboflow.client import EvalsClient
from roboflow_evals_async.testing import EvaluationSpec, StandIn, World

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 30})])


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[StandIn]:
    async with StandIn(WORLD) as stand_in:
        yield stand_in


MakeClient = Callable[..., EvalsClient]


@pytest.fixture
async def connect(server: StandIn) -> AsyncIterator[MakeClient]:
    """Make clients of the server; each is closed at the end."""
    clients: list[EvalsClient] = []

    def make(**options: Any) -> EvalsClient:
        given = {"api_key": server.api_key, "workspace": server.workspace, "base_url": server.url, **options}
        clients.append(EvalsClient(**given))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def ask(server: StandIn) -> Callable[[EvalsClient], Awaitable[Any]]:
    """Make the one call that these tests make."""
    return lambda client: client.eval(WORLD.eval_ids[0])


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the client wait without waiting; what it would have waited is in the list."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(anyio, "sleep", sleep)
    return slept


class RawServer:
    """Answers each request with the same bytes, and keeps what came in."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.received: list[bytes] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def raw_server() -> type[RawServer]:
    return RawServer
