"""Each fault does to a real connection what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic

import aiohttp
import pytest

from roboflow_evals_async.testing import EvaluationSpec, Fault, Faults, RecordedRequest, StandIn, World

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 30})])
PAGE = f"/{WORLD.workspace}/model-evals/{WORLD.eval_ids[0]}/image-predictions"


class Asker:
    """A stand-in with one fault in its script, and a session to ask it with."""

    def __init__(self, stand_in: StandIn, http: aiohttp.ClientSession) -> None:
        self.stand_in = stand_in
        self.http = http

    async def get(self, path: str = PAGE) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.http.get(self.stand_in.url + path) as reply:
            return reply, await reply.read()


@pytest.fixture
async def asker() -> AsyncIterator[Asker]:
    async with (
        StandIn(WORLD) as s,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {s.api_key}"}) as http,
    ):
        yield Asker(s, http)


async def good(asker: Asker) -> None:
    reply, body = await asker.get()
    assert reply.status == 200
    assert json.loads(body)["totalImages"] == 30


async def test_a_script_is_met_in_order_and_then_all_is_well(asker: Asker) -> None:
    faults = asker.stand_in.faults
    faults.script("image-predictions", Fault.server_error(503), None, Fault.rate_limited(retry_after=2))
    assert faults.pending == 3
    seen = [await asker.get() for _ in range(5)]
    assert [reply.status for reply, _ in seen] == [503, 200, 429, 200, 200]
    assert seen[2][0].headers["Retry-After"] == "2"
    assert faults.pending == 0
    assert [request.status for request in asker.stand_in.requests] == [503, 200, 429, 200, 200]


async def test_a_script_leaves_other_paths_alone(asker: Asker) -> None:
    asker.stand_in.faults.script("confusion-matrix", Fault(status=500))
    await good(asker)
    assert asker.stand_in.faults.pending == 1


async def test_a_predicate_matches_on_the_request(asker: Asker) -> None:
    asker.stand_in.faults.always(lambda request: request.query.get("offset") == "20", Fault(status=502))
    assert (await asker.get(f"{PAGE}?offset=20"))[0].status == 502
    assert (await asker.get(f"{PAGE}?offset=10"))[0].status == 200


async def test_scripts_go_before_standing_faults(asker: Asker) -> None:
    asker.stand_in.faults.always("image-predictions", Fault(status=500)).script("image-predictions", None)
    assert [(await asker.get())[0].status for _ in range(3)] == [200, 500, 500]
    asker.stand_in.faults.clear()
    await good(asker)


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        (Fault.rate_limited(), None),
        (Fault.rate_limited(0.5), "0.5"),
        (Fault.rate_limited("Wed, 21 Oct 2026 07:28:00 GMT"), "Wed, 21 Oct 2026 07:28:00 GMT"),
    ],
)
async def test_rate_limits(asker: Asker, fault: Fault, retry_after: str | None) -> None:
    asker.stand_in.faults.script("", fault)
    reply, body = await asker.get()
    assert reply.status == 429
    assert reply.headers.get("Retry-After") == retry_after
    assert json.loads(body)["error"] == "rate_limited"


async def test_headers_and_body_of_an_error(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault(status=418, body=b"teapot", headers={"X-Kind": "pot"}))
    reply, body = await asker.get()
    assert (reply.status, body, reply.headers["X-Kind"]) == (418, b"teapot", "pot")
    asker.stand_in.faults.script("", Fault.error(404, "report_not_found", 'no "such" report'))
    assert json.loads((await asker.get())[1]) == {"error": "report_not_found", "message": 'no "such" report'}
    asker.stand_in.faults.script("", Fault.server_error(502))
    reply, body = await asker.get()
    assert (reply.content_type, body[:6]) == ("text/html", b"<html>")


async def test_headers_on_a_good_answer(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault(headers={"X-API-Deprecated": "true"}))
    reply, body = await asker.get()
    assert (reply.status, reply.headers["X-API-Deprecated"]) == (200, "true")
    assert json.loads(body)["totalImages"] == 30


async def test_garbage(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault.not_json())
    reply, body = await asker.get()
    assert (reply.status, reply.content_type) == (200, "text/html")
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@pytest.mark.parametrize("after", [0, 10, 1000])
async def test_a_cut_body(asker: Asker, after: int) -> None:
    asker.stand_in.faults.script("", Fault.cut(after))
    async with asker.http.get(asker.stand_in.url + PAGE) as reply:
        assert int(reply.headers["Content-Length"]) > 1000
        with pytest.raises(aiohttp.ClientPayloadError):
            await reply.read()
    await good(asker)


async def test_a_cut_sends_just_those_bytes(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault.cut(10))
    reader, writer = await asyncio.open_connection("127.0.0.1", asker.stand_in.port)
    writer.write(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {asker.stand_in.api_key}\r\n\r\n".encode())
    raw = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    assert raw.partition(b"\r\n\r\n")[2] == b'{"evalId":'


async def test_a_reset_connection(asker: Asker) -> None:
    asker.stand_in.faults.script("", *[Fault.connection_reset()] * 3)
    reader, writer = await asyncio.open_connection("127.0.0.1", asker.stand_in.port)
    writer.write(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    # aiohttp by itself sends an idempotent request once more.
    with pytest.raises(aiohttp.ClientOSError):
        await asker.get()
    await good(asker)
    assert [request.status for request in asker.stand_in.requests] == [None, None, None, 200]


async def test_a_stall_never_answers_and_ends_with_its_client(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault.stalled())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asker.get(), 0.1)
    await good(asker)
    for _ in range(100):  # the server hears of the closed connection a moment later
        if asker.stand_in.in_flight == 0:
            break
        await asyncio.sleep(0.01)
    assert asker.stand_in.in_flight == 0
    assert asker.stand_in.requests[0].status is None


@pytest.mark.parametrize("fault", [Fault.stalled(), Fault.slow(600.0), Fault(trickle=60.0)])
async def test_stopping_does_not_wait_for_what_is_held_back(fault: Fault) -> None:
    began = monotonic()
    arrived = asyncio.Event()

    def note(_: RecordedRequest) -> bool:
        arrived.set()
        return True

    async with aiohttp.ClientSession() as http, StandIn(WORLD, Faults().always(note, fault)) as s:
        asking = asyncio.create_task(http.get(s.url + PAGE))
        await asyncio.wait_for(arrived.wait(), 5)
        await s.stop()
        if fault.trickle is None:
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(asking, 5)
        else:
            with pytest.raises(aiohttp.ClientError):
                await (await asyncio.wait_for(asking, 5)).read()
    assert monotonic() - began < 3


async def test_a_delay(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault.slow(0.1))
    began = monotonic()
    await good(asker)
    assert monotonic() - began >= 0.09


async def test_latency_is_added_to_every_answer() -> None:
    async with StandIn(WORLD, latency=0.05) as s, aiohttp.ClientSession() as http:
        began = monotonic()
        async with http.get(s.url) as reply:
            assert reply.status == 401
        assert monotonic() - began >= 0.045


async def test_a_trickle_arrives_whole(asker: Asker) -> None:
    _, whole = await asker.get(f"{PAGE}?limit=1")
    asker.stand_in.faults.script("", Fault(trickle=0.0002), Fault(trickle=0.0))
    began = monotonic()
    _, body = await asker.get(f"{PAGE}?limit=1")
    assert body == whole
    assert monotonic() - began >= 0.0001 * len(whole)
    assert (await asker.get(f"{PAGE}?limit=1"))[1] == whole


async def test_a_changed_total(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault.changed_total(31))
    page = json.loads((await asker.get())[1])
    assert (page["totalImages"], len(page["images"])) == (31, 30)


async def test_a_rewritten_body(asker: Asker) -> None:
    asker.stand_in.faults.script("", Fault.rewritten(lambda body: body.replace(b'"split":"all"', b'"split":null')))
    reply, body = await asker.get()
    assert reply.status == 200
    assert json.loads(body)["split"] is None


async def test_a_closed_connection_is_not_used_again(asker: Asker) -> None:
    await good(asker)
    asker.stand_in.faults.script("", Fault(close=True))
    await good(asker)
    await good(asker)
    first, second, third = (request.peer for request in asker.stand_in.requests)
    assert first == second != third
