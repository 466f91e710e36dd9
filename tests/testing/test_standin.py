"""Serving: in a loop, in a thread, twice, and what is recorded."""

from __future__ import annotations

import asyncio
import json
import threading
from time import monotonic
from urllib.request import Request, urlopen

import aiohttp
import pytest

from roboflow_evals_async.testing import EvaluationSpec, RecordedRequest, StandIn, World, standin
from roboflow_evals_async.testing.pytest_plugin import evals_stand_in, evals_world

__all__ = ["evals_stand_in", "evals_world"]  # fixtures, found by their names

TINY = World(evaluations=[EvaluationSpec()] * 3)


def read(url: str, key: str) -> dict[str, object]:
    with urlopen(Request(url, headers={"Authorization": f"Bearer {key}"}), timeout=20) as reply:
        body: dict[str, object] = json.load(reply)
        return body


def test_the_thread_form_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    stand_in = StandIn(TINY)
    with stand_in.in_thread() as s:
        assert s is stand_in
        assert read(s.url, s.api_key) == {"workspace": s.workspace}
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) == before
    with pytest.raises(OSError, match="refused"):
        read(s.url, s.api_key)


def test_a_stand_in_serves_again_after_its_block() -> None:
    stand_in = StandIn(TINY)
    for _ in range(2):
        with stand_in.in_thread() as s:
            assert read(s.url, s.api_key)
    assert len(stand_in.requests) == 2


def test_an_error_in_the_block_passes_and_ends_the_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), StandIn(TINY).in_thread():
        raise ZeroDivisionError
    assert set(threading.enumerate()) == before


async def test_two_at_once_but_not_one_twice() -> None:
    async with StandIn(TINY) as one, StandIn(TINY) as two:
        assert one.port != two.port
        with pytest.raises(RuntimeError, match="already serving"):
            await one.start()


def test_a_port_that_is_taken_is_reported_from_the_thread() -> None:
    with StandIn(TINY).in_thread() as s:
        with pytest.raises(OSError, match="address"), StandIn(TINY, port=s.port).in_thread():
            pass
        assert read(s.url, s.api_key)


async def test_stopping_does_not_wait_for_kept_connections() -> None:
    async with aiohttp.ClientSession() as http:
        async with StandIn(TINY) as s:
            async with http.get(s.url, params={"api_key": s.api_key}) as reply:
                assert reply.status == 200
            began = monotonic()
        assert monotonic() - began < 2


def test_keys_are_never_recorded() -> None:
    with StandIn(TINY, api_key="the-secret").in_thread() as s:
        path = f"/{s.workspace}/model-evals"
        with urlopen(f"{s.url}{path}?limit=2&api_key=the-secret") as reply:
            assert reply.status == 200
        read(s.url + path, s.api_key)
        first, second = s.requests
        assert "the-secret" not in repr(s.requests)
    assert (first.method, first.path, dict(first.query), first.auth, first.status) == (
        "GET", path, {"limit": "2"}, "query", 200,
    )  # fmt: skip
    assert (second.auth, dict(second.query)) == ("bearer", {})
    assert second.time >= first.time
    assert isinstance(first, RecordedRequest)


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standin, "MAX_RECORDED", 10)
    with StandIn(TINY).in_thread() as s:
        for _ in range(25):
            read(s.url, s.api_key)
        assert 5 <= len(s.requests) <= 10
        s.requests.clear()
        read(s.url, s.api_key)
        assert len(s.requests) == 1


async def test_requests_in_flight_are_counted() -> None:
    async with StandIn(TINY, latency=0.05) as s, aiohttp.ClientSession() as http:

        async def ask() -> int:
            async with http.get(s.url) as reply:
                return reply.status

        assert await asyncio.gather(*(ask() for _ in range(4))) == [401] * 4
        assert (s.max_in_flight, s.in_flight) == (4, 0)


def test_the_fixture_serves_the_default_world(evals_stand_in: StandIn, evals_world: World) -> None:
    listing = read(f"{evals_stand_in.url}/{evals_stand_in.workspace}/model-evals", evals_stand_in.api_key)
    assert evals_stand_in.world is evals_world
    assert len(listing["evals"]) == 13  # type: ignore[arg-type]
