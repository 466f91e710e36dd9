"""Many ids at once: lazily taken, results as values, nothing fetched that nobody reads, nothing left behind."""

import asyncio
import gc
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboflow_evals_async.core.errors import ClientStateError, InvalidArgumentError
from roboflow_evals_async.core.fanout import Emit, FanOut

Found = tuple[str, int]


class Desk:
    """Work that can be watched: each id emits so many results, after so many turns of the loop each."""

    def __init__(self, results: int = 2, turns: int = 1) -> None:
        self.results = results
        self.turns = turns
        self.begun: list[str] = []
        self.fetched = 0
        self.at_work = 0
        self.most_at_work = 0

    async def work(self, eval_id: str, emit: Emit[Found]) -> None:
        self.begun.append(eval_id)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            for number in range(self.results):
                for _ in range(self.turns):
                    await asyncio.sleep(0)
                self.fetched += 1
                await emit((eval_id, number))
        finally:
            self.at_work -= 1

    def fan_out(self, ids: Any, at_once: int = 3) -> FanOut[Found]:
        return FanOut(ids, self.work, at_once=at_once)


async def read_into(seen: list[Any], block: FanOut[Any]) -> None:
    """Keep what comes, also if an error ends it."""
    async with block as found:
        async for result in found:
            seen.append(result)  # noqa: PERF401


def numbered() -> Iterator[str]:
    return map(str, itertools.count())


class Source:
    """An async generator of ids that can be watched."""

    def __init__(self, count: int = 1_000_000) -> None:
        self.count = count
        self.taken = 0
        self.closed = False

    async def ids(self) -> AsyncGenerator[str, None]:
        try:
            for number in range(self.count):
                await asyncio.sleep(0)
                self.taken += 1
                yield str(number)
        finally:
            try:
                with anyio.CancelScope(shield=True):  # a real one gives its connection back
                    await asyncio.sleep(0)
            finally:
                self.closed = True


