"""What a listener hears: which events, joined by which numbers, with nothing secret; and nothing if nobody listens."""

import asyncio
import logging
from collections import Counter, defaultdict
from itertools import groupby
from typing import Any

import anyio
import msgspec
import pytest

from roboflow_evals_async.core import events as events_module
from roboflow_evals_async.core.errors import DeadlineExceededError, EvalsError, ServerError
from roboflow_evals_async.core.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptFinished,
    AttemptStarted,
    CoolingDown,
    Event,
    PageReady,
    Polled,
    WalkDone,
    WalkStopped,
    logging_listener,
)
from roboflow_evals_async.testing import Fault, StandIn

from .conftest import WORLD

EVAL = WORLD.eval_ids[0]
ENDS = (AttemptFinished, AttemptFailed, AttemptCancelled)


def of(kind: Any, events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def check_joined(events: list[Any]) -> None:
    """Each attempt that began has ended, once and later, under its own number."""
    begun, ended = of(AttemptStarted, events), of(ENDS, events)
    assert sorted(event.id for event in begun) == sorted(event.id for event in ended)
    assert len({event.id for event in begun}) == len(begun)
    place = {event.id: (event.path, event.attempt) for event in begun}
    for event in ended:
        assert place[event.id] == (event.path, event.attempt)
    for number in place:
        own = [event for event in events if isinstance(event, (AttemptStarted, *ENDS)) and event.id == number]
        assert isinstance(own[0], AttemptStarted)


@pytest.mark.parametrize("kind", Event.__subclasses__())
def test_events_are_frozen_and_say_nothing_by_default(kind: type[Event]) -> None:
    assert kind.__struct_config__.frozen
    assert not {"url", "key", "query", "headers", "body"} & set(kind.__struct_fields__)
    assert kind.__doc__


async def test_concurrent_attempts_are_not_mixed_up(
    server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    heard: list[Any] = []
    server.faults.script(EVAL, *[Fault.server_error(503), None] * 10)
    client = connect(on_event=heard.append, max_concurrency=4)
    await asyncio.gather(*(ask(client) for _ in range(20)))
    check_joined(heard)
    assert Counter(type(event) for event in heard) == {
        AttemptStarted: 30,
        AttemptFailed: 10,
        CoolingDown: 10,
        AttemptFinished: 20,
    }
    failed = {event.id for event in of(AttemptFailed, heard)}
    assert {event.id for event in of(CoolingDown, heard)} == failed
    assert {(event.page, event.walk) for event in of(AttemptStarted, heard)} == {(0, 0)}


async def test_the_requests_of_two_walks_are_told_apart(server: StandIn, connect: Any, waits: list[float]) -> None:
    heard: list[Any] = []
    server.faults.script("image-predictions", None, None, Fault.server_error(503), None, Fault.cut(5))
    client = connect(on_event=heard.append)

    async def ahead() -> None:
        async with client.image_predictions(EVAL, page_size=5).prefetch(3) as rows:
            async for _ in rows:
                pass

    async def one_by_one() -> None:
        async for _ in client.image_predictions(EVAL, page_size=10):
            await client.eval(EVAL)

    await asyncio.gather(ahead(), one_by_one())
    check_joined(heard)
    done = of(WalkDone, heard)
    assert sorted((event.rows, event.pages) for event in done) == [(30, 3), (30, 6)]
    pages_of = defaultdict(list)
    for page in of(PageReady, heard):
        pages_of[page.walk].append(page)
    assert sorted(map(len, pages_of.values())) == [3, 6]
    for event in done:
        pages = pages_of[event.walk]
        assert [page.offset for page in pages] == list(range(0, 30, 30 // event.pages))
        numbers = {page.page for page in pages}
        assert len(numbers) == len(pages)
        assert {event.page for event in of(AttemptStarted, heard) if event.walk == pages[0].walk} == numbers
    # The calls in the body of the walk are not the walk's.
    assert {e.walk for e in of(AttemptStarted, heard) if not e.path.endswith("image-predictions")} == {0}


@pytest.mark.parametrize("ahead", [True, False])
async def test_the_end_of_a_walk_is_told_whatever_it_is(ahead: bool, server: StandIn, connect: Any) -> None:
    async def events_of(faults: list[Fault | None], leave: bool = False, cancel: bool = False) -> list[Any]:
        heard: list[Any] = []
        server.faults.clear()
        server.faults.script("image-predictions", *faults)
        walk = connect(on_event=heard.append, max_attempts=1).image_predictions(EVAL, page_size=10)
        with anyio.move_on_after(0.1 if cancel else 60):
            try:
                if ahead:
                    async with walk.prefetch(2) as rows:
                        async for _ in rows:
                            if leave:
                                break
                else:
                    rows = aiter(walk)
                    async for _ in rows:
                        if leave:
                            await rows.aclose()
            except EvalsError:
                pass
        check_joined(heard)
        return of((WalkDone, WalkStopped), heard)

    (done,) = await events_of([])
    assert (type(done), done.rows) == (WalkDone, 30)
    (failed,) = await events_of([None, Fault.server_error(500)])
    assert (type(failed), failed.rows, failed.error) == (WalkStopped, 10, "ServerError")
    (left,) = await events_of([], leave=True)
    assert (type(left), left.error) == (WalkStopped, None)
    (cancelled,) = await events_of([None, Fault.stalled(), Fault.stalled()], cancel=True)
    assert (type(cancelled), cancelled.rows, cancelled.error) == (WalkStopped, 10, None)
    assert len({done.walk, failed.walk, left.walk, cancelled.walk}) == 4


async def test_a_walk_that_goes_on_keeps_its_number(server: StandIn, connect: Any) -> None:
    heard: list[Any] = []
    server.faults.script("image-predictions", None, Fault.server_error(500))
    pages = connect(on_event=heard.append, max_attempts=1).image_predictions(EVAL, page_size=10).pages()
    await anext(pages)
    with pytest.raises(ServerError):
        await anext(pages)
    assert len([page async for page in pages]) == 2
    ends = of((WalkStopped, WalkDone), heard)
    assert [type(event) for event in ends] == [WalkStopped, WalkDone]
    assert len({event.walk for event in ends}) == 1
    check_joined(heard)


async def test_an_attempt_that_is_cancelled_has_an_end(server: StandIn, connect: Any, ask: Any) -> None:
    heard: list[Any] = []
    server.faults.always(EVAL, Fault.stalled())
    with pytest.raises(DeadlineExceededError):
        await ask(connect(on_event=heard.append, deadline=0.05))
    assert [type(event) for event in heard] == [AttemptStarted, AttemptCancelled]
    assert heard[1].seconds >= 0.04


async def test_a_poll_is_told(server: StandIn, connect: Any) -> None:
    heard: list[Any] = []
    await connect(on_event=heard.append).wait_done(EVAL)
    (polled,) = of(Polled, heard)
    assert (polled.eval_id, polled.status) == (EVAL, "done")


async def test_no_event_has_the_key_or_the_query(server: StandIn, connect: Any, waits: list[float]) -> None:
    heard: list[Any] = []
    server.faults.script("image-predictions", Fault.rate_limited(1), Fault(status=404, body=server.api_key.encode()))
    client = connect(on_event=heard.append)
    for confidence in (37, None, None):
        try:
            async with client.image_predictions(EVAL, page_size=10, confidence=confidence).prefetch() as rows:
                async for _ in rows:
                    pass
        except EvalsError:
            pass
    await client.wait_done(EVAL)
    await client.performance_by_class(EVAL)
    assert {type(event) for event in heard} >= {AttemptFailed, CoolingDown, PageReady, WalkStopped, Polled}
    shown = repr(heard) + msgspec.json.encode(heard).decode()
    for secret in (server.api_key, "?", "limit=", "confidence=37", "Bearer"):
        assert secret not in shown


async def test_nothing_is_built_when_nobody_listens(
    server: StandIn, connect: Any, ask: Any, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError

    for module in ("core.tries", "paging.iterate", "paging.prefetch", "roboflow.many"):
        for name in (*(kind.__name__ for kind in Event.__subclasses__()), "next_id"):
            monkeypatch.setattr(f"roboflow_evals_async.{module}.{name}", never, raising=False)
    server.faults.script(EVAL, Fault.server_error(503))
    client = connect()
    await ask(client)
    await client.wait_done(EVAL)
    async with client.image_predictions(EVAL, page_size=10).prefetch() as rows:
        await anext(rows)
    assert len([row async for row in client.image_predictions(EVAL, page_size=10)]) == 30
    assert events_module.place.get() == (0, 0)


@pytest.mark.parametrize("ahead", [False, True], ids=["sequential", "read ahead"])
async def test_a_listener_that_fails_costs_no_page(
    ahead: bool, server: StandIn, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(event: Event) -> None:
        raise LookupError(type(event).__name__)

    walk = connect(on_event=listener).image_predictions(EVAL, page_size=5)
    expected = [image.image_name for image in await connect().image_predictions(EVAL).collect()]
    if ahead:
        async with walk.prefetch(3) as rows:
            assert [image.image_name async for image in rows] == expected
    else:
        assert [image.image_name async for image in walk] == expected
    assert {"AttemptStarted", "AttemptFinished", "PageReady", "WalkDone"} <= {
        record.getMessage().split()[-1] for record in caplog.records
    }


async def test_the_log_joins_the_lines_of_an_attempt(
    server: StandIn, connect: Any, ask: Any, caplog: pytest.LogCaptureFixture, waits: list[float]
) -> None:
    logger = logging.getLogger("evals-joined")
    caplog.set_level(logging.DEBUG, logger=logger.name)
    server.faults.script(EVAL, Fault.server_error(503))
    client = connect(on_event=logging_listener(logger))
    await ask(client)
    lines = [record.getMessage() for record in caplog.records if record.name == logger.name]
    numbers = [line.rpartition(" id=")[2] for line in lines]
    assert [len(list(group)) for _, group in groupby(numbers)] == [3, 2]
    assert all(" page=" not in line and " walk=" not in line for line in lines)
