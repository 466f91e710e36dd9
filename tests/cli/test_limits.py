"""The global options that limit what is sent: rate, concurrency, deadline, timeout and retries."""

import math
import re
from inspect import signature
from typing import Any

import pytest

from roboflow_evals_async.cli.context import Globals
from roboflow_evals_async.cli.exits import text_of
from roboflow_evals_async.cli.limits import limits
from roboflow_evals_async.core.errors import InvalidArgumentError
from roboflow_evals_async.roboflow.client import EvalsClient
from roboflow_evals_async.testing import Fault, Faults, StandIn, World

from .conftest import Rfevals


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("rate", ("0", "-1", "nan", "inf", "fast", "5/m", "")),
        ("max_concurrency", ("0", "-1", "1.5", "many")),
        ("deadline", (0.0, -1.0, math.nan, math.inf)),
        ("timeout", (0.0, -1.0, math.nan, math.inf)),
        ("retries", ("-1", "0.5", "some")),
    ],
)
def test_a_bad_value_is_refused(option: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(InvalidArgumentError) as caught:
            limits(Globals(**{option: value}))
        assert caught.value.field == option
        assert text_of(caught.value).message.startswith(f"--{option.replace('_', '-')} is ")
        assert caught.value.hint


@pytest.mark.parametrize(
    "words", ["--rate 0/s", "--max-concurrency x", "--deadline -1", "--deadline soon", "--timeout nan", "--retries=-1"]
)
def test_a_bad_value_is_one_line_that_names_the_option(run: Rfevals, words: str) -> None:
    # There is no key either: what is wrong with the words is said first.
    for command in ("list", "rivergen summary mdl-nulls"):
        result = run(*words.split(), *command.split())
        assert (result.code, result.out, result.err.count("\n")) == (64, "", 1)
        assert re.split("[ =]", words)[0] in result.err


def test_the_limits_of_the_library_hold_where_none_are_given() -> None:
    found, library = limits(Globals()), signature(EvalsClient).parameters
    assert found.gate.slots == library["max_concurrency"].default
    assert found.options.timeout == library["timeout"].default
    assert found.options.deadline is library["deadline"].default
    assert found.options.retry.max_attempts == library["max_attempts"].default


def test_help_tells_the_limits_that_hold(run: Rfevals) -> None:
    text = re.sub(r"[\s│]+", " ", run("list", "--help").out)
    found = limits(Globals())
    assert f"under way at once; else {found.gate.slots}." in text
    assert f"each piece of an answer; else {found.options.timeout:g}." in text
    assert f"at most so often; else {found.options.retry.max_attempts - 1} times." in text


def test_what_is_carried_on_is_neither_the_key_nor_a_deadline_that_is_over() -> None:
    given = Globals(
        api_key="secret", workspace="w", base_url="http://x", region="eu", rate="5/s", max_concurrency="3",
        deadline=1.5, timeout=20, retries="0", demo=True, json=True,
    )  # fmt: skip
    words = given.carried(deadline=True)
    assert " ".join(words) == (
        "--workspace w --base-url http://x --region eu --rate 5/s --max-concurrency 3 --deadline 1.5 --timeout 20 "
        "--retries 0 --demo"
    )
    assert "--deadline" not in given.carried(deadline=False)
    assert Globals().carried(deadline=True) == []


@pytest.mark.parametrize("argv", [("--retries", "0"), ("--retries=2",)])
def test_retries_are_the_tries_after_the_first(
    rfevals: Rfevals, faults: Faults, served: StandIn, detection: str, monkeypatch: pytest.MonkeyPatch,
    argv: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.setattr("roboflow_evals_async.core.retry.wait_after", lambda *_: 0.0)
    faults.always("map-results", Fault.server_error())
    tries = 1 + int(argv[-1][-1])
    before = len(served.requests)
    assert rfevals(*argv, "map-results", detection).code == 1
    assert len(served.requests) - before == tries
    faults.always("summary", Fault.server_error())
    before = len(served.requests)
    assert rfevals("rivergen", "summary", "mdl-nulls", *argv).code == 1
    assert len(served.requests) - before == tries


def test_a_deadline_that_passes_is_8(rfevals: Rfevals, faults: Faults, detection: str) -> None:
    faults.always("", Fault.stalled())
    for argv in (("get", detection), ("list",), ("rivergen", "summary", "mdl-nulls"), ("image-predictions", detection)):
        result = rfevals(*argv, "--deadline", "0.1")
        assert (result.code, result.out, result.err.count("\n")) == (8, "", 1)
        assert "Give a longer --deadline" in result.err


def test_a_wait_that_the_deadline_has_no_room_for_is_refused_at_once(
    rfevals: Rfevals, faults: Faults, served: StandIn, detection: str
) -> None:
    faults.script("map-results", Fault.rate_limited(30))
    before = len(served.requests)
    assert rfevals("map-results", detection, "--deadline", "20").code == 8
    assert len(served.requests) - before == 1


def test_a_timeout_ends_a_try(rfevals: Rfevals, faults: Faults, detection: str) -> None:
    faults.always("map-results", Fault.stalled())
    result = rfevals("map-results", detection, "--timeout", "0.1", "--retries", "0")
    assert result.code == 1
    assert "within 0.1 s" in result.err
    assert "--timeout" in result.err


@pytest.mark.parametrize("rate", ["20", "20/s"])
def test_a_rate_spreads_requests(rfevals: Rfevals, served: StandIn, world: World, rate: str) -> None:
    before = len(served.requests)
    assert rfevals("get", *world.eval_ids[:5], "--rate", rate, "-q").code == 0
    times = [request.time for request in served.requests[before:]]
    # Four gaps of a twentieth; a turn that comes a little late is made up for by the next.
    assert times[-1] - times[0] >= 0.19


def test_so_many_are_under_way_at_once(rfevals: Rfevals, faults: Faults, served: StandIn, world: World) -> None:
    faults.always("map-results", Fault.slow(0.03))
    done = [one.eval_id for one in world.evaluations if one.spec.status == "done"][:6]
    for slots in (1, 3):
        served.max_in_flight = 0
        assert rfevals("map-results", *done, "-q", f"--max-concurrency={slots}").code == 0
        assert served.max_in_flight == slots
