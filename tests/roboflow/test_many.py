"""Waiting, snapshots, and many evaluations at once, over real sockets."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.core.errors import (
    AuthenticationError,
    DeadlineExceededError,
    EvalFailedError,
    EvalNotDoneError,
    EvalNotFoundError,
    InvalidArgumentError,
    PaginationDriftError,
    ReportNotFoundError,
    ServerError,
)
from roboflow_evals_async.core.events import Polled
from roboflow_evals_async.roboflow.many import PANELS
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

WORLD = World(
    seed=7,
    evaluations=[
        *[EvaluationSpec(images={"test": 20 + 10 * number}) for number in range(5)],
        EvaluationSpec(images={"test": 300}),
        EvaluationSpec(status="running"),
        EvaluationSpec(status="failed"),
    ],
)
IMAGES = {ev.eval_id: sum(ev.spec.images.values()) for ev in WORLD.evaluations if ev.spec.status == "done"}
DONE = [ev.eval_id for ev in WORLD.evaluations if ev.spec.status == "done"]
RUNNING, FAILED = WORLD.first(status="running").eval_id, WORLD.first(status="failed").eval_id
LARGE = max(IMAGES, key=IMAGES.__getitem__)
SMALL = [eval_id for eval_id in DONE if eval_id != LARGE]


@pytest.fixture(scope="module")
def shared() -> Iterator[StandIn]:
    with StandIn(WORLD).in_thread() as stand_in:
        yield stand_in


@pytest.fixture
def server(shared: StandIn) -> StandIn:
    shared.faults.clear()
    shared.requests.clear()
    shared.max_in_flight = 0
    return shared


@pytest.fixture
async def connect(server: StandIn, anyio_backend: str) -> AsyncIterator[Callable[..., EvalsClient]]:
    clients: list[EvalsClient] = []

    def make(**options: Any) -> EvalsClient:
        given = {"api_key": server.api_key, "workspace": server.workspace, "base_url": server.url, "max_attempts": 1}
        clients.append(EvalsClient(**{**given, **options}))
        return clients[-1]

    yield make
    for client in clients:
        assert client._session.gate.in_use == 0
        await client.aclose()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the client wait without waiting; what it would have waited is in the list."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(anyio, "sleep", sleep)
    return slept


def as_status(status: str) -> Fault:
    return Fault.rewritten(lambda body: body.replace(b'"status":"done"', b'"status":"%s"' % status.encode()))


# -- waiting -----------------------------------------------------------------------------------------------------------


async def test_waiting_asks_ever_less_often_and_tells_each_poll(
    server: StandIn, connect: Any, waits: list[float]
) -> None:
    heard: list[Any] = []
    server.faults.script(DONE[0], as_status("running"), as_status("queued"), *[as_status("running")] * 10)
    ev = await connect(on_event=heard.append).wait_done(DONE[0])
    assert (ev.eval_id, ev.status) == (DONE[0], "done")
    assert waits == sorted(waits)
    assert (waits[0], waits[-1], len(waits)) == (1.0, 30.0, 12)
    polls = [event for event in heard if isinstance(event, Polled)]
    assert [poll.status for poll in polls] == ["running", "queued", *["running"] * 10, "done"]
    assert len(server.requests) == 13


async def test_a_failed_evaluation_ends_the_waiting_at_once(server: StandIn, connect: Any, waits: list[float]) -> None:
    server.faults.script(FAILED, as_status("running"))
    with pytest.raises(EvalFailedError, match="has failed") as caught:
        await connect().wait_done(FAILED)
    assert isinstance(caught.value, EvalNotDoneError)
    assert waits == []
    server.faults.script(DONE[0], as_status("running"), as_status("failed"))
    with pytest.raises(EvalFailedError):
        await connect().wait_done(DONE[0])
    assert len(waits) == 1


@pytest.mark.parametrize("stall", [True, False])
async def test_waiting_has_an_end(stall: bool, server: StandIn, connect: Any) -> None:
    if stall:
        server.faults.always(RUNNING, Fault.stalled())
    begun = anyio.current_time()
    with pytest.raises(DeadlineExceededError, match=r"not done within 0\.1 s"):
        await connect().wait_done(RUNNING, timeout=0.1)
    assert anyio.current_time() - begun < 2
    with anyio.move_on_after(0.05) as scope:
        await connect().wait_done(RUNNING)
    assert scope.cancelled_caught


async def test_an_outage_does_not_end_a_waiting_that_has_an_end(
    server: StandIn, connect: Any, waits: list[float]
) -> None:
    trouble = [Fault.server_error(503)] * 3
    server.faults.script(DONE[0], *trouble)
    assert (await connect(max_attempts=1).wait_done(DONE[0], timeout=60)).status == "done"
    server.faults.script(DONE[0], *trouble)
    with pytest.raises(ServerError):
        await connect(max_attempts=1).wait_done(DONE[0])


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "5"])
async def test_a_time_that_is_none_is_refused(wrong: Any, connect: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="timeout"):
        await connect().wait_done(DONE[0], timeout=wrong)
    with pytest.raises(InvalidArgumentError, match="deadline"):
        connect().image_predictions(DONE[0], deadline=wrong)


async def test_the_deadline_covers_the_question_for_the_workspace() -> None:
    async with StandIn(WORLD, latency=0.3) as slow:
        for call in (lambda c: c.workspace(), lambda c: c.eval(DONE[0]), lambda c: c.evals()):
            async with EvalsClient(api_key=slow.api_key, base_url=slow.url, deadline=0.1) as client:
                begun = anyio.current_time()
                with pytest.raises(DeadlineExceededError):
                    await call(client)
                assert anyio.current_time() - begun < 0.3


async def test_waiting_for_what_does_not_exist_is_no_waiting(connect: Any, waits: list[float]) -> None:
    with pytest.raises(EvalNotFoundError):
        await connect().wait_done("missing")
    assert waits == []


# -- a snapshot --------------------------------------------------------------------------------------------------------


async def test_a_snapshot_has_every_panel(server: StandIn, connect: Any) -> None:
    snapshot = await connect().snapshot(DONE[0])
    assert snapshot.errors == {}
    assert all(getattr(snapshot, panel) is not None for panel in PANELS)
    assert len(server.requests) == len(PANELS)


async def test_a_panel_that_fails_is_a_value(server: StandIn, connect: Any) -> None:
    server.faults.always("recommendations", Fault.server_error(500))
    snapshot = await connect().snapshot(DONE[0], confidence=3)
    assert {panel: type(error) for panel, error in snapshot.errors.items()} == {
        "confusion_matrix": ReportNotFoundError,
        "vector_analysis": ReportNotFoundError,
        "recommendations": ServerError,
    }
    assert snapshot.recommendations is None
    assert snapshot.map_results is not None


async def test_a_snapshot_of_what_is_running_has_the_evaluation(connect: Any) -> None:
    snapshot = await connect().snapshot(RUNNING)
    assert snapshot.eval.status == "running"
    assert {type(error) for error in snapshot.errors.values()} == {EvalNotDoneError}
    assert len(snapshot.errors) == len(PANELS) - 1


async def test_a_snapshot_of_what_does_not_exist_raises(connect: Any) -> None:
    with pytest.raises(EvalNotFoundError):
        await connect().snapshot("missing")


# -- panels of many ----------------------------------------------------------------------------------------------------


async def test_all_panels_of_all_come_and_failures_are_values(server: StandIn, connect: Any) -> None:
    server.faults.always(f"{SMALL[0]}/map-results", Fault.server_error(500))
    ids = [*WORLD.eval_ids, "missing", "", "a/b", None]
    async with connect().fetch_all(ids, max_evals=3) as results:
        found = [result async for result in results]
    assert len(found) == len(ids) * len(PANELS)
    assert {(result.eval_id, result.panel) for result in found} == {(i, panel) for i in ids for panel in PANELS}
    assert all((result.value is None) != (result.error is None) for result in found)
    kinds = defaultdict(set)
    for result in found:
        if result.error is not None:
            kinds[result.eval_id].add((result.panel if result.eval_id == SMALL[0] else "", type(result.error)))
    assert kinds == {
        SMALL[0]: {("map_results", ServerError)},
        RUNNING: {("", EvalNotDoneError)},
        FAILED: {("", EvalNotDoneError)},
        "missing": {("", EvalNotFoundError)},
        "": {("", InvalidArgumentError)},
        "a/b": {("", EvalNotFoundError)},
        None: {("", InvalidArgumentError)},
    }


async def test_only_the_panels_asked_for_are_fetched(server: StandIn, connect: Any) -> None:
    async with connect().fetch_all(iter(DONE), ["map_results", "eval"]) as results:
        assert len([result async for result in results]) == 2 * len(DONE)
    assert len(server.requests) == 2 * len(DONE)
    with pytest.raises(InvalidArgumentError) as caught:
        connect().fetch_all(DONE, ["map-results"])
    assert caught.value.field == "panels"
    with pytest.raises(InvalidArgumentError) as caught:
        connect().fetch_all(DONE[0])
    assert caught.value.field == "ids"


async def test_leaving_early_stops_the_requests(server: StandIn, connect: Any) -> None:
    client = connect()
    async with client.fetch_all(itertools.cycle(DONE), ["eval", "map_results"], max_evals=2) as results:
        async for _ in results:
            break
    # One result was read; those of two evaluations were asked for, and of the one that came after it.
    # The ids never end: a fan-out that went on would have asked for hundreds by now.
    await asyncio.sleep(0.1)
    assert len(server.requests) <= 6


async def test_no_more_evaluations_at_a_time_than_asked_for(server: StandIn, connect: Any) -> None:
    begun: dict[str, int] = defaultdict(int)
    most = 0

    def listener(event: Any) -> None:
        nonlocal most
        if not hasattr(event, "path"):
            return
        eval_id = event.path.split("/")[3]
        begun[eval_id] += 1 if type(event).__name__ == "AttemptStarted" else -1
        most = max(most, sum(count > 0 for count in begun.values()))

    client = connect(on_event=listener, max_concurrency=32)
    async with client.fetch_all(DONE, max_evals=2) as results:
        assert len([result async for result in results]) == len(DONE) * len(PANELS)
    assert most == 2


async def test_a_wrong_key_is_a_value_for_each(connect: Any) -> None:
    client = connect(api_key="wrong")
    async with client.fetch_all(DONE[:2]) as results:
        assert {type(result.error) async for result in results} == {AuthenticationError}
    async with client.walk_all(DONE[:2]) as pages:
        assert [type(page) async for _, page in pages] == [AuthenticationError] * 2


# -- pages of many -----------------------------------------------------------------------------------------------------


async def test_every_evaluation_is_walked_to_its_end_in_order(server: StandIn, connect: Any) -> None:
    rows: dict[str, list[Any]] = defaultdict(list)
    async with connect().walk_all(DONE, page_size=10, max_evals=3) as pages:
        async for eval_id, page in pages:
            assert page.offset == len(rows[eval_id])
            rows[eval_id] += page.items
    assert {eval_id: len(images) for eval_id, images in rows.items()} == IMAGES
    wanted = await connect().image_predictions(LARGE)
    assert rows[LARGE] == list(wanted.items)


async def test_small_evaluations_end_before_a_large_one(connect: Any) -> None:
    order: list[str] = []
    async with connect().walk_all([LARGE, *SMALL], page_size=10, max_evals=len(DONE)) as pages:
        async for eval_id, _ in pages:
            order.append(eval_id)
    last = {eval_id: len(order) - 1 - order[::-1].index(eval_id) for eval_id in DONE}
    assert max(last[eval_id] for eval_id in SMALL) < last[LARGE]
    # While the smallest is read, the large one gets a turn for each of its pages, not all the turns.
    smallest = min(IMAGES, key=IMAGES.__getitem__)
    assert order[: last[smallest]].count(LARGE) <= 2 * IMAGES[smallest] // 10 + 2


async def test_a_walk_that_fails_is_a_value_with_its_checkpoint(server: StandIn, connect: Any) -> None:
    client = connect()
    server.faults.always(
        lambda request: LARGE in request.path and request.query.get("offset") == "50", Fault.server_error(500)
    )
    server.faults.script(
        lambda request: SMALL[0] in request.path and request.query.get("offset") == "10", Fault.changed_total(3)
    )
    rows: dict[str, int] = defaultdict(int)
    errors: dict[str, Any] = {}
    async with client.walk_all([*DONE, "missing", RUNNING, ""], page_size=10) as pages:
        async for eval_id, page in pages:
            if isinstance(page, Exception):
                errors[eval_id] = page
            else:
                rows[eval_id] += len(page.items)
    assert {eval_id: type(error) for eval_id, error in errors.items()} == {
        LARGE: ServerError,
        SMALL[0]: PaginationDriftError,
        "missing": EvalNotFoundError,
        RUNNING: EvalNotDoneError,
        "": InvalidArgumentError,
    }
    assert rows == {**IMAGES, LARGE: 50, SMALL[0]: 10}
    server.faults.clear()
    for eval_id in (LARGE, SMALL[0]):
        rest = await client.image_predictions(eval_id, resume=errors[eval_id].checkpoint).collect()
        assert rows[eval_id] + len(rest) == IMAGES[eval_id]


async def test_pages_that_nobody_reads_are_not_fetched(server: StandIn, connect: Any) -> None:
    async with connect().walk_all(DONE, page_size=10, max_evals=2) as pages:
        for count in range(1, 6):
            await anext(pages)
            await asyncio.sleep(0.03)
            # Each of the two walks has one page in hand besides those that were read.
            assert len(server.requests) <= count + 2
    await asyncio.sleep(0.05)
    asked = len(server.requests)
    await asyncio.sleep(0.05)
    assert len(server.requests) == asked
