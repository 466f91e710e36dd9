"""One call over real sockets: what is tried again, what is refused, what ends, and what must never leak."""

import asyncio
import copy
import gzip
import logging
import pickle
import ssl
import traceback
from time import monotonic
from typing import Any

import aiohttp
import anyio
import pytest

from roboflow_evals_async.core import transport
from roboflow_evals_async.core.errors import (
    AccessDeniedError,
    APIError,
    AttemptTimeoutError,
    AuthenticationError,
    ClientStateError,
    ConfigError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    EvalNotDoneError,
    EvalsError,
    RateLimitedError,
    ServerError,
    TruncatedBodyError,
)
from roboflow_evals_async.core.events import AttemptFailed, AttemptFinished, AttemptStarted, CoolingDown, Event
from roboflow_evals_async.core.options import Options
from roboflow_evals_async.core.transport import check_base_url
from roboflow_evals_async.roboflow import endpoints
from roboflow_evals_async.roboflow.client import EvalsClient
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

WORLD = World(seed=5, evaluations=[EvaluationSpec(images={"test": 30})])
EVAL = WORLD.eval_ids[0]
REQUEST = endpoints.eval_(EVAL)

# -- retried, and then all is well -------------------------------------------------------------------------------------

PASSING = {
    **{str(status): Fault.server_error(status) for status in (408, 425, 500, 502, 503, 504)},
    "429": Fault.rate_limited(),
    "body cut on the wire": Fault.cut(10),
    "JSON cut": Fault.rewritten(lambda body: body[: len(body) // 2]),
}


@pytest.mark.parametrize("name", PASSING)
async def test_a_passing_trouble_is_not_seen(
    name: str, server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.script(EVAL, PASSING[name], PASSING[name])
    assert (await ask(connect())).eval_id == EVAL
    assert len(server.requests) == 3
    assert server.faults.pending == 0
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.5
    assert 0 <= waits[1] <= 1.0


async def test_a_reset_connection_is_not_seen(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.script(EVAL, Fault.connection_reset(), Fault.connection_reset())
    assert (await ask(connect())).eval_id == EVAL
    assert server.faults.pending == 0
    # aiohttp itself sends a GET once more when the connection drops: two resets may be one failed try.
    assert 1 <= len(waits) <= 2


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 423, 501])
async def test_an_answer_is_asked_for_once(
    status: int, server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.always(EVAL, Fault(status=status, body=b'{"message":"m"}', headers={"Retry-After": "1"}))
    with pytest.raises(APIError) as caught:
        await ask(connect())
    assert caught.value.status == status
    assert caught.value.attempts == 1
    assert len(server.requests) == 1
    assert waits == []


async def test_what_is_no_json_is_asked_for_once(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.not_json())
    with pytest.raises(DecodeError, match="HTML") as caught:
        await ask(connect())
    assert caught.value.attempts == 1
    assert len(server.requests) == 1


async def test_the_tries_are_counted_and_end(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.always(EVAL, Fault.server_error(503))
    with pytest.raises(ServerError) as caught:
        await ask(connect(max_attempts=3))
    assert caught.value.attempts == 3
    assert len(server.requests) == 3
    assert len(waits) == 2
    assert caught.value.url == f"{server.url}/{server.workspace}/model-evals/{EVAL}"


async def test_a_single_try_is_one_request(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.always(EVAL, Fault.server_error(503))
    client = connect()
    with pytest.raises(ServerError) as caught:
        await ask(client.with_options(max_attempts=1))
    assert caught.value.attempts == 1
    assert len(server.requests) == 1
    assert waits == []


async def test_another_failure_ends_the_tries(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.script(EVAL, Fault.server_error(), Fault.error(409, "model_eval_not_done"))
    with pytest.raises(EvalNotDoneError) as caught:
        await ask(connect())
    assert caught.value.attempts == 2
    assert len(waits) == 1


async def test_a_refused_connection_is_tried_again(connect: Any, ask: Any, waits: list[float]) -> None:
    async with StandIn(WORLD) as gone:
        url = gone.url
    with pytest.raises(ConnectionFailedError, match="The connection to 127") as caught:
        await ask(connect(base_url=url))
    assert caught.value.attempts == 4
    assert len(waits) == 3


async def test_an_answer_that_is_no_http_is_a_failed_connection(connect: Any, ask: Any, raw_server: Any) -> None:
    async with raw_server(b"SSH-2.0-server\r\n\r\n") as raw:
        with pytest.raises(ConnectionFailedError):
            await ask(connect(base_url=raw.url, max_attempts=1))
        assert len(raw.received) == 1


# -- waiting -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
async def test_the_servers_wait_is_obeyed(
    status: int, server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.script(EVAL, Fault(status=status, headers={"Retry-After": "40"}))
    await ask(connect())
    assert len(server.requests) == 2
    assert 40 <= waits[0] <= 44


async def test_a_reset_moment_is_obeyed(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.script(EVAL, Fault(status=429, headers={"X-RateLimit-Reset": "20"}))
    await ask(connect())
    assert 20 <= waits[0] <= 22


async def test_a_wait_beyond_the_deadline_is_refused_at_once(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.rate_limited(60))
    begun = monotonic()
    with pytest.raises(DeadlineExceededError, match="deadline") as caught:
        await ask(connect(deadline=20))
    assert monotonic() - begun < 2
    assert caught.value.wait is not None
    assert 60 <= caught.value.wait <= 66
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, RateLimitedError)
    assert len(server.requests) == 1


async def test_a_wait_beyond_reason_is_refused_without_a_deadline(
    server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.always(EVAL, Fault.rate_limited(3600))
    client = connect()
    with pytest.raises(RateLimitedError) as caught:
        await ask(client)
    assert caught.value.retry_after == 3600
    assert caught.value.attempts == 1
    server.faults.clear()
    await ask(client)  # and the others are not held back
    assert waits == []


async def test_one_refusal_holds_back_the_whole_client(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.script(EVAL, Fault.rate_limited(60))
    client = connect()
    with pytest.raises(RateLimitedError):
        await ask(client.with_options(max_attempts=1))
    with pytest.raises(DeadlineExceededError, match="asked to pause"):
        await ask(client.with_options(deadline=20))
    assert len(server.requests) == 1


async def test_no_more_requests_than_slots(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.slow(0.01))
    async with aiohttp.ClientSession() as wide:
        client = connect(max_concurrency=2, session=wide)
        await asyncio.gather(*(ask(client) for _ in range(8)))
    assert server.max_in_flight == 2


async def test_no_slot_is_held_while_waiting(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.script(EVAL, Fault.server_error())
    client = connect(max_concurrency=1, on_event=lambda event: seen.append((event, client._session.gate.in_use)))
    seen: list[tuple[Event, int]] = []
    await ask(client)
    assert [held for event, held in seen if isinstance(event, CoolingDown)] == [0]


# -- time --------------------------------------------------------------------------------------------------------------


async def test_the_deadline_ends_a_stalled_call(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.stalled())
    client = connect(deadline=0.1)
    begun = monotonic()
    with pytest.raises(DeadlineExceededError, match="not finished") as caught:
        await ask(client)
    assert 0.09 <= monotonic() - begun < 0.3
    assert caught.value.attempts == 1
    assert caught.value.wait is None
    server.faults.clear()
    assert (await ask(client)).eval_id == EVAL


async def test_the_deadline_covers_a_trickling_body(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault(trickle=0.02))
    begun = monotonic()
    with pytest.raises(DeadlineExceededError):
        await ask(connect(deadline=0.1, timeout=10))
    assert monotonic() - begun < 0.3


async def test_a_given_end_counts_beside_the_deadline(server: StandIn, connect: Any) -> None:
    server.faults.always(EVAL, Fault.stalled())
    client = connect(deadline=30)
    with pytest.raises(DeadlineExceededError):
        await client.send(REQUEST, end=anyio.current_time() + 0.05)


async def test_silence_ends_one_try(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.script(EVAL, Fault.stalled())
    client = connect(timeout=0.05)
    assert (await ask(client)).eval_id == EVAL
    server.faults.always(EVAL, Fault.stalled())
    with pytest.raises(AttemptTimeoutError, match=r"within 0\.05 s"):
        await ask(client.with_options(max_attempts=1))


@pytest.mark.parametrize("fault", [None, Fault.slow(0.01), Fault(trickle=0.0002), Fault.stalled()], ids=str)
async def test_a_cancelled_call_leaves_nothing_taken(
    fault: Fault | None, server: StandIn, connect: Any, ask: Any
) -> None:
    client = connect(max_concurrency=2)
    if fault is not None:
        server.faults.always(EVAL, fault)

    async def cancelled(delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await ask(client)
        except TimeoutError:
            return

    # Eight callers for two slots: some are cancelled in the queue, some at each stage of their exchange.
    await asyncio.gather(*(cancelled(delay) for delay in (0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.03)))
    server.faults.clear()
    gate, http = client._session.gate, client._session._http
    assert gate.in_use == 0
    assert http is not None
    assert not http.connector._acquired
    results = await asyncio.gather(ask(client), ask(client))
    assert [result.eval_id for result in results] == [EVAL, EVAL]


async def test_a_wait_can_be_cancelled(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault.rate_limited(30))
    client = connect()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(client)
    assert len(server.requests) == 1
    assert client._session.gate.in_use == 0


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=200, body=b" " * 5000),
        Fault(status=200, body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}),
        Fault(status=500, body=b"x" * 5000),
    ],
    ids=["plain", "bomb", "error page"],
)
async def test_a_body_beyond_the_limit_is_refused(
    fault: Fault, server: StandIn, connect: Any, ask: Any, waits: list[float]
) -> None:
    server.faults.script(EVAL, fault)
    client = connect(max_body=4096)
    with pytest.raises(DecodeError, match=r"larger than 4096 bytes \(max_body\)"):
        await ask(client)
    assert (await ask(client)).eval_id == EVAL
    assert waits == []


async def test_a_compressed_body_is_read(server: StandIn, connect: Any, ask: Any) -> None:
    body = gzip.compress(b'{"evalId":"%s","status":"zipped"}' % EVAL.encode())
    server.faults.script(EVAL, Fault(status=200, body=body, headers={"Content-Encoding": "gzip"}))
    assert (await ask(connect())).status == "zipped"


async def test_a_broken_compression_is_a_cut_body(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.script(EVAL, Fault(status=200, body=b"no gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(TruncatedBodyError):
        await ask(connect(max_attempts=1))


async def test_the_raw_body_is_the_servers(server: StandIn, connect: Any, waits: list[float]) -> None:
    client = connect()
    body = b' {"evalId": NaN,"new":[1, 2]}\n'
    server.faults.script(EVAL, Fault(status=200, body=body), Fault(status=200, body=body[:9]), None)
    assert await client.send_raw(REQUEST) == body
    assert (await client.send_raw(REQUEST)).startswith(b'{"evalId"')
    assert len(waits) == 1
    server.faults.script(EVAL, Fault.not_json())
    with pytest.raises(DecodeError):
        await client.send_raw(REQUEST)


async def test_a_fetched_body_is_unread_and_failures_are_told(
    server: StandIn, connect: Any, waits: list[float]
) -> None:
    server.faults.script(EVAL, Fault.server_error(), Fault(status=200, body=b"{cut"))
    told: list[EvalsError] = []
    assert await connect().fetch(REQUEST, watch=told.append) == b"{cut"
    assert [type(error) for error in told] == [ServerError]
    assert len(waits) == 1


# -- redirects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_on_the_server_is_followed_with_the_key(
    status: int, server: StandIn, connect: Any, ask: Any
) -> None:
    target = f"/{server.workspace}/model-evals/{EVAL}?moved=1"
    server.faults.script(EVAL, Fault(status=status, headers={"Location": target}))
    assert (await ask(connect())).eval_id == EVAL
    assert [request.auth for request in server.requests] == ["bearer", "bearer"]
    assert server.requests[1].query == {"moved": "1"}


async def test_credentials_in_a_redirect_do_not_displace_the_key(server: StandIn, connect: Any, ask: Any) -> None:
    target = f"{server.url.replace('//', '//user:word@')}/{server.workspace}/model-evals/{EVAL}"
    server.faults.script(EVAL, Fault(status=302, headers={"Location": target}))
    assert (await ask(connect())).eval_id == EVAL
    assert server.requests[1].auth == "bearer"


async def test_no_other_server_gets_the_key(server: StandIn, connect: Any, ask: Any, raw_server: Any) -> None:
    async with raw_server(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"evalId": "x"}') as other:
        for target in (other.url + "/x", other.url.removeprefix("http:"), "http://[broken", "ftp://127.0.0.1/x"):
            server.faults.script(EVAL, Fault(status=302, headers={"Location": target}))
            with pytest.raises(APIError, match="another origin") as caught:
                await ask(connect())
            assert caught.value.status == 302
            assert caught.value.attempts == 1
        assert other.received == []
    assert len(server.requests) == 4


async def test_a_circle_of_redirects_ends(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    server.faults.always("", Fault(status=302, headers={"Location": "/round"}))
    with pytest.raises(ConnectionFailedError, match="circle") as caught:
        await ask(connect())
    assert caught.value.attempts == 1
    assert len(server.requests) == 3
    assert waits == []


async def test_a_redirect_to_nowhere_is_an_answer(server: StandIn, connect: Any, ask: Any) -> None:
    server.faults.always(EVAL, Fault(status=304))
    with pytest.raises(APIError) as caught:
        await ask(connect())
    assert caught.value.status == 304


# -- the key -----------------------------------------------------------------------------------------------------------


class Provider:
    """Hands out the keys in turn, the last one for ever."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        return self.keys[min(self.asked, len(self.keys)) - 1]


async def test_an_expired_key_is_asked_for_again_once(server: StandIn, connect: Any, ask: Any) -> None:
    provider = Provider("expired", server.api_key)
    client = connect(api_key=provider, max_attempts=1)
    assert (await ask(client)).eval_id == EVAL
    assert (provider.asked, len(server.requests)) == (2, 2)
    await ask(client)
    assert (provider.asked, len(server.requests)) == (3, 3)


async def test_a_key_that_stays_wrong_is_told(server: StandIn, connect: Any, ask: Any) -> None:
    provider = Provider("expired")
    with pytest.raises(AuthenticationError) as caught:
        await ask(connect(api_key=provider))
    assert caught.value.attempts == 2
    assert (provider.asked, len(server.requests)) == (2, 2)


async def test_what_a_provider_raises_goes_to_the_caller(server: StandIn, connect: Any, ask: Any) -> None:
    async def broken() -> str:
        raise LookupError("the vault is sealed")

    client = connect(api_key=broken, max_concurrency=1)
    for _ in range(2):
        with pytest.raises(LookupError, match="sealed"):
            await ask(client)
    with pytest.raises(ConfigError, match="empty"):
        await ask(connect(api_key=Provider(" ")))
    assert server.requests == []


async def test_the_key_is_nowhere(
    server: StandIn, connect: Any, ask: Any, raw_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "aiohttp.access", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    asyncio.get_running_loop().set_debug(True)
    key, events, errors = "a-wrong-key-4711", [], []
    client = connect(api_key=key, on_event=events.append, max_attempts=2, timeout=0.05)
    server.faults.script(
        EVAL,
        None,  # 401 with the key in its body
        Fault(status=404, body=b'{"error":{"type":"GraphMethodException","message":"no a-wrong-key-4711"}}'),
        Fault(status=500, body=b"<html>a-wrong-key-4711"),
        Fault(status=500, body=b"plain a-wrong-key-4711"),
        Fault.connection_reset(),
        Fault.stalled(),
        Fault.cut(5),
        Fault(status=200, body=b'{"evalId":["a-wrong-key-4711"]}'),
        Fault(status=302, headers={"Location": "http://other.example/?api_key=a-wrong-key-4711"}),
    )
    async with raw_server(b"HTTP/9 a-wrong-key-4711\r\n\r\n") as odd:
        while server.faults.pending:
            with pytest.raises(EvalsError) as caught:
                await ask(client)
            errors.append(caught.value)
        with pytest.raises(EvalsError) as caught:
            await ask(connect(api_key=key, base_url=odd.url, on_event=events.append, max_attempts=1))
        errors.append(caught.value)
    assert AuthenticationError in {type(error) for error in errors}
    assert len(errors) >= 6
    shown = [repr(client), repr(client._session), repr(client._session.key), repr(vars(client)), repr(events)]
    for error in errors:
        shown += [str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
        shown.append(repr(pickle.dumps(error)))
    records = [record for record in caplog.records if record.name != "aiohttp.server"]
    shown += [record.getMessage() + repr(vars(record)) for record in records]
    assert not [text for text in shown if key in text]


async def test_neither_client_nor_key_is_pickled(connect: Any, ask: Any) -> None:
    client = connect()
    await ask(client)
    for thing in (client, client._session, client._session.key):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            duplicate(client._session.key)


async def test_the_key_of_a_foreign_workspace_is_denied(server: StandIn, connect: Any, ask: Any) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        await ask(connect(workspace="elsewhere"))
    assert caught.value.reason == "workspace"
    with pytest.raises(AccessDeniedError) as caught:
        await ask(connect(api_key=server.unscoped_key))
    assert caught.value.reason == "scope"


# -- events ------------------------------------------------------------------------------------------------------------


async def test_a_listener_hears_each_step(server: StandIn, connect: Any, ask: Any, waits: list[float]) -> None:
    events: list[Any] = []
    server.faults.script(EVAL, Fault.server_error(503), Fault.cut(5))
    await ask(connect(on_event=events.append))
    assert [type(event) for event in events] == [
        *(AttemptStarted, AttemptFailed, CoolingDown),
        *(AttemptStarted, AttemptFailed, CoolingDown),
        *(AttemptStarted, AttemptFinished),
    ]
    assert {event.path for event in events} == {f"/{server.workspace}/model-evals/{EVAL}"}
    assert {event.asked for event in events} == {f"evaluation {EVAL!r}"}
    assert [event.attempt for event in events if isinstance(event, AttemptStarted)] == [1, 2, 3]
    failed = [event for event in events if isinstance(event, AttemptFailed)]
    assert [(event.error, event.status) for event in failed] == [("ServerError", 503), ("TruncatedBodyError", None)]
    assert [event.seconds for event in events if isinstance(event, CoolingDown)] == waits
    assert events[-1].size == len(WORLD.find(EVAL).get())  # type: ignore[union-attr]
    assert 0 < events[-1].seconds < 10


async def test_trace_configs_reach_aiohttp(connect: Any, ask: Any) -> None:
    seen: list[str] = []

    async def on_start(_session: object, _context: object, parameters: aiohttp.TraceRequestStartParams) -> None:
        seen.append(parameters.method)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_start)
    await ask(connect(trace_configs=[trace]))
    assert seen == ["GET"]


# -- life --------------------------------------------------------------------------------------------------------------


async def test_a_closed_client_says_so(server: StandIn, connect: Any, ask: Any) -> None:
    async with connect() as client:
        await ask(client)
    await client.aclose()
    with pytest.raises(ClientStateError, match="closed"):
        await ask(client)
    unused = connect()
    await unused.aclose()
    with pytest.raises(ClientStateError, match="closed"):
        await ask(unused)
    assert len(server.requests) == 1


async def test_a_borrowed_session_stays_open(server: StandIn, connect: Any, ask: Any) -> None:
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        async with connect(session=http) as client:
            assert (await ask(client)).eval_id == EVAL
            server.faults.script(EVAL, Fault.error(409, "model_eval_not_done"))
            with pytest.raises(EvalNotDoneError):
                await ask(client)
        assert not http.closed
        orphan = connect(session=http)
    with pytest.raises(ClientStateError, match="handed in is closed"):
        await ask(orphan)


def test_a_client_of_another_loop_says_so() -> None:
    with StandIn(WORLD).in_thread() as server, asyncio.Runner() as first, asyncio.Runner() as second:
        client = EvalsClient(api_key=server.api_key, workspace=server.workspace, base_url=server.url)
        assert first.run(client.eval(EVAL)).eval_id == EVAL
        with pytest.raises(ClientStateError, match="another event loop"):
            second.run(client.eval(EVAL))
        assert first.run(client.eval(EVAL)).eval_id == EVAL
        first.run(client.aclose())
    assert len(server.requests) == 2


async def test_a_view_shares_the_connections(server: StandIn, connect: Any, ask: Any) -> None:
    client = connect()
    view = client.with_options(timeout=5, deadline=9, max_attempts=2, max_body=10_000)
    assert client._options == Options()
    assert view._options == Options().changed(timeout=5, deadline=9, max_attempts=2, max_body=10_000)
    await ask(client)
    await ask(view)
    assert len({request.peer for request in server.requests}) == 1
    assert repr(view) == f"<EvalsClient of {server.url}>"


# -- small rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.com", "https://api.example.com"),
        (" http://localhost:8080/ ", "http://localhost:8080"),
        ("https://example.com/gateway/v1/", "https://example.com/gateway/v1"),
    ],
)
def test_a_base_url_is_kept_without_its_slash(given: str, kept: str) -> None:
    assert check_base_url(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "api.example.com",
        "ftp://x.example",
        "https://",
        "http://[x",
        "http://u:pass-word@x",
        "https://x?k=pass-word",
    ],
)
def test_a_base_url_that_is_none_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(ConfigError, match="base URL") as caught:
        check_base_url(given)
    assert "pass-word" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_untrusted_certificate_is_beyond_help() -> None:
    key: Any = type("Key", (), {"host": "x", "port": 443, "is_ssl": True, "ssl": True})()
    error = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("self-signed"))
    named = transport._transport_error(error, "https://x.example/a", 5)
    assert type(named) is ConnectionFailedError
    assert not named.retryable
    assert "x.example:443" in str(named)
