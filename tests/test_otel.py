"""Spans from events: a walk, its pages and their attempts, kept apart under concurrency, ended however they end."""

import asyncio
import importlib
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from roboflow_evals_async import ConfigError, DeadlineExceededError, EvalsClient, EvalsError, ServerError
from roboflow_evals_async import otel as otel_module
from roboflow_evals_async.core.events import AttemptStarted, WalkStopped
from roboflow_evals_async.otel import tracing_listener
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 60}), EvaluationSpec(images={"test": 40})])
EVAL, OTHER = WORLD.eval_ids


class Traced:
    """A client whose spans are kept."""

    def __init__(self, server: StandIn, **options: Any) -> None:
        self.kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.tracer = provider.get_tracer("test")
        self.listener = tracing_listener(self.tracer)
        options = {"api_key": server.api_key, "max_attempts": 1, "on_event": self.listener, **options}
        self.client = EvalsClient(workspace=server.workspace, base_url=server.url, **options)

    @property
    def open(self) -> int:
        """Spans that have begun and not ended."""
        spans: Any = self.listener.__self__  # type: ignore[attr-defined]
        return len(spans._attempts) + len(spans._walks)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.kept.get_finished_spans() if span.name == name]


def within(parent: ReadableSpan, spans: list[ReadableSpan]) -> list[ReadableSpan]:
    """The spans that are children of this one."""
    return [span for span in spans if span.parent is not None and span.parent.span_id == parent.context.span_id]


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[StandIn]:
    async with StandIn(WORLD) as stand_in:
        yield stand_in


@pytest.fixture
async def traced(server: StandIn) -> AsyncIterator[Callable[..., Traced]]:
    made: list[Traced] = []

    def make(**options: Any) -> Traced:
        made.append(Traced(server, **options))
        return made[-1]

    yield make
    for one in made:
        await one.client.aclose()
        assert one.open == 0


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(anyio, "sleep", sleep)


async def test_a_call_is_a_span_of_a_client(server: StandIn, traced: Any) -> None:
    one = traced()
    with one.tracer.start_as_current_span("mine"):
        await one.client.eval(EVAL)
    (mine,), (call,) = one.named("mine"), one.named("GET")
    assert within(mine, [call]) == [call]
    assert call.kind is trace.SpanKind.CLIENT
    assert call.status.status_code is trace.StatusCode.UNSET
    given = facts(call)
    size = given.pop("evals.body.size")
    assert size > 100
    assert given == {
        "http.request.method": "GET",
        "url.path": f"/{server.workspace}/model-evals/{EVAL}",
        "evals.asked": f"evaluation {EVAL!r}",
        "http.response.status_code": 200,
    }


@pytest.mark.usefixtures("no_waiting")
async def test_each_try_is_a_span_and_a_failure_says_why(server: StandIn, traced: Any) -> None:
    server.faults.script(EVAL, Fault.server_error(503), Fault.cut(10))
    one = traced(max_attempts=3)
    await one.client.eval(EVAL)
    tries = one.named("GET")
    shown = [
        (facts(span).get("error.type"), facts(span).get("http.response.status_code"), span.status.status_code.name)
        for span in tries
    ]
    assert shown == [("ServerError", 503, "ERROR"), ("TruncatedBodyError", None, "ERROR"), (None, 200, "UNSET")]
    assert [facts(span).get("http.request.resend_count") for span in tries] == [None, 1, 2]


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.usefixtures("no_waiting")
async def test_a_walk_holds_its_pages_and_they_their_attempts(ahead: bool, server: StandIn, traced: Any) -> None:
    server.faults.script(lambda request: request.query.get("offset") == "20", Fault.server_error(503))
    one = traced(max_attempts=2)
    walk = one.client.image_predictions(EVAL, page_size=10)
    with one.tracer.start_as_current_span("mine"):
        if ahead:
            async with walk.prefetch(4, adaptive=False) as rows:
                assert len([row async for row in rows]) == 60
        else:
            assert len(await walk.collect()) == 60
    (mine,), (walked,), pages, tries = (one.named(name) for name in ("mine", "evals.walk", "evals.page", "GET"))
    assert within(mine, [walked, *pages, *tries]) == [walked]
    assert (facts(walked)["evals.rows"], facts(walked)["evals.pages"]) == (60, 6)
    assert within(walked, pages) == pages
    assert [facts(page)["evals.offset"] for page in pages] == [0, 10, 20, 30, 40, 50]
    assert [len(within(page, tries)) for page in pages] == [1, 1, 2, 1, 1, 1]
    for outer, inner in [(walked, pages), *((page, within(page, tries)) for page in pages)]:
        for span in inner:
            assert outer.start_time <= span.start_time <= span.end_time <= outer.end_time
    if not ahead:
        assert all(one.end_time <= other.start_time for one, other in pairwise(pages))


