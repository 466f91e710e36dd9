"""The gate: slots, rate, the shared pause and the quota of retries."""

import asyncio
from typing import Any

import anyio
import pytest

from roboflow_evals_async.core.errors import ConnectionFailedError, DeadlineExceededError, InvalidArgumentError
from roboflow_evals_async.core.gate import Gate
from roboflow_evals_async.roboflow.client import EvalsClient


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
