"""One wall clock over queueing, tries, waits and body, whatever the server does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from roboflow_evals_async.core.errors import DeadlineExceededError, EvalsError, RateLimitedError
from roboflow_evals_async.core.gate import Gate
from roboflow_evals_async.testing import Fault, StandIn

from .conftest import WORLD

EVAL = WORLD.eval_ids[0]
DEADLINE = 0.3


async def took(call: Callable[[], Awaitable[Any]]) -> float:
    """The seconds that a call takes to miss its deadline: the least of three, for a busy machine takes its time."""
    least = float("inf")
    for _ in range(3):
        begun = anyio.current_time()
        with pytest.raises(DeadlineExceededError):
            await call()
        least = min(least, anyio.current_time() - begun)
        if least < DEADLINE + 0.2:
            break
    return least


BAD_SERVERS = {
    "never answers": Fault.stalled(),
    "a byte a second": Fault(trickle=1.0),
    "a byte a second, and closes": Fault(trickle=1.0, close=True),
    "slow and closing": Fault(delay=0.2, close=True, status=503),
    "resets after a while": Fault(delay=0.2, reset=True),
    "cuts each body after a while": Fault(delay=0.2, cut_after=10),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
async def test_the_deadline_holds(name: str, server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, BAD_SERVERS[name])
    client = connect(max_attempts=100, timeout=30)
    limited = client.with_options(deadline=DEADLINE)
    assert await took(lambda: ask(limited)) < DEADLINE + 0.2
    assert client._session.gate.in_use == 0
    assert len(client._session._http.connector._acquired) == 0
    server.faults.clear()
    assert (await ask(limited)).eval_id == EVAL


async def test_a_server_that_closes_every_kept_connection_is_no_trouble(
    server: StandIn, connect: Any, ask: Any
) -> None:
    server.faults.always(EVAL, Fault(close=True))
    client = connect(deadline=20, max_concurrency=4)
    assert {ev.eval_id for ev in await asyncio.gather(*(ask(client) for _ in range(20)))} == {EVAL}
    assert len({request.peer for request in server.requests}) == 20


async def test_queueing_counts(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.stalled())
    client = connect(max_concurrency=1)
    first = asyncio.create_task(ask(client))
    with anyio.fail_after(10):
        while not server.requests:  # noqa: ASYNC110  (the server has no event for it)
            await asyncio.sleep(0.001)
    assert DEADLINE <= await took(lambda: ask(client.with_options(deadline=DEADLINE))) < DEADLINE + 0.2
    assert len(server.requests) == 1
    first.cancel()
    await asyncio.wait([first])
    assert client._session.gate.in_use == 0


async def test_a_deadline_on_the_client_holds_for_each_call_anew(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.slow(0.1))
    client = connect(deadline=2)
    begun = anyio.current_time()
    while anyio.current_time() - begun < 0.4:
        await ask(client)
    with pytest.raises(DeadlineExceededError):
        await ask(client.with_options(deadline=0.05))
    assert (await ask(client.with_options(deadline=None))).eval_id == EVAL


async def test_the_time_of_a_listener_of_the_key_and_of_the_body_count(server: StandIn, connect: Any, ask: Any) -> None:
    async def slow_key() -> str:
        await asyncio.sleep(30)
        return "k"

    client = connect(api_key=slow_key, deadline=DEADLINE)
    assert await took(lambda: ask(client)) < DEADLINE + 0.2
    assert server.requests == []
    assert client._session.gate.in_use == 0


# -- a wait that cannot fit --------------------------------------------------------------------------------------------


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("asked", ["60", lambda: in_seconds(60)])
async def test_a_wait_that_cannot_fit_is_refused_at_once(
    asked: Any, server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.script(EVAL, Fault.rate_limited(asked if isinstance(asked, str) else asked()))
    client = connect(deadline=20)
    for _ in range(3):
        # The first is told by the server, the others by the gate, before they send anything.
        with pytest.raises(DeadlineExceededError, match=r"(58|59|6\d)\.\d s away.* (20\.0|19\.\d) s") as caught:
            await ask(client)
        assert caught.value.wait is not None
        assert 57 < caught.value.wait <= 66.1
    assert waits == []
    assert len(server.requests) == 1


async def test_a_date_is_waited_for(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.script(EVAL, Fault.rate_limited(in_seconds(40)))
    assert (await ask(connect())).eval_id == EVAL
    assert 38 < waits[0] <= 44


@pytest.mark.parametrize(
    "asked", ["soon", "-5", "nan", "inf", "1e400", "", "Sat, 01 Jan 2000 00:00:00 GMT", "Mon, 99 Foo"]
)
async def test_garbage_is_no_wait(asked: str, server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.script(EVAL, Fault.rate_limited(asked))
    assert (await ask(connect(deadline=20))).eval_id == EVAL
    assert len(waits) == 1
    assert 0 <= waits[0] <= 0.5


async def test_more_than_anybody_waits_for_ends_the_call_and_holds_up_nobody(
    server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.script(EVAL, Fault.rate_limited(86_400))
    client = connect()
    with pytest.raises(RateLimitedError) as caught:
        await ask(client)
    assert (caught.value.retry_after, caught.value.attempts) == (86_400, 1)
    assert (await ask(client)).eval_id == EVAL
    assert waits == []


async def test_a_backoff_that_cannot_fit_says_how_long_it_would_be(
    server: StandIn, connect: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    server.faults.always(EVAL, Fault.server_error(503))
    begun = anyio.current_time()
    with pytest.raises(DeadlineExceededError, match=r"503.*0\.5 s away") as caught:
        await ask(connect(deadline=0.4))
    assert caught.value.wait == 0.5
    assert anyio.current_time() - begun < 0.4


async def test_a_rate_that_leaves_no_room_is_refused_at_once(server: StandIn, connect: Any, ask: Any) -> None:
    client = connect(rate=0.1, deadline=5)
    await ask(client)
    with pytest.raises(DeadlineExceededError, match="rate limit") as caught:
        await ask(client)
    assert caught.value.wait == pytest.approx(10, abs=2)
    assert len(server.requests) == 1


# -- the limits that others set ----------------------------------------------------------------------------------------


async def call(client: Any) -> None:
    await client.eval(EVAL)


async def gate_wait(client: Any) -> None:
    async with client._session.gate.slot():
        await client.with_options(max_attempts=1).eval(EVAL)


async def pause(client: Any) -> None:
    client._session.gate.cool_down(60)
    await client.eval(EVAL)


async def turn(client: Any) -> None:
    gate = client._session.gate = Gate(1, rate=0.01)
    async with gate.slot():
        pass
    await client.eval(EVAL)


@pytest.mark.parametrize("use", [call, gate_wait, pause, turn])
async def test_the_usual_time_limits_end_it(use: Any, server: StandIn, connect: Any) -> None:
    server.faults.always(EVAL, Fault.stalled())
    before = asyncio.all_tasks()

    async def within(client: Any) -> None:
        with anyio.move_on_after(0.05) as scope:
            await use(client)
        assert scope.cancelled_caught

    async def failing(client: Any) -> None:
        with pytest.raises(TimeoutError) as caught, anyio.fail_after(0.05):
            await use(client)
        assert not isinstance(caught.value, EvalsError)

    async def timeout(client: Any) -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await use(client)
        assert not isinstance(caught.value, EvalsError)

    async def waited(client: Any) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(use(client), 0.05)

    for limit in (within, failing, timeout, waited):
        client = connect(max_concurrency=1)
        await limit(client)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert client._session.gate.in_use == 0
    # What is left are the server's own, for the requests that it has not noticed to be gone.
    for _ in range(200):
        if asyncio.all_tasks() <= before:
            break
        await asyncio.sleep(0.005)
    assert asyncio.all_tasks() <= before


async def test_an_outer_limit_and_a_deadline_do_not_mix(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.stalled())
    client = connect()
    with anyio.move_on_after(0.05) as scope:
        await ask(client.with_options(deadline=30))
    assert scope.cancelled_caught
    with anyio.fail_after(30), pytest.raises(DeadlineExceededError) as caught:
        await ask(client.with_options(deadline=0.05))
    assert isinstance(caught.value, TimeoutError)


async def test_ten_thousand_views_leave_no_memory(connect: Any) -> None:
    import gc
    import tracemalloc

    client = connect()
    for _ in range(100):
        client.with_options(timeout=5, max_attempts=2)
    gc.collect()
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(10_000):
            client.with_options(timeout=5 + number, max_attempts=2, deadline=9)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000, "two bytes a view"