@pytest.mark.usefixtures("no_waiting")
async def test_walks_at_the_same_time_are_not_mixed_up(server: StandIn, traced: Any) -> None:
    server.faults.script("image-predictions", *[None, Fault.server_error(503)] * 8)
    one = traced(max_attempts=4)

    async def read(eval_id: str, page_size: int) -> None:
        async with one.client.image_predictions(eval_id, page_size=page_size).prefetch(4, adaptive=False) as rows:
            async for _ in rows:
                await asyncio.sleep(0)

    await asyncio.gather(*(read(eval_id, size) for eval_id in (EVAL, OTHER, EVAL) for size in (5, 10, 20)))
    walks, pages, tries = (one.named(name) for name in ("evals.walk", "evals.page", "GET"))
    assert len(walks) == 9
    for walked in walks:
        own = within(walked, pages)
        assert len(own) == facts(walked)["evals.pages"]
        assert sum(facts(page)["evals.rows"] for page in own) == facts(walked)["evals.rows"]
        offsets = [facts(page)["evals.offset"] for page in own]
        assert offsets == sorted(set(offsets))
        for page in own:
            assert {facts(span)["evals.asked"] for span in within(page, tries)} == {facts(walked)["evals.asked"]}
            assert [facts(span).get("error.type") for span in within(page, tries)][-1] is None
    assert sum(len(within(page, tries)) for page in pages) == len(tries)
    rows = Counter((facts(walked)["evals.asked"], facts(walked)["evals.rows"]) for walked in walks)
    assert sorted(rows.values()) == [3, 6]


@pytest.mark.parametrize("ahead", [True, False])
async def test_a_page_that_fails_fails_its_walk_and_no_other_page(ahead: bool, server: StandIn, traced: Any) -> None:
    server.faults.always(lambda request: request.query.get("offset") == "20", Fault.server_error(500))
    one = traced()
    walk = one.client.image_predictions(EVAL, page_size=10)

    async def read() -> None:
        if ahead:
            async with walk.prefetch(4, adaptive=False) as rows:
                async for _ in rows:
                    pass
        else:
            await walk.collect()

    with pytest.raises(ServerError):
        await read()
    (walked,) = one.named("evals.walk")
    assert (walked.status.status_code, facts(walked)["error.type"]) == (trace.StatusCode.ERROR, "ServerError")
    assert facts(walked)["evals.rows"] == 20
    failed = [page for page in one.named("evals.page") if "error.type" in facts(page)]
    assert len(failed) == 1
    assert [facts(span)["http.response.status_code"] for span in within(failed[0], one.named("GET"))] == [500]


@pytest.mark.parametrize("leave", ["break", "cancel", "deadline"])
async def test_what_is_left_is_ended_and_no_error(leave: str, server: StandIn, traced: Any) -> None:
    server.faults.script("image-predictions", None)
    server.faults.always("image-predictions", Fault.stalled())
    one = traced()
    deadline = 0.1 if leave == "deadline" else None
    with anyio.move_on_after(0.1 if leave == "cancel" else 60):
        try:
            async with one.client.image_predictions(EVAL, page_size=10, deadline=deadline).prefetch(3) as rows:
                async for _ in rows:
                    if leave == "break" and len(server.requests) == 3:
                        break
                    await asyncio.sleep(0.005)
        except DeadlineExceededError:
            assert leave == "deadline"
    (walked,) = one.named("evals.walk")
    assert facts(walked).get("error.type") == ("DeadlineExceededError" if leave == "deadline" else None)
    ended = [span for span in one.named("GET") if facts(span).get("evals.cancelled")]
    assert len(ended) == 2
    assert all("error.type" not in facts(span) for span in ended)
    assert len(one.named("evals.page")) == 3


async def test_walks_of_a_fan_out_that_is_left_are_ended(server: StandIn, traced: Any) -> None:
    one = traced()
    async with one.client.walk_all([EVAL, OTHER], page_size=10) as pages:
        async for _ in pages:
            break
    assert len(one.named("evals.walk")) == 2


async def test_a_pause_is_seen_in_the_attempt_that_it_holds_back(
    server: StandIn, traced: Any, no_waiting: None
) -> None:
    one = traced()
    one.client._session.gate.cool_down(20)
    await one.client.eval(EVAL)
    (call,) = one.named("GET")
    (event,) = call.events
    assert event.name == "cooling down"
    assert 19 < (event.attributes or {})["evals.wait"] <= 22  # type: ignore[operator]


async def test_no_span_has_the_key_or_the_query(server: StandIn, traced: Any) -> None:
    one = traced()
    for confidence in (None, 37):
        with suppress(EvalsError):
            await one.client.image_predictions(EVAL, page_size=10, confidence=confidence).collect()
    shown = repr([(span.name, facts(span), span.events, span.status) for span in one.kept.get_finished_spans()])
    assert "image-predictions" in shown
    for secret in (server.api_key, "?", "limit", "confidence", "Bearer"):
        assert secret not in shown


def test_walks_that_never_end_are_ended_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel_module, "_MOST_WALKS", 5)
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    listen = tracing_listener(provider.get_tracer("test"))
    for number in range(1, 13):
        listen(AttemptStarted("the x", "/x", 1, number, number, number))
    assert [span.name for span in kept.get_finished_spans()] == ["evals.page", "evals.walk"] * 7
    # What is told of a walk that has been given up, or was never heard of, is nothing.
    for walk in (1, 99, 0):
        listen(WalkStopped("the x", 0, 0, 0.0, "ServerError", walk))
    assert len(kept.get_finished_spans()) == 14


def test_without_a_tracer_the_global_one_is_used() -> None:
    listen = tracing_listener()
    listen(AttemptStarted("the x", "/x", 1, 1, 1, 1))
    listen(WalkStopped("the x", 0, 0, 0.0, None, 1))


def test_without_the_package_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "roboflow_evals_async.otel")
    again = importlib.import_module("roboflow_evals_async.otel")
    with pytest.raises(ConfigError) as caught:
        again.tracing_listener()
    assert "pip install 'roboflow-evals-async[otel]'" in str(caught.value)
    assert caught.value.__suppress_context__
