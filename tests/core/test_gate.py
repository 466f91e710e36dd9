"""The gate: slots, rate, the shared pause and the quota of retries."""

import asyncio
from typing import Any

import anyio
import pytest

from roboflow_evals_async.core.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidArgumentError,
    RateLimitedError,
    ServerError,
)
from roboflow_evals_async.core.gate import Gate
from roboflow_evals_async.roboflow.client import EvalsClient
from roboflow_evals_async.testing import Fault, StandIn

from .conftest import WORLD

EVAL = WORLD.eval_ids[0]


async def test_no_more_than_its_slots_and_in_order() -> None:
    gate, entered, most = Gate(2), [], 0

    async def caller(number: int) -> None:
        nonlocal most
        async with gate.slot():
            entered.append(number)
            most = max(most, gate.in_use)
            await asyncio.sleep(0)

    await asyncio.gather(*(caller(number) for number in range(10)))
    assert entered == list(range(10))
    assert (most, gate.in_use) == (2, 0)


@pytest.mark.parametrize("slots", [0, -1, 1.5, True])
def test_what_are_no_slots_is_refused(slots: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Gate(slots)
    assert caught.value.field == "max_concurrency"


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Gate(rate=rate)
    assert caught.value.field == "rate"


async def test_turns_are_evenly_spaced(waits: list[float]) -> None:
    gate = Gate(8, rate=10)
    for _ in range(4):
        async with gate.slot():
            pass
    assert waits == pytest.approx([0.1, 0.2, 0.3], abs=0.05)  # the waits were not waited: each turn is further away


async def test_a_turn_beyond_the_deadline_is_refused_and_not_taken(waits: list[float]) -> None:
    gate = Gate(1, rate=0.1)
    end = anyio.current_time() + 5
    async with gate.slot(end):
        pass
    for _ in range(2):
        with pytest.raises(DeadlineExceededError, match="rate limit") as caught:
            async with gate.slot(end):
                pass
        assert caught.value.wait == pytest.approx(10, abs=1)
    assert gate.in_use == 0
    assert waits == []


async def test_one_pause_holds_everybody_back(waits: list[float]) -> None:
    gate, told = Gate(4), []
    gate.cool_down(20)
    gate.cool_down(5)  # a shorter word does not shorten the pause
    for _ in range(3):
        async with gate.slot(on_wait=told.append):
            pass
    assert told == waits
    assert len(waits) == 3
    assert all(19 < wait <= 22 for wait in waits)


async def test_a_pause_beyond_the_deadline_is_refused_at_once(waits: list[float]) -> None:
    gate = Gate()
    gate.cool_down(20)
    with pytest.raises(DeadlineExceededError, match="asked to pause") as caught:
        async with gate.slot(anyio.current_time() + 10):
            pass
    assert caught.value.wait is not None
    assert caught.value.wait > 19
    assert waits == []


async def test_a_pause_that_came_while_queueing_counts(waits: list[float]) -> None:
    gate = Gate(1)
    order: list[str] = []

    async def first() -> None:
        async with gate.slot():
            await asyncio.sleep(0)
            gate.cool_down(20)

    async def second() -> None:
        async with gate.slot():
            order.append("second")

    await asyncio.gather(first(), second())
    assert order == ["second"]
    assert len(waits) == 1
    assert 19 < waits[0] <= 22
    assert gate.in_use == 0


async def test_the_retries_of_an_outage_are_limited(waits: list[float]) -> None:
    gate = Gate()
    spent = sum(gate.may_retry() for _ in range(1000))
    assert spent == 100
    async with EvalsClient(
        api_key="k", workspace="w", base_url="http://127.0.0.1:1", gate=gate, max_attempts=4
    ) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.eval("x")
        assert caught.value.attempts == 1
        gate.succeeded()
        with pytest.raises(ConnectionFailedError) as caught:
            await client.eval("x")
        assert caught.value.attempts == 2
    assert len(waits) == 1


async def test_a_success_earns_a_retry_up_to_the_quota() -> None:
    gate = Gate()
    for _ in range(5):
        gate.succeeded()
    assert sum(gate.may_retry() for _ in range(1000)) == 100


# -- the rate, in real time --------------------------------------------------------------------------------------------


async def test_calls_at_a_rate_take_their_time() -> None:
    gate, times = Gate(8, rate=20), []

    async def caller() -> None:
        async with gate.slot():
            times.append(anyio.current_time())

    await asyncio.gather(*(caller() for _ in range(7)))
    assert len(times) == 7
    # Never ahead of the even spacing: that is what the server is promised. How late is the machine's affair.
    assert all(time - times[0] > number / 20 - 0.005 for number, time in enumerate(times))
    assert times[-1] - times[0] < 2


async def test_who_waits_for_a_turn_holds_no_slot() -> None:
    gate = Gate(2, rate=2)
    async with gate.slot():
        pass
    waiting = [asyncio.create_task(_pass(gate)) for _ in range(5)]
    await asyncio.sleep(0.02)
    assert gate.in_use == 0
    await _ended(waiting)


async def test_those_who_gave_up_waiting_leave_their_turns() -> None:
    gate = Gate(8, rate=4)
    async with gate.slot():
        pass
    await _ended([asyncio.create_task(_pass(gate)) for _ in range(6)], after=0.02)
    # Six turns of a quarter second would be gone.
    async with gate.slot(anyio.current_time() + 0.9):
        pass


async def test_who_is_far_back_in_the_queue_is_refused_at_once() -> None:
    gate = Gate(2, rate=1)
    async with gate.slot():
        pass
    waiting = [asyncio.create_task(_pass(gate)) for _ in range(10)]
    await asyncio.sleep(0)
    begun = anyio.current_time()
    with pytest.raises(DeadlineExceededError, match="rate limit") as caught:
        async with gate.slot(begun + 5):
            pass
    assert caught.value.wait == pytest.approx(11, abs=0.9)
    assert anyio.current_time() - begun < 1
    await _ended(waiting)


async def test_turns_that_were_missed_do_not_go_out_at_once() -> None:
    gate = Gate(1, rate=20)
    times: list[float] = []

    async def caller() -> None:
        async with gate.slot():
            times.append(anyio.current_time())

    async with gate.slot():
        callers = [asyncio.create_task(caller()) for _ in range(4)]
        await asyncio.sleep(0.2)  # four turns pass while the slot is taken
    await asyncio.gather(*callers)
    # Three turns of 50 ms; two of them, if the first of those who waited and the second went together.
    assert times[-1] - times[0] > 0.13


async def _pass(gate: Gate) -> None:
    async with gate.slot():
        pass


async def _ended(tasks: list[asyncio.Task[None]], *, after: float = 0) -> None:
    await asyncio.sleep(after)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("rate", [None, 1000.0])
async def test_a_waiter_cancelled_at_any_turn_loses_no_slot(rate: float | None) -> None:
    gate = Gate(2, rate=rate)
    for step in range(12):
        tasks = [asyncio.create_task(_pass(gate)) for _ in range(6)]
        for _ in range(step):
            await asyncio.sleep(0)
        await _ended(tasks[::2])
        await asyncio.gather(*tasks[1::2])
        assert gate.in_use == 0
        assert gate._queue == 0


# -- many callers, one server ------------------------------------------------------------------------------------------


async def test_one_429_holds_sixty_four_callers_back(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.script(EVAL, Fault.rate_limited(1))
    # Those under way with it take so long that none of them gives its slot to another before the 429 is read.
    server.faults.always(EVAL, Fault.slow(0.25))
    client = connect(max_concurrency=24)
    await asyncio.gather(*(ask(client) for _ in range(64)))
    assert len(server.requests) == 65
    asked = sorted(request.time for request in server.requests)
    told = next(request.time for request in server.requests if request.status == 429)
    # The first wave was on its way; then nobody for the second that the server asked for.
    assert sum(time < told + 1 for time in asked) == 24
    # And then not all at once: the slots would let 24 go in the same instant.
    wave = asked[24:48]
    assert wave[-1] - wave[0] > 0.05


@pytest.mark.parametrize("asked", [None, "0", "Sat, 01 Jan 2000 00:00:00 GMT", "soon"])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_storm_is_bounded(
    status: int, asked: str | None, server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    headers = {} if asked is None else {"Retry-After": asked}
    server.faults.always(EVAL, Fault(status=status, body=b"{}", headers=headers))
    client = connect()
    results = await asyncio.gather(*(ask(client) for _ in range(150)), return_exceptions=True)
    assert {type(result) for result in results} == {RateLimitedError if status == 429 else ServerError}
    # Each call once, and as many retries as the quota holds: without it there would be 600.
    assert len(server.requests) == 250
    # When the server is back, so is the client, and what it does earns retries again.
    server.faults.clear()
    server.faults.script(EVAL, None, Fault.server_error(503))
    await ask(client)
    await ask(client)
    assert client._session.gate.in_use == 0


async def test_a_wait_that_was_asked_for_is_obeyed_beyond_the_quota(
    server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    gate = Gate()
    while gate.may_retry():
        pass
    server.faults.script(EVAL, Fault.rate_limited(2), Fault.server_error(503, 3))
    assert (await ask(connect(gate=gate))).eval_id == EVAL
    assert sum(waits) >= 5


async def test_two_clients_share_a_gate(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    gate = Gate(3)
    one, two = connect(gate=gate), connect(gate=gate)
    server.faults.always(EVAL, Fault.slow(0.01))
    await asyncio.gather(*(ask(client) for client in (one, two) for _ in range(12)))
    assert server.max_in_flight == 3
    server.faults.script(EVAL, Fault.rate_limited(20))
    with pytest.raises(RateLimitedError):
        await ask(one.with_options(max_attempts=1))
    with pytest.raises(DeadlineExceededError, match="asked to pause") as caught:
        await ask(two.with_options(deadline=5))
    assert caught.value.wait is not None
    assert 19 < caught.value.wait <= 22


async def test_a_single_call_waits_its_turn_and_no_longer(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.slow(0.02))
    client = connect(max_concurrency=2)
    export = [asyncio.create_task(client.map_results(EVAL)) for _ in range(30)]
    await asyncio.sleep(0.03)
    late = asyncio.create_task(ask(client))
    await asyncio.sleep(0)
    export += [asyncio.create_task(client.map_results(EVAL)) for _ in range(30)]
    await asyncio.gather(late, *export)
    paths = [request.path.rpartition("/")[2] for request in server.requests]
    assert 28 <= paths.index(EVAL) <= 32