@given(
    ids=st.integers(0, 12),
    results=st.integers(0, 4),
    at_once=st.integers(1, 6),
    turns=st.integers(0, 3),
    lazy=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_all_results_come_and_those_of_an_id_in_order(
    ids: int, results: int, at_once: int, turns: int, lazy: bool
) -> None:
    async def run() -> None:
        desk, source = Desk(results, turns), Source(ids)
        async with desk.fan_out(source.ids() if lazy else [str(n) for n in range(ids)], at_once) as found:
            seen = [result async for result in found]
        assert sorted(seen) == sorted((str(n), number) for n in range(ids) for number in range(results))
        for n in range(ids):
            assert [number for eval_id, number in seen if eval_id == str(n)] == list(range(results))
        assert desk.most_at_work <= at_once
        assert desk.begun == [str(n) for n in range(ids)]

    asyncio.run(run())


async def test_ids_are_taken_as_work_begins() -> None:
    desk = Desk()
    async with desk.fan_out(numbered(), 3) as found:
        for count in range(1, 40):
            await anext(found)
            for _ in range(20):
                await asyncio.sleep(0)
            # Each of the three at work has fetched one result more than was taken, at most.
            assert desk.fetched <= count + 3
            assert len(desk.begun) <= count / 2 + 4
    begun = len(desk.begun)
    await asyncio.sleep(0.01)
    assert (len(desk.begun), desk.at_work) == (begun, 0)


@pytest.mark.parametrize("leave", ["break", "raise", "timeout", "cancel", "unread"])
async def test_an_async_generator_of_ids_is_closed_with_the_block(leave: str) -> None:
    source, desk = Source(), Desk()
    before = asyncio.all_tasks()

    class Left(Exception):
        pass

    async def read() -> None:
        async with desk.fan_out(source.ids()) as found:
            if leave == "unread":
                await asyncio.sleep(0)
                return
            async for _ in found:
                if leave == "break":
                    break
                if leave == "raise":
                    raise Left
                await asyncio.sleep(0)

    if leave == "raise":
        with pytest.raises(Left) as caught:
            await read()
        assert caught.value.__context__ is None
    elif leave == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await read()
    elif leave == "cancel":
        task = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await read()
    assert source.closed
    assert desk.at_work == 0
    assert asyncio.all_tasks() == before
    taken = source.taken
    await asyncio.sleep(0.005)
    assert source.taken == taken < 500_000


async def test_a_plain_generator_of_ids_can_be_gone_on_with() -> None:
    ids = numbered()
    async with Desk().fan_out(ids, 1) as found:
        await anext(found)
    assert next(ids) == "1"


async def test_ids_that_raise_end_the_block_plainly_after_what_was_found() -> None:
    def failing() -> Iterator[str]:
        yield from "ab"
        raise LookupError("no more")

    async def failing_later() -> AsyncIterator[str]:
        for eval_id in failing():
            yield eval_id

    for ids in (failing(), failing_later()):
        desk, seen = Desk(results=3), []
        with pytest.raises(LookupError, match="no more"):
            await read_into(seen, desk.fan_out(ids, 2))
        assert sorted(seen) == [(eval_id, number) for eval_id in "ab" for number in range(3)]
        assert desk.at_work == 0


async def test_what_work_raises_comes_out_plain() -> None:
    async def work(eval_id: str, emit: Emit[str]) -> None:
        await emit(eval_id)
        if eval_id == "2":
            raise LookupError(eval_id)

    with pytest.raises(LookupError, match="2"):
        await read_into([], FanOut(numbered(), work, at_once=2))


async def test_several_readers_share_the_results() -> None:
    seen: list[Found] = []

    async def read(found: FanOut[Found]) -> None:
        seen.extend([result async for result in found])

    async with Desk().fan_out([str(n) for n in range(20)]) as found:
        await asyncio.gather(*(read(found) for _ in range(3)))
    assert len(seen) == len(set(seen)) == 40


async def test_misuse_says_so() -> None:
    block = Desk().fan_out(["a"])
    with pytest.raises(ClientStateError, match="not entered"):
        await anext(block)
    async with block:
        with pytest.raises(ClientStateError, match="entered before"):
            await block.__aenter__()
        assert len([result async for result in block]) == 2
        assert [result async for result in block] == []
    with pytest.raises(ClientStateError, match="left"):
        await anext(block)
    with pytest.raises(InvalidArgumentError) as caught:
        Desk().fan_out("an-id")
    assert caught.value.field == "ids"
    for at_once in (0, -1, True, 1.5):
        with pytest.raises(InvalidArgumentError) as caught:
            Desk().fan_out(["a"], at_once)  # type: ignore[arg-type]
        assert caught.value.field == "max_evals"


@pytest.mark.parametrize("leave_early", [True, False])
async def test_a_cancellation_at_every_turn_leaves_nothing(leave_early: bool) -> None:
    before = asyncio.all_tasks()
    for step in range(1000):
        desk, source = Desk(turns=2), Source(6)

        async def run(desk: Desk = desk, source: Source = source) -> None:
            async with desk.fan_out(source.ids(), 2) as found:
                async for _ in found:
                    if leave_early:
                        break

        task = asyncio.create_task(run())
        for _ in range(step):
            await asyncio.sleep(0)
        finished = task.done()
        task.cancel()
        if finished:
            await task
            break
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before
        assert desk.at_work == 0
        assert source.closed or source.taken == 0
    assert step > 8
    gc.collect()  # a stream that was not closed would warn now


async def test_a_scope_that_is_cancelled_around_a_block_is_quiet() -> None:
    for turns in range(40):
        desk = Desk(turns=3)
        with anyio.CancelScope() as scope:
            async with desk.fan_out(numbered()) as found:
                count = 0
                async for _ in found:
                    count += 1
                    if count > turns:
                        scope.cancel()
        assert scope.cancelled_caught
        assert desk.at_work == 0
