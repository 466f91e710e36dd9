"""A served default world, and urllib to ask it: no client of ours stands between test and server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from roboflow_evals_async.testing import StandIn, World

Reply = tuple[int, Any]
Ask = Callable[..., Reply]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def served(world: World) -> Iterator[StandIn]:
    with StandIn(world).in_thread() as stand_in:
        yield stand_in


def ask_url(url: str, *, bearer: str | None = None, method: str = "GET", query: dict[str, object]) -> Reply:
    """Status and decoded JSON of one request."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    address = f"{url}?{urlencode(query)}" if query else url
    try:
        with urlopen(Request(address, headers=headers, method=method), timeout=20) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture(scope="session")
def ask(served: StandIn) -> Ask:
    """Ask the served default world, with the good key, for a path under the workspace's evaluations."""

    def call(path: str = "", **query: object) -> Reply:
        return ask_url(f"{served.url}/{served.workspace}/model-evals{path}", bearer=served.api_key, query=query)

    return call


@pytest.fixture(scope="session")
def ask_raw(served: StandIn) -> Ask:
    """Ask the served default world for a whole path, with whatever key the test gives."""

    def call(path: str, *, bearer: str | None = None, method: str = "GET", **query: object) -> Reply:
        return ask_url(served.url + path, bearer=bearer, method=method, query=query)

    return call
