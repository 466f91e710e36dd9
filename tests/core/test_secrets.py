"""Where a key could hide: headers of answers, spellings of it, the causes of errors, keys that were rotated."""

import asyncio
import base64
import pickle
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from roboflow_evals_async import AuthenticationError, ConnectionFailedError, EvalsClient, EvalsError
from roboflow_evals_async.core.errors import error_from_reply
from roboflow_evals_async.core.key import Key

KEY = "rf+key/with=odd_Characters"
FORMS = (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode().rstrip("="))


def everything(error: BaseException) -> str:
    """All texts that hang on an error: its own, its attributes', its causes' and those of the frames' values."""
    texts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        texts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        error = error.__context__ or error.__cause__  # type: ignore[assignment]
    return "\n".join(texts)


@pytest.mark.parametrize("form", FORMS)
def test_the_key_is_taken_out_however_it_is_spelled(form: str) -> None:
    body = b'{"error": "x y", "message": "no key %s here"}' % form.encode()
    error = error_from_reply(404, {"x-request-id": f"req-{form}"}, body, scrub=Key(KEY).scrub)
    assert error.request_id == "req-***"
    assert "***" in error.message
    assert form not in everything(error)
    assert form.encode() not in pickle.dumps(error)


async def test_the_key_before_the_present_one_is_taken_out_too() -> None:
    keys = iter(["first-key", "second-key"])
    key = Key(lambda: next(keys))
    assert [await key.current(), await key.current()] == ["first-key", "second-key"]
    assert key.scrub("first-key, second-key") == "***, ***"
    assert key.header() == {"Authorization": "Bearer second-key"}


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "answer",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"],
    ids=["status line", "length", "header"],
)
async def test_no_cause_of_an_error_holds_the_headers(answer: bytes) -> None:
    async with raw_server(answer) as url, EvalsClient(api_key=KEY, workspace="w", base_url=url) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.with_options(max_attempts=1).eval("x")
    found = everything(caught.value)
    # The test's own frames know the key; the library's must not show it.
    assert "Bearer" not in found
    assert caught.value.__context__ is None


@pytest.mark.parametrize("wrong", [b"key", 5, None], ids=repr)
def test_a_key_that_is_no_key_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(EvalsError, match="key or token is a"):
        Key(wrong)


async def test_a_plain_function_may_tell_the_key(server: Any) -> None:
    options = {"workspace": server.workspace, "base_url": server.url}
    async with EvalsClient(api_key=lambda: server.api_key, **options) as client:
        assert len(await client.evals(limit=1)) == 1
    async with EvalsClient(api_key=lambda: "wrong", **options) as client:
        with pytest.raises(AuthenticationError):
            await client.evals()
