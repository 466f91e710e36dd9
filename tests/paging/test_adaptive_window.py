"""How many pages are under way: two at first, more while that costs nothing, half when the server has had enough."""

import asyncio
from typing import Any

import anyio
import pytest

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.core.errors import APIError, RateLimitedError, ServerError, TruncatedBodyError
from roboflow_evals_async.paging.prefetch import AdaptiveWindow
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World


def rounds(window: AdaptiveWindow, *latencies: float) -> list[int]:
    """The window's size after each round in which every page took so long."""
    sizes = []
    for latency in latencies:
        for _ in range(window.size):
            window.page_took(latency)
        sizes.append(window.size)
    return sizes


def test_it_grows_by_two_a_round_while_pages_take_no_longer() -> None:
    window = AdaptiveWindow(9)
    assert window.size == 2
    assert rounds(window, 0.1, 0.1, 0.12, 0.09, 0.1) == [4, 6, 8, 9, 9]


def test_it_stays_when_pages_take_longer_and_halves_when_twice_as_long() -> None:
    window = AdaptiveWindow(16)
    assert rounds(window, 0.1, 0.1, 0.1) == [4, 6, 8]
    assert rounds(window, 0.16, 0.19) == [8, 8]
    assert rounds(window, 0.2, 0.3) == [4, 2]
    assert rounds(window, 0.1, 0.1) == [4, 6]


def test_one_slow_page_in_a_round_is_no_sign() -> None:
    window = AdaptiveWindow(16)
    rounds(window, 0.1, 0.1)
    for latency in (0.1, 5.0, 0.1, 0.1, 5.0, 0.1):
        window.page_took(latency)
    assert window.size == 8


def test_a_server_that_has_become_slow_is_not_read_one_by_one_for_ever() -> None:
    window = AdaptiveWindow(16)
    rounds(window, 0.1, 0.1, 0.1)
    sizes = rounds(window, *[0.5] * 12)
    assert min(sizes) == 1
    assert sizes[-1] > 8, "what a page takes alone is what a page takes now"


@pytest.mark.parametrize(
    ("error", "halves"),
    [
        (RateLimitedError("m", status=429), True),
        (ServerError("m", status=503), True),
        (ServerError("m", status=504), True),
        (ServerError("m", status=500), False),
        (APIError("m", status=404), False),
        (TruncatedBodyError("m"), False),
    ],
)
def test_a_server_that_says_too_much_gets_half(error: Any, halves: bool) -> None:
    window = AdaptiveWindow(8)
    rounds(window, 0.1, 0.1, 0.1)
    window.failed(error)
    assert window.size == (4 if halves else 8)
    fixed = AdaptiveWindow(8, adaptive=False)
    fixed.failed(error)
    assert fixed.size == 8


def test_it_never_ends_and_never_exceeds() -> None:
    window = AdaptiveWindow(1)
    assert window.size == 1
    for _ in range(5):
        window.failed(RateLimitedError("m", status=429))
    assert rounds(window, 0.1, 0.1) == [1, 1]
    window = AdaptiveWindow(5)
    for _ in range(5):
        window.failed(RateLimitedError("m", status=429))
    assert window.size == 1
    assert rounds(window, 0.1, 0.1, 0.1) == [3, 5, 5]


def test_a_fixed_window_is_fixed() -> None:
    window = AdaptiveWindow(6, adaptive=False)
    assert rounds(window, 0.1, 5.0, 0.1) == [6, 6, 6]


# -- over sockets ------------------------------------------------------------------------------------------------------

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 300})])
EVAL = WORLD.eval_ids[0]


async def most_in_flight(server: StandIn, pages: int, **options: Any) -> list[int]:
    """The most requests under way at a time while each fifth of the walk was read."""
    most: list[int] = []
    async with (
        EvalsClient(
            api_key=server.api_key, workspace=server.workspace, base_url=server.url, max_concurrency=32, **options
        ) as client,
        client.image_predictions(EVAL, page_size=5).prefetch(pages) as rows,
    ):
        async for _ in rows.pages():
            if rows.report.pages % 12 == 0:
                most.append(server.max_in_flight)
                server.max_in_flight = 0
    return most


async def test_it_opens_up_on_a_steady_server() -> None:
    # Far above the noise of a busy machine, so that pages seem to take equally long.
    async with StandIn(WORLD, latency=0.05) as server:
        most = await most_in_flight(server, 8)
    assert most[0] <= 8
    assert most[-1] > 4


async def test_it_stays_small_where_pages_queue_on_the_server() -> None:
    # One file, read by one at a time: two under way take twice as long as one.
    turn = asyncio.Lock()

    class OneFile(StandIn):
        async def _pause(self, seconds: float | None) -> None:
            async with turn:
                await asyncio.sleep(seconds or 0)

    async with OneFile(WORLD, latency=0.01) as server:
        most = await most_in_flight(server, 16)
    # On a busy machine a page may seem to take no longer for a while; without the rule all 16 would be under way.
    assert max(most[1:]) <= 12


async def test_503s_make_it_small(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(anyio, "sleep", at_once)
    async with StandIn(WORLD, latency=0.01) as server:
        server.faults.script(lambda request: int(request.query["offset"]) >= 120, *[Fault.server_error(503)] * 4)
        async with (
            EvalsClient(
                api_key=server.api_key, workspace=server.workspace, base_url=server.url, max_concurrency=32
            ) as client,
            client.image_predictions(EVAL, page_size=5).prefetch(16) as rows,
        ):
            assert len([row async for row in rows]) == 300
            window = rows._pages_ahead._window
        assert server.faults.pending == 0
    assert window.size < 16
