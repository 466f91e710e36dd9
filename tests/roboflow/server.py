"""A tiny server of scripted bodies, for what no proper server says."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from roboflow_evals_async import EvalsClient

KEY = "rf-private-Zq8kd2LmX0"
WORKSPACE = "demo-workspace"
DATA = Path(__file__).parent / "data"


class Answer(msgspec.Struct, frozen=True):
    """What is sent: bytes as they are, anything else as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}


class Scripted:
    """Answers one after the other, the last one for ever; `targets` are the request lines' paths, undecoded."""

    def __init__(self, answers: tuple[Any, ...], *, echo: bool) -> None:
        self._echo = echo
        self._answers = [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]
        self.targets: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.targets.append(request.raw_path)
        self.headers.append(request.headers)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
        if self._echo:
            body = echoed(body, request)
        return web.Response(status=answer.status, body=body, headers=dict(answer.headers))


def echoed(body: bytes, request: web.Request) -> bytes:
    """The body with the id and the split of the request in place of its first ones, if it has any."""
    parts = request.path.split("/model-evals/", 1)
    if len(parts) == 2:
        told = msgspec.json.encode(unquote(request.raw_path.split("/model-evals/", 1)[1].split("?")[0].split("/")[0]))
        body = re.sub(rb'("(?:evalId|id)":\s*)"[^"]*"', lambda found: found[1] + told, body, count=1)
    if split := request.query.get("split"):
        told = msgspec.json.encode(split)
        body = re.sub(rb'^(\s*\{[^\[]*?"split":\s*)"[^"]*"', lambda found: found[1] + told, body, count=1)
    return body


@asynccontextmanager
async def answering(*answers: Any, echo: bool = True, **options: Any) -> AsyncIterator[tuple[EvalsClient, Scripted]]:
    """A client of a server that gives these answers. It makes one try, unless the options say otherwise.

    With `echo` the documented bodies tell the id and the split that were asked for, as a server does.
    """
    scripted = Scripted(answers, echo=echo)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", scripted.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        options = {"api_key": KEY, "workspace": WORKSPACE, "max_attempts": 1, **options}
        async with EvalsClient(base_url=f"http://127.0.0.1:{port}", **options) as client:
            yield client, scripted
    finally:
        await runner.cleanup()


def example(name: str) -> bytes:
    """A documented body."""
    return (DATA / f"{name}.json").read_bytes()


def document(name: str) -> dict[str, Any]:
    """The same, read."""
    return msgspec.json.decode(example(name), type=dict[str, Any])
