"""The small parts: keys, limits, events."""

import logging
from typing import Any

import pytest

from roboflow_evals_async.core.errors import ConfigError, InvalidArgumentError
from roboflow_evals_async.core.events import AttemptFailed, AttemptStarted, logging_listener
from roboflow_evals_async.core.key import Key
from roboflow_evals_async.core.options import Options


async def test_a_key_is_shown_to_the_server_only() -> None:
    key = Key(" secret-key\n")
    assert await key.current() == key.value == "secret-key"
    assert not key.renewable
    assert "secret" not in f"{key} {key!r}"


async def test_a_provider_is_asked_each_time() -> None:
    keys = iter(["one", "two"])

    async def provider() -> str:
        return next(keys)

    key = Key(provider)
    assert key.renewable
    assert key.value == ""
    assert [await key.current(), await key.current(), key.value] == ["one", "two", "two"]


@pytest.mark.parametrize("wrong", ["", "  ", "a b", "a\nb", "schlüssel", "a\x00b"])
async def test_what_is_no_key_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Key(wrong)
    assert "\n" not in str(caught.value)
    assert not wrong.strip() or wrong not in str(caught.value)

    async def provider() -> str:
        return wrong

    with pytest.raises(ConfigError):
        await Key(provider).current()


async def test_a_provider_that_gives_no_text_is_refused() -> None:
    async def provider() -> Any:
        return None

    with pytest.raises(ConfigError, match="empty"):
        await Key(provider).current()


def test_only_what_is_given_changes() -> None:
    options = Options().changed(deadline=9, max_attempts=2)
    assert (options.timeout, options.deadline, options.max_body) == (60.0, 9.0, 64 * 1024 * 1024)
    assert (options.retry.max_attempts, options.retry.base) == (2, 0.5)
    assert options.changed(deadline=None).deadline is None
    assert options.changed() == options


@pytest.mark.parametrize("field", ["timeout", "deadline"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "5"])
def test_what_is_no_time_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Options().changed(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["max_body", "max_attempts"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "5"])
def test_what_is_no_count_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Options().changed(**{field: value})
    assert caught.value.field == field


def test_events_become_lines(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("evals-test")
    listen = logging_listener(logger)
    caplog.set_level(logging.WARNING, logger=logger.name)
    listen(AttemptStarted("the x", "/x", 1))
    listen(AttemptFailed("the x", "/x", 1, 0.5, "ServerError", 503))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            "AttemptFailed asked='the x' path='/x' attempt=1 seconds=0.5 error='ServerError' status=503",
        )
    ]
    caplog.set_level(logging.DEBUG, logger=logger.name)
    listen(AttemptStarted("the x", "/x", 2))
    assert caplog.records[-1].levelno == logging.DEBUG
    assert caplog.records[-1].getMessage() == "AttemptStarted asked='the x' path='/x' attempt=2"
