"""Read-ahead: the same rows in the same order whatever comes when, bounded, and leaving nothing however it ends."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.core.errors import (
    ClientStateError,
    DeadlineExceededError,
    EvalNotFoundError,
    EvalsError,
    InvalidArgumentError,
    PaginationDriftError,
    ServerError,
    TruncatedBodyError,
)
from roboflow_evals_async.core.gate import Gate
from roboflow_evals_async.paging.cursor import plan_walk
from roboflow_evals_async.paging.walk import Walk
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

from .server import Served, Server, Trouble, kinds, rows_query, unavailable

Change = Callable[[Served], Served]


class AheadServer(Server):
    """A server that is asked for several pages at a time. Page n is awaited for `turns[n]` turns of the loop.

    Troubles are by offset, and stand until they are taken away.
    """

    def __init__(self, rows: int | Sequence[int], *, turns: Sequence[int] = (), **options: Any) -> None:
        super().__init__(rows, **options)
        self.turns = turns
        self.at: dict[int, Trouble] = {}
        self.in_flight = 0
        self.most_in_flight = 0
        self.brought = 0

    async def send(self, request: Any, **_: Any) -> Any:
        page = await super().send(request)
        trouble = self.at.get(int(dict(request.query)["offset"]))
        if isinstance(trouble, Exception):
            raise trouble
        return page if trouble is None else trouble(page)

    async def fetch(self, request: Any, **_: Any) -> bytes:
        """Answer one request with bytes, after its turns."""
        number = len(self.asked)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            page = await self.send(request)
            for _turn in range(self.turns[number] if number < len(self.turns) else 1):
                await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        self.brought += 1
        return msgspec.json.encode(page)

    def walk(self, *, name: str = "the rows", on_event: Any = None, **options: Any) -> Walk[int, Served]:
        """Return a walk over the rows; options as for `plan_walk`."""
        arguments = {"page_size": 10, "start": 0, "max_items": None, "on_drift": "raise", "resume": None, **options}
        pages = rows_query(name)
        return Walk(pages, plan_walk(pages, **arguments), self.send, self.fetch, on_event)


async def read(walk: Walk[int, Served], pages: int = 4, *, adaptive: bool = False) -> list[int]:
    """All rows, read ahead."""
    async with walk.prefetch(pages, adaptive=adaptive) as rows:
        return [row async for row in rows]


async def outcome(rows: AsyncIterator[int]) -> tuple[list[int], EvalsError | None, Any]:
    """The rows that come, the error that ends them, and the report."""
    delivered: list[int] = []
    try:
        async for row in rows:
            delivered.append(row)  # noqa: PERF401  (those before an error count)
    except EvalsError as error:
        return delivered, error, rows.report  # type: ignore[attr-defined]
    return delivered, None, rows.report  # type: ignore[attr-defined]


# -- order -------------------------------------------------------------------------------------------------------------


@given(
    total=st.integers(0, 60),
    page_size=st.integers(1, 10),
    pages=st.integers(1, 8),
    adaptive=st.booleans(),
    turns=st.lists(st.integers(0, 20), max_size=60),
    start=st.integers(0, 70),
    max_items=st.none() | st.integers(0, 60),
    by_pages=st.booleans(),
)
@example(total=60, page_size=5, pages=8, adaptive=False, turns=[0, *range(20, 0, -2)], start=0, max_items=None, by_pages=False)  # fmt: skip # noqa: E501
@settings(deadline=None, max_examples=200)
def test_any_order_of_arrival_gives_one_sequence(
    total: int,
    page_size: int,
    pages: int,
    adaptive: bool,
    turns: list[int],
    start: int,
    max_items: int | None,
    by_pages: bool,
) -> None:
    async def run() -> None:
        server = AheadServer(total, turns=turns)
        wanted = list(range(total))[start:][:max_items]
        walk = server.walk(page_size=page_size, start=start, max_items=max_items)
        delivered: list[int] = []
        async with walk.prefetch(pages, adaptive=adaptive) as rows:
            if by_pages:
                async for page in rows.pages():
                    assert list(page.items) == wanted[len(delivered) :][: len(page.items)]
                    delivered += page.items
                    assert rows.checkpoint.offset == start + len(delivered) or rows.report.complete
                    # The page in hand apart, no more are held than the window has.
                    assert server.brought - rows.report.pages <= pages
            else:
                async for row in rows:
                    delivered.append(row)
                    assert rows.report.rows == len(delivered)
                    assert rows.checkpoint.offset == start + len(delivered) or rows.report.complete
        assert delivered == wanted
        assert rows.report.complete
        assert server.most_in_flight <= pages
        assert len({offset for offset, _ in server.asked}) == len(server.asked)
        end = min(total, total if max_items is None else start + max_items)
        assert all(offset < end for offset, _ in server.asked[1:])

    asyncio.run(run())


async def test_pages_that_arrive_backwards_are_delivered_forwards() -> None:
    server = AheadServer(50, turns=[0, 40, 30, 20, 10])
    assert await read(server.walk(), 4) == list(range(50))
    assert server.most_in_flight == 4


async def test_the_first_page_goes_alone() -> None:
    server = AheadServer(100, turns=[50])
    async with server.walk().prefetch(8, adaptive=False) as rows:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(anext(rows))
            for _ in range(30):
                await asyncio.sleep(0)
            assert (first.done(), server.asked) == (False, [(0, 10)])
        assert first.result() == 0
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(server.asked) == 9


@pytest.mark.parametrize("pages", [1, 3, 8])
async def test_a_slow_reader_holds_the_reading_back(pages: int) -> None:
    server = AheadServer(1000)
    async with server.walk().prefetch(pages, adaptive=False) as rows:
        for delivered in range(1, 6):
            await anext(rows.pages())
            for _ in range(50):
                await asyncio.sleep(0)
            assert server.brought - delivered == pages
    assert server.most_in_flight == pages


@pytest.mark.parametrize("pages", [0, -1, True, 2.5])
def test_a_window_that_is_none_is_refused(pages: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        AheadServer(1).walk().prefetch(pages)
    assert caught.value.field == "pages"


# -- as the sequential walk --------------------------------------------------------------------------------------------


def page_change(**fields: Any) -> Change:
    return lambda page: msgspec.structs.replace(page, **fields)


def repeated(page: Served) -> Served:
    return msgspec.structs.replace(page, rows=tuple(range(len(page.rows))))


ODD_SERVERS: dict[str, Callable[[], AheadServer]] = {
    "no total": lambda: AheadServer(45, tell=False),
    "no total, no echo, nothing over": lambda: AheadServer(40, tell=False, echo=False),
    "no rows": lambda: AheadServer(0),
    "a smaller page": lambda: AheadServer(45, cap=7),
    "a smaller page, no total": lambda: AheadServer(45, cap=7, tell=False),
}
DRIFTS: dict[str, Change] = {
    "more in all": page_change(total=60),
    "fewer in all": page_change(total=35),
    "a page again": repeated,
    "other rows": page_change(offset=0),
    "a short page": lambda page: msgspec.structs.replace(page, rows=page.rows[:-3]),
    "an empty page": page_change(rows=()),
}


@pytest.mark.parametrize("name", ODD_SERVERS)
async def test_an_odd_server_is_walked_alike(name: str) -> None:
    ahead, one_by_one = ODD_SERVERS[name](), ODD_SERVERS[name]()
    assert await read(ahead.walk()) == [row async for row in one_by_one.walk()] == list(ahead.rows)
    assert ahead.asked == one_by_one.asked
    assert ahead.most_in_flight <= 4


@pytest.mark.parametrize("on_drift", ["raise", "warn", "restart"])
@pytest.mark.parametrize("at", [0, 10, 40])
@pytest.mark.parametrize("name", DRIFTS)
async def test_a_drift_is_met_alike(name: str, at: int, on_drift: str) -> None:
    found = []
    for use in (lambda walk: walk.prefetch(4, adaptive=False), None):
        server = AheadServer(50)
        server.at[at] = DRIFTS[name]
        walk = server.walk(on_drift=on_drift)
        if use is None:
            rows, error, report = await outcome(aiter(walk))
        else:
            async with use(walk) as handle:
                rows, error, report = await outcome(handle)
        text = None if error is None else (type(error), str(error), error.checkpoint, kinds(error))  # type: ignore[arg-type]
        found.append((rows, text, report.rows, report.pages, report.total, report.drift, report.complete))
    assert found[0] == found[1]


async def test_a_restart_asks_as_often_as_a_sequential_walk() -> None:
    asked = []
    for ahead in (True, False):
        server = AheadServer(30)
        server.at[0] = page_change(rows=(1,))
        walk = server.walk(on_drift="restart")
        with pytest.raises(PaginationDriftError):
            await (read(walk) if ahead else anext(aiter(walk)))
        asked.append(len(server.asked))
    assert asked == [4, 4]


async def test_a_restart_before_the_first_row_is_not_seen() -> None:
    server = AheadServer(30, script=[page_change(rows=(1,)), page_change(rows=(1,))])
    assert await read(server.walk(on_drift="restart")) == list(range(30))


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_pages", [False, True])
async def test_what_comes_before_a_failed_page_is_delivered_first(by_pages: bool) -> None:
    # The pages behind the failed one would take for ever: they are given up with it.
    server = AheadServer(100, turns=[0, 30, 30, 30, 0, *[1_000_000] * 5])
    server.at[40] = unavailable()
    async with server.walk().prefetch(8, adaptive=False) as rows:
        if by_pages:
            delivered = [row for page in [await anext(rows.pages()) for _ in range(4)] for row in page.items]
        else:
            delivered = [await anext(rows) for _ in range(40)]
        with pytest.raises(ServerError, match="try again") as caught:
            await anext(rows.pages() if by_pages else rows)  # type: ignore[call-overload]
        assert delivered == list(range(40))
        assert caught.value.checkpoint == rows.checkpoint
        assert caught.value.checkpoint.offset == 40
        assert await settled(lambda: server.in_flight == 0)
        server.at.clear()
        rest = [row async for row in server.walk(resume=str(caught.value.checkpoint))]
        assert delivered + rest == list(range(100))
        # The handle is still good, too.
        assert [row async for row in rows] == rest


async def test_a_page_that_fails_again_fails_again_at_the_same_place() -> None:
    server = AheadServer(50)
    server.at[20] = unavailable()
    async with server.walk().prefetch(4, adaptive=False) as rows:
        delivered, error, _ = await outcome(rows)
        for _ in range(3):
            more, error, report = await outcome(rows)
            assert (more, error is not None and error.checkpoint.offset, report.rows) == ([], 20, 20)
    assert delivered == list(range(20))


async def test_an_error_of_the_program_comes_out_plain() -> None:
    server = AheadServer(50)
    server.at[30] = LookupError("a bug")
    async with server.walk().prefetch(4, adaptive=False) as rows:
        with pytest.raises(LookupError, match="a bug"):
            _ = [row async for row in rows]


class Ours(Exception):
    pass


async def test_an_error_in_the_body_comes_out_plain() -> None:
    server = AheadServer(500, turns=[0, *[1000] * 20])

    async def read() -> None:
        async with server.walk().prefetch(8, adaptive=False) as rows:
            await anext(rows)
            await settled(lambda: server.in_flight == 8)
            raise Ours

    with pytest.raises(Ours) as caught:
        await read()
    assert caught.value.__context__ is None
    assert server.in_flight == 0


async def settled(done: Callable[[], bool], turns: int = 200) -> bool:
    """Give the loop some turns until it is so."""
    for _ in range(turns):
        if done():
            return True
        await asyncio.sleep(0)
    return done()


async def test_leaving_early_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    server = AheadServer(500, turns=[0, *[1000] * 20])
    async with server.walk().prefetch(8, adaptive=False) as rows:
        async for _ in rows:
            await settled(lambda: server.in_flight == 8)
            break
    assert (server.in_flight, asyncio.all_tasks()) == (0, before)
    asked = len(server.asked)
    await settled(lambda: False, 50)
    assert len(server.asked) == asked == 9


# -- misuse ------------------------------------------------------------------------------------------------------------


async def test_after_its_block_the_handle_says_so() -> None:
    server = AheadServer(50)
    async with server.walk().prefetch() as rows:
        assert await anext(rows) == 0
    # What was delivered to the handle is there, and no more.
    assert [await anext(rows) for _ in range(9)] == list(range(1, 10))
    for use in (rows, rows.pages()):
        with pytest.raises(ClientStateError, match="block was left") as caught:
            await anext(use)  # type: ignore[call-overload]
        assert caught.value.checkpoint.offset == 10


async def test_who_waits_in_another_task_when_the_block_is_left_is_told() -> None:
    server = AheadServer(50, turns=[0, 10_000])
    async with server.walk().prefetch(2) as rows:
        _ = [await anext(rows) for _ in range(10)]
        waiting = asyncio.create_task(anext(rows))  # type: ignore[arg-type]
        await settled(lambda: server.in_flight == 2)
    with pytest.raises(ClientStateError, match="block was left"):
        await asyncio.wait_for(waiting, 5)
    asked = len(server.asked)
    await settled(lambda: False, 20)
    assert len(server.asked) == asked


async def test_a_block_is_entered_once() -> None:
    block = AheadServer(5).walk().prefetch()
    async with block:
        pass
    with pytest.raises(ClientStateError, match="entered before"):
        await block.__aenter__()


async def test_two_tasks_on_one_handle_are_told() -> None:
    server = AheadServer(50, turns=[20])
    async with server.walk().prefetch() as rows:
        first = asyncio.create_task(anext(rows))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        for use in (rows, rows.pages()):
            with pytest.raises(ClientStateError, match="another task"):
                await anext(use)  # type: ignore[call-overload]
        assert await first == 0
        assert [row async for row in rows] == list(range(1, 50))


async def test_a_cancelled_wait_loses_no_page() -> None:
    server = AheadServer(50, turns=[5, 30, 30, 30, 30])
    delivered: list[int] = []
    async with server.walk().prefetch(4, adaptive=False) as rows:
        for _ in range(500):
            with anyio.CancelScope() as scope:
                after(asyncio.get_running_loop(), 3, scope.cancel)
                async for row in rows:
                    delivered.append(row)  # noqa: PERF401  (those before a cancellation count)
                break
    assert delivered == list(range(50))
    assert len(server.asked) == 5


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=12))
@settings(deadline=None, max_examples=60)
def test_rows_and_pages_share_one_position(steps: list[tuple[bool, int]]) -> None:
    async def run() -> None:
        server = AheadServer(50)
        delivered: list[int] = []
        async with server.walk().prefetch(3) as rows:
            for by_pages, count in [*steps, (False, 50)]:
                for _ in range(count):
                    if by_pages:
                        page = await anext(rows.pages(), None)
                        if page is not None:
                            assert page.offset == len(delivered)
                            delivered += page.items
                    else:
                        delivered += [row] if (row := await anext(rows, None)) is not None else []
                    assert rows.pages().checkpoint.offset == rows.checkpoint.offset == len(delivered)
                    assert rows.pages().report.rows == rows.report.rows == len(delivered)
        assert delivered == list(range(50))

    asyncio.run(run())


async def test_closing_the_pages_ends_the_rows() -> None:
    async with AheadServer(50).walk().prefetch(3) as rows:
        await anext(rows)
        await rows.pages().aclose()
        assert [row async for row in rows] == []
        assert rows.checkpoint.offset == 1


async def test_read_aheads_nest() -> None:
    outer, inner = AheadServer(30), AheadServer(25)
    seen: list[tuple[int, int]] = []
    async with outer.walk().prefetch(3) as outer_pages:
        async for page in outer_pages.pages():
            async with inner.walk().prefetch(3, adaptive=False) as inner_rows:
                async for row in inner_rows:
                    seen.append((page.offset, row))
                    if row == page.offset:
                        break
    assert seen == [(offset, row) for offset in (0, 10, 20) for row in range(offset + 1)]
    assert (outer.in_flight, inner.in_flight) == (0, 0)


async def test_interleaved_read_aheads_are_left_apart() -> None:
    server = AheadServer(100)
    async with server.walk().prefetch(3) as one, server.walk().prefetch(5) as two:
        pairs = [(await anext(one), await anext(two)) for _ in range(35)]
    assert pairs == [(row, row) for row in range(35)]


# -- cancelled at every step -------------------------------------------------------------------------------------------


async def at_every_step(run: Callable[[], Awaitable[Any]], check: Callable[[], None]) -> int:
    """Cancel `run` after the first, second, … turn of the loop, up to its end; return how many turns there are."""
    before = asyncio.all_tasks()
    for step in range(100_000):
        task = asyncio.ensure_future(run())
        for _ in range(step):
            await asyncio.sleep(0)
            if task.done():
                break
        finished = task.done()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            assert not finished
        else:
            assert finished, f"the cancellation after {step} turns was swallowed"
        assert asyncio.all_tasks() == before, step
        check()
        if finished:
            return step
    raise AssertionError


@pytest.mark.parametrize("use", ["prefetch", "prefetch pages", "prefetch and break", "walk", "collect"])
async def test_a_cancellation_at_every_turn_leaves_nothing(use: str) -> None:
    server = AheadServer(60, turns=[3, 5, 0, 9, 2, 4])

    async def run() -> None:
        walk = server.walk()
        if use == "walk":
            assert [row async for row in walk] == list(range(60))
        elif use == "collect":
            await walk.collect()
        else:
            async with walk.prefetch(3, adaptive=False) as rows:
                async for item in rows if use == "prefetch" else rows.pages():
                    if use == "prefetch and break" and item.offset:
                        break
                    await asyncio.sleep(0)

    def check() -> None:
        assert server.in_flight == 0
        server.asked.clear()

    assert await at_every_step(run, check) >= (1 if use in {"walk", "collect"} else 10)


@pytest.mark.parametrize("wrap", ["move_on_after", "fail_after", "timeout", "wait_for"])
async def test_a_time_limit_at_every_turn_is_what_its_user_expects(wrap: str) -> None:
    server = AheadServer(60, turns=[3, 5, 0, 9, 2, 4])
    loop = asyncio.get_running_loop()

    async def run() -> None:
        async with server.walk().prefetch(3, adaptive=False) as rows:
            async for _ in rows:
                pass

    for step in range(40):
        # A limit that passes after so many turns: its scope is made to expire by hand.
        expired = False
        try:
            if wrap in {"move_on_after", "fail_after"}:
                limit = anyio.move_on_after if wrap == "move_on_after" else anyio.fail_after
                with limit(1000) as scope:
                    after(loop, step, lambda scope=scope: setattr(scope, "deadline", 0.0))
                    await run()
                expired = scope.cancelled_caught
                assert wrap == "move_on_after" or not expired
            elif wrap == "timeout":
                async with asyncio.timeout(1000) as limit:
                    after(loop, step, lambda limit=limit: limit.reschedule(0.0) if not limit.expired() else None)
                    await run()
            else:
                await asyncio.wait_for(run(), 1000 if step > 20 else 0)
        except TimeoutError:
            expired = True
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert server.in_flight == 0
        assert expired or step > 8


def after(loop: asyncio.AbstractEventLoop, turns: int, call: Callable[[], Any]) -> None:
    """Call it after so many turns of the loop; nothing happens if what it ends is over by then."""

    def turn(left: int) -> None:
        if left:
            loop.call_soon(turn, left - 1)
        else:
            with suppress(RuntimeError):  # asyncio.timeout was left
                call()

    turn(turns)


# -- memory ------------------------------------------------------------------------------------------------------------


async def test_ten_thousand_read_aheads_leave_no_memory() -> None:
    server = AheadServer(20)
    walk = server.walk()

    async def some(count: int) -> None:
        for number in range(count):
            async with walk.prefetch(4) as rows:
                async for _ in rows.pages():
                    if number % 2:
                        break
            server.asked.clear()

    await some(300)
    grown: list[int] = []
    tracemalloc.start(1)
    try:
        await some(100)
        for _ in range(4):
            gc.collect()
            before, _peak = tracemalloc.get_traced_memory()
            await some(2500)
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    # Other threads of the process breathe, a leak does not: 20 bytes for each would show in every batch.
    assert min(grown) < 50_000


# -- real sockets ------------------------------------------------------------------------------------------------------

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 200})])
EVAL = WORLD.eval_ids[0]
PAGES = "/image-predictions"
ROWS = 200


@pytest.fixture(scope="module")
def shared() -> Iterator[StandIn]:
    with StandIn(WORLD).in_thread() as stand_in:
        yield stand_in


@pytest.fixture
def served(shared: StandIn) -> StandIn:
    shared.faults.clear()
    shared.requests.clear()
    shared.latency = 0.0
    shared.max_in_flight = 0
    return shared


def client_of(stand_in: StandIn, **options: Any) -> EvalsClient:
    """A client that makes one try, so that no test waits."""
    options = {"max_attempts": 1, "max_concurrency": 16, **options}
    return EvalsClient(api_key=stand_in.api_key, workspace=stand_in.workspace, base_url=stand_in.url, **options)


def at_offset(offset: int) -> Callable[[Any], bool]:
    return lambda request: request.query.get("offset") == str(offset)


def offsets(stand_in: StandIn) -> list[int]:
    return [int(request.query["offset"]) for request in stand_in.requests if PAGES in request.path]


def held(client: EvalsClient) -> tuple[int, int]:
    """The slots in use, and aiohttp's connections in use."""
    http = client._session._http
    connector: Any = None if http is None else http.connector
    return client._session.gate.in_use, len(connector._acquired) if connector is not None else 0


