"""Calls together: results in order, plain errors, nothing left running."""

import asyncio

import pytest

from roboflow_evals_async.core.tasks import gather


async def test_results_come_in_order() -> None:
    async def call(number: int) -> int:
        for _ in range(5 - number):
            await asyncio.sleep(0)
        return number

    assert await gather([lambda number=number: call(number) for number in range(5)]) == [0, 1, 2, 3, 4]
    assert await gather([]) == []


async def test_the_first_error_is_raised_as_it_is_and_ends_the_others() -> None:
    ended: list[str] = []

    async def failing() -> int:
        await asyncio.sleep(0)
        raise LookupError("gone")

    async def waiting() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("waiting")
        return 1

    with pytest.raises(LookupError, match="gone"):
        await gather([waiting, failing, waiting])
    assert ended == ["waiting", "waiting"]


async def test_a_cancellation_from_outside_passes_through() -> None:
    ended: list[str] = []

    async def waiting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("waiting")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await gather([waiting, waiting])
    assert ended == ["waiting", "waiting"]
