"""Which failures are tried again, and when."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboflow_evals_async.core.errors import (
    APIError,
    AttemptTimeoutError,
    AuthenticationError,
    ClientStateError,
    ConfigError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    EvalsError,
    InvalidArgumentError,
    PaginationDriftError,
    RateLimitedError,
    ServerError,
    TruncatedBodyError,
    error_from_reply,
)
from roboflow_evals_async.core.retry import RetryPolicy, asked_wait, is_retryable, retry_after, wait_after

NOW = datetime(2026, 3, 13, 14, 22, 10, tzinfo=UTC)
POLICY = RetryPolicy()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_these_statuses_are_tried_again(status: int) -> None:
    assert is_retryable(error_from_reply(status, {}, b"<html>"))


@pytest.mark.parametrize("status", [204, 301, 400, 401, 402, 403, 404, 405, 409, 410, 422, 423, 501, 505])
def test_these_statuses_are_answers(status: int) -> None:
    assert not is_retryable(error_from_reply(status, {}, b""))


def test_a_code_in_the_body_decides_whatever_the_status() -> None:
    assert not is_retryable(error_from_reply(503, {}, b'{"error":"model_eval_not_done","message":"m"}'))
    assert is_retryable(error_from_reply(400, {}, b'{"error":"rate_limited","message":"m"}'))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionFailedError("x"), True),
        (ConnectionFailedError("x", retryable=False), False),
        (AttemptTimeoutError("x"), True),
        (TruncatedBodyError("x"), True),
        (DecodeError("x"), False),
        (DeadlineExceededError("x"), False),
        (PaginationDriftError("x"), False),
        (InvalidArgumentError("x", field="f"), False),
        (ConfigError("x"), False),
        (ClientStateError("x"), False),
        (EvalsError("x"), False),
        (AuthenticationError("x", status=503), False),
        (APIError("x", status=404), False),
        (asyncio.CancelledError(), False),
        (KeyboardInterrupt(), False),
        (TimeoutError(), False),
        (OSError(), False),
        (KeyError(), False),
    ],
    ids=repr,
)
def test_these_errors_are_or_are_not_tried_again(error: BaseException, again: bool) -> None:
    assert is_retryable(error) is again


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=90)).replace("+0000", "-0000")}, 90.0),
        ({"Retry-After": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 0.0),
        ({"Retry-After": "Fri, 13 Mar 2026 15:22:40 +0100"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "-inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"X-RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Reset": "-12"}, 0.0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 45)}, 45.0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) - 45)}, 0.0),
        ({"X-RateLimit-Reset": "later"}, None),
        ({"X-RateLimit-Reset": "nan"}, None),
        ({"Retry-After": "3", "X-RateLimit-Reset": "99"}, 3.0),
        ({"Retry-After": "soon", "X-RateLimit-Reset": "99"}, 99.0),
    ],
    ids=str,
)
def test_the_servers_number_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW.timestamp()) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d( [+-]\d{1,6}| GMT)?"))
def test_no_header_makes_it_fail(text: str) -> None:
    for name in ("Retry-After", "X-RateLimit-Reset"):
        seconds = retry_after({name: text}, NOW.timestamp())
        assert seconds is None or 0 <= seconds < float("inf")


SEEDS = st.integers(0, 2**32)


@given(asked=st.floats(0, 1e6), seed=SEEDS, failures=st.integers(1, 50), limited=st.booleans())
def test_it_never_comes_back_sooner_than_told(asked: float, seed: int, failures: int, limited: bool) -> None:
    error = RateLimitedError("x", status=429) if limited else ServerError("x", status=503)
    error.retry_after = asked
    random.seed(seed)
    assert asked_wait(error) == asked
    assert asked <= wait_after(error, failures, POLICY) <= asked + max(0.25, asked / 10)


@given(failures=st.integers(1, 10_000), seed=SEEDS)
def test_without_a_number_the_jitter_is_full(failures: int, seed: int) -> None:
    random.seed(seed)
    wait = wait_after(ConnectionFailedError("x"), failures, POLICY)
    assert 0 <= wait <= min(30.0, 0.5 * 2 ** (min(failures, 20) - 1))


def test_the_jitter_spreads_over_the_whole_span() -> None:
    random.seed(7)
    waits = [wait_after(ServerError("x", status=500), 3, POLICY) for _ in range(400)]
    assert min(waits) < 0.1 < 1.9 < max(waits) <= 2.0
    told = RateLimitedError("x", status=429)
    told.retry_after = 10.0
    waits = [wait_after(told, 1, POLICY) for _ in range(400)]
    assert 10.0 <= min(waits) < 10.1
    assert 10.9 < max(waits) <= 11.0


def test_only_the_servers_failures_carry_a_wait() -> None:
    assert asked_wait(TruncatedBodyError("x")) is None
    assert asked_wait(RateLimitedError("x", status=429)) is None