async def names_of(rows: AsyncIterator[Any]) -> list[str]:
    return [row.image_name async for row in rows]


async def whole(client: EvalsClient) -> list[str]:
    return [row.image_name or "" for row in (await client.image_predictions(EVAL)).items]


async def test_never_more_requests_than_pages(served: StandIn) -> None:
    served.latency = 0.01
    async with client_of(served) as client:
        wanted = await whole(client)
        served.max_in_flight = 0
        async with client.image_predictions(EVAL, page_size=10).prefetch(5, adaptive=False) as rows:
            assert await names_of(rows) == wanted
    assert served.max_in_flight == 5


async def test_nothing_is_fetched_beyond_max_items(served: StandIn) -> None:
    async with client_of(served) as client:
        walk = client.image_predictions(EVAL, page_size=10, start=5, max_items=42)
        async with walk.prefetch(8, adaptive=False) as rows:
            assert len(await names_of(rows)) == 42
    assert sorted(offsets(served)) == [5, 15, 25, 35, 45]
    assert {request.query["limit"] for request in served.requests} == {"10"}


async def test_a_body_cut_under_a_right_length_is_asked_for_again_in_place(served: StandIn) -> None:
    served.faults.script(at_offset(30), Fault.rewritten(lambda body: body[: len(body) // 2]))
    served.faults.script(at_offset(0), Fault.rewritten(lambda body: body[: len(body) // 2]))
    async with client_of(served, max_attempts=2) as client:
        async with client.image_predictions(EVAL, page_size=10).prefetch(4, adaptive=False) as rows:
            read = await names_of(rows)
        assert read == await whole(client)
    asked = offsets(served)[:-1]
    assert asked.count(30) == asked.count(0) == 2
    assert len(asked) == 22


async def test_a_body_that_is_always_cut_is_given_up(served: StandIn) -> None:
    served.faults.always(at_offset(30), Fault.rewritten(lambda body: body[: len(body) // 2]))
    async with client_of(served) as client, client.image_predictions(EVAL, page_size=10).prefetch(4) as rows:
        with pytest.raises(TruncatedBodyError) as caught:
            await names_of(rows)
    assert caught.value.checkpoint.offset == 30
    assert offsets(served).count(30) <= 2


async def test_a_failed_page_over_sockets_leaves_nothing_and_resumes(served: StandIn) -> None:
    served.faults.always(at_offset(50), Fault.server_error(500))
    served.faults.always(lambda request: int(request.query.get("offset", 0)) > 50, Fault.stalled())
    async with client_of(served) as client:
        names: list[str | None] = []

        async def read() -> None:
            async with client.image_predictions(EVAL, page_size=10).prefetch(8, adaptive=False) as rows:
                async for row in rows:
                    names.append(row.image_name)

        with pytest.raises(ServerError) as caught:
            await read()
        assert len(names) == 50
        assert held(client) == (0, 0)
        served.faults.clear()
        async with client.image_predictions(EVAL, page_size=25, resume=caught.value.checkpoint).prefetch(3) as rest:
            names += await names_of(rest)
        assert names == await whole(client)


async def test_a_missing_evaluation_is_the_plain_error(served: StandIn) -> None:
    async with client_of(served) as client:
        with pytest.raises(EvalNotFoundError):
            async with client.image_predictions("missing").prefetch() as rows:
                await anext(rows)
        assert held(client) == (0, 0)


async def test_retries_of_pages_ahead_are_not_seen(served: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(anyio, "sleep", at_once)
    troubles: Iterable[Fault] = (Fault.server_error(503), Fault.cut(50), Fault.connection_reset(), Fault.rate_limited())
    for offset, trouble in zip((0, 40, 90, 120), troubles, strict=True):
        served.faults.script(at_offset(offset), trouble)
    async with client_of(served, max_attempts=4) as client:
        async with client.image_predictions(EVAL, page_size=10).prefetch(6) as rows:
            read = await names_of(rows)
        assert read == await whole(client)
    assert served.faults.pending == 0


class Cancelling:
    """A listener that cancels a task at the nth event of its client."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.task: asyncio.Task[Any] | None = None

    def __call__(self, _event: object) -> None:
        self.left -= 1
        if self.left == 0 and self.task is not None:
            self.task.cancel()


USES: dict[str, Callable[[EvalsClient], Awaitable[Any]]] = {}


def used(function: Callable[[EvalsClient], Awaitable[Any]]) -> Callable[[EvalsClient], Awaitable[Any]]:
    USES[function.__name__] = function
    return function


@used
async def walk(client: EvalsClient) -> None:
    async for _ in client.image_predictions(EVAL, page_size=50):
        pass


@used
async def prefetch(client: EvalsClient) -> None:
    async with client.image_predictions(EVAL, page_size=25).prefetch(4, adaptive=False) as rows:
        async for _ in rows:
            pass


@used
async def fetch_all(client: EvalsClient) -> None:
    async with client.fetch_all([EVAL, EVAL], max_evals=2) as results:
        async for _ in results:
            pass


@used
async def walk_all(client: EvalsClient) -> None:
    async with client.walk_all([EVAL, EVAL], page_size=50, max_evals=2) as pages:
        async for _ in pages:
            pass


@used
async def snapshot(client: EvalsClient) -> None:
    await client.snapshot(EVAL)


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("use", USES)
async def test_a_cancellation_at_every_event_leaves_no_task_slot_or_connection(
    served: StandIn, use: str, slots: int
) -> None:
    before = asyncio.all_tasks()
    gate = Gate(slots)
    for step in range(1, 1000):
        listener = Cancelling(step)
        async with client_of(served, gate=gate, on_event=listener) as client:
            listener.task = asyncio.ensure_future(USES[use](client))
            try:
                await listener.task
                ended = "whole"
            except asyncio.CancelledError:
                ended = "cancelled"
            assert held(client) == (0, 0), step
            assert asyncio.all_tasks() == before, step
            assert (await client.eval(EVAL)).eval_id == EVAL
        if ended == "whole" and listener.left > 0:
            break
    assert step >= 8


@pytest.mark.parametrize("use", USES)
async def test_the_usual_time_limits_around_what_stalls(served: StandIn, use: str) -> None:
    served.faults.script(lambda _: True, *[None] * 3)
    served.faults.always(lambda _: True, Fault.stalled())
    before = asyncio.all_tasks()
    async with client_of(served) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await USES[use](client)
        assert type(caught.value) is TimeoutError
        with pytest.raises(TimeoutError), anyio.fail_after(0.05):
            await USES[use](client)
        with anyio.move_on_after(0.05) as scope:
            await USES[use](client)
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(USES[use](client), 0.05)
        assert held(client) == (0, 0)
        assert asyncio.all_tasks() == before
        served.faults.clear()
        assert (await client.eval(EVAL)).eval_id == EVAL


async def test_a_single_call_is_not_starved_by_a_read_ahead(served: StandIn) -> None:
    served.latency = 0.05
    async with (
        client_of(served, max_concurrency=4) as client,
        client.image_predictions(EVAL, page_size=5).prefetch(16, adaptive=False) as rows,
    ):
        await anext(rows.pages())
        reading = asyncio.create_task(names_of(rows))
        await asyncio.sleep(0.02)
        before = len(served.requests)
        await client.eval(EVAL)
        await reading
    paths = [request.path for request in served.requests]
    call = next(place for place, path in enumerate(paths) if PAGES not in path)
    # Those that waited for a slot already go first, and nobody else: sixteen pages less the four under way.
    assert call - before <= 16
    assert len(paths) - call > 8, "the read-ahead was not over"


@pytest.mark.parametrize("ahead", [True, False])
async def test_a_walks_deadline_is_one_clock(served: StandIn, ahead: bool) -> None:
    served.faults.script(PAGES, *[None] * 3)
    served.faults.always(PAGES, Fault.stalled())
    async with client_of(served) as client:
        begun = anyio.current_time()
        walk = client.image_predictions(EVAL, page_size=10, deadline=0.2)

        async def read() -> None:
            if ahead:
                async with walk.prefetch(4, adaptive=False) as rows:
                    await names_of(rows)
            else:
                await names_of(aiter(walk))

        with pytest.raises(DeadlineExceededError) as caught:
            await read()
        assert 0.2 <= anyio.current_time() - begun < 2
        assert 10 <= caught.value.checkpoint.offset <= 30
        assert held(client) == (0, 0)


def test_a_client_of_another_loop_says_so_plainly() -> None:
    with StandIn(WORLD).in_thread() as server, asyncio.Runner() as first, asyncio.Runner() as second:
        client = client_of(server)
        first.run(prefetch(client))
        for use in (prefetch, walk):
            with pytest.raises(ClientStateError, match="another event loop"):
                second.run(use(client))
        first.run(prefetch(client))
        first.run(client.aclose())
