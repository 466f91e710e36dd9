"""`wait`: until an evaluation is done, has failed, or patience ends."""

import re

import pytest

from roboflow_evals_async.roboflow import many
from roboflow_evals_async.testing import Fault, Faults, World

from .conftest import Ask, Rfevals

RUNNING = Fault.rewritten(lambda body: body.replace(b'"status":"done"', b'"status":"running"'))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation takes minutes; a test does not wait for them."""
    monkeypatch.setattr(many, "_FIRST_POLL", 0.01)


def test_what_is_done_is_shown_at_once_as_get_does(rfevals: Rfevals, detection: str) -> None:
    assert rfevals("wait", detection) == rfevals("get", detection)
    assert rfevals("wait", detection, "--json") == rfevals("get", detection, "--json")


def test_it_waits_until_it_is_done(rfevals: Rfevals, faults: Faults, ask: Ask, detection: str) -> None:
    for argv in ((), ("--json",), ("--deadline", "30")):
        faults.script(detection, RUNNING, RUNNING, None)
        result = rfevals("wait", detection, *argv)
        assert (result.code, result.err) == (0, "")
        assert faults.pending == 0
        assert (result.json == ask(f"/{detection}")) if "--json" in argv else "done" in result.out


def test_polls_are_told_with_v(rfevals: Rfevals, faults: Faults, detection: str) -> None:
    faults.script(detection, RUNNING, Fault.server_error(500), RUNNING, None)
    result = rfevals("wait", detection, "-v")
    told = re.findall(rf"^Evaluation {detection} is (\w+) after \d+ s\.$", result.err, flags=re.MULTILINE)
    assert told == ["running", "running", "done"]
    assert "AttemptFailed" in result.err
    assert "Polled" in rfevals("wait", detection, "-vv").err


def test_polls_are_told_on_a_terminal(
    rfevals: Rfevals, faults: Faults, detection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    faults.script(detection, RUNNING, None)
    shown = rfevals("wait", detection).err
    assert f"Evaluation {detection} is done" in shown
    assert shown.endswith("\x1b[2K")  # and nothing of it stays
    for option in ("-q", "--no-progress"):
        assert rfevals("wait", detection, option).err == ""


def test_what_has_failed_is_4(rfevals: Rfevals, world: World) -> None:
    failed = world.first(status="failed").eval_id
    result = rfevals("wait", failed)
    assert (result.code, result.out, result.err.count("\n")) == (4, "", 1)
    assert "has failed" in result.err
    assert "HTTP" not in result.err
    structured = rfevals("wait", failed, "--json")
    assert (structured.code, structured.error["code"]) == (4, "eval_failed")


def test_when_time_is_over_it_is_8(rfevals: Rfevals, faults: Faults, running: str) -> None:
    result = rfevals("wait", running, "--deadline", "0.1")
    assert (result.code, result.out, result.err.count("\n")) == (8, "", 1)
    assert "not done within 0.1 s. Give a longer --deadline" in result.err
    faults.always("", Fault.stalled())  # not even one poll
    result = rfevals("wait", running, "--deadline", "0.1", "--json")
    assert (result.code, result.error["code"]) == (8, "deadline_exceeded")


@pytest.mark.parametrize(("argv", "code"), [(("a" * 20,), 3), (("..",), 64), ((), 64), (("a", "b"), 64)])
def test_what_cannot_be_waited_for(rfevals: Rfevals, argv: tuple[str, ...], code: int) -> None:
    result = rfevals("wait", *argv)
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
