"""How the command ends: exit codes, and what is said on stderr."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from roboflow_evals_async.cli.exits import Exit, exit_of
from roboflow_evals_async.core import errors
from roboflow_evals_async.testing import Fault, StandIn

from .conftest import Rfevals


def test_the_table() -> None:
    api: dict[str, Any] = {"status": 400}
    table = [
        (errors.EvalsError("x"), 1),
        (errors.ConnectionFailedError("x"), 1),
        (errors.AttemptTimeoutError("x"), 1),
        (errors.ServerError("x", **api), 1),
        (errors.RateLimitedError("x", **api), 1),
        (errors.DecodeError("x"), 1),
        (errors.PaginationDriftError("x"), 1),
        (OSError("x"), 1),
        (errors.AuthenticationError("x", **api), 2),
        (errors.AccessDeniedError("x", **api), 2),
        (errors.ConfigError("x"), 2),
        (errors.NotFoundError("x", **api), 3),
        (errors.EvalNotFoundError("x", **api), 3),
        (errors.ReportNotFoundError("x", **api), 3),
        (errors.EvalNotDoneError("x", **api), 4),
        (errors.EvalFailedError("x", **api), 4),
        (errors.NotTrainedError("x", **api), 4),
        (errors.InvalidRequestError("x", **api), 5),
        *((errors.InvalidArgumentError("x", field=name), 5) for name in ("split", "confidence", "status", "limit")),
        (errors.DeadlineExceededError("x"), 8),
        *((errors.InvalidArgumentError("x", field=name), 64) for name in ("eval_id", "workspace", "project")),
        (KeyboardInterrupt(), 130),
        (asyncio.CancelledError(), 1),
    ]
    assert [exit_of(error) for error, _ in table] == [code for _, code in table]
    assert [*Exit] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 130, 143]


CASES = [
    (("get", "aaaaaaaaaaaaaaaaaaaa"), 3, "model_eval_not_found"),
    (("map-results", "RUNNING"), 4, "model_eval_not_done"),
    (("recommendations", "RUNNING"), 4, "EVAL_NOT_DONE"),
    (("performance-by-class", "DONE", "--split", "all"), 5, "invalid_argument"),
    (("image-predictions", "DONE", "--split", "tset"), 5, "invalid_argument"),
    (("confusion-matrix", "DONE", "-c", "101"), 5, "invalid_argument"),
    (("confusion-matrix", "DONE", "-c", "0.2"), 5, "invalid_argument"),
    (("confusion-matrix", "DONE", "-c", "21"), 3, "report_not_found"),
    (("image-predictions", "DONE", "-n", "0"), 5, "invalid_argument"),
    (("image-predictions", "DONE", "-n", "1001"), 5, "invalid_argument"),
    (("image-predictions", "DONE", "-o", "-1"), 5, "invalid_argument"),
    (("list", "--status", "finished"), 5, "invalid_argument"),
    (("list", "--limit", "many"), 5, "invalid_argument"),
    (("compare", "-p", "road-scenes", "--version", "5", "--frontier-metric", "mAP"), 5, "invalid_frontier_metric"),
    (("compare", "-p", "nope", "--version", "1"), 3, "not_found"),
    (("rivergen", "summary", "mdl-draft"), 4, "MODEL_NOT_TRAINED"),
    (("rivergen", "summary", "mdl-nope"), 3, "RESOURCE_NOT_FOUND"),
    (("rivergen", "summary", "mdl-forbidden"), 2, "PERMISSION_DENIED"),
    (("rivergen", "summary", "mdl-nulls", "--dataset-split", "all"), 5, "invalid_argument"),
    (("get", ".."), 64, "invalid_argument"),
    (("get", "compare"), 64, "invalid_argument"),
    (("list", "-w", "other"), 2, "GraphMethodException"),
    (("list", "-k", "wrong"), 2, "OAuthException"),
    (("list", "--region", "moon"), 2, "config"),
    (("list", "--base-url", "ftp://x"), 2, "config"),
    (("get",), 64, "usage"),
    (("image-predictions", "a", "b"), 64, "usage"),
    *(((command, "-"), 64, "usage") for command in ("image-predictions", "wait", "snapshot")),
    (("gte", "a"), 64, "usage"),
    (("list", "--nope"), 64, "usage"),
    (("list", "--limit"), 64, "usage"),
    (("compare", "-p", "x"), 64, "usage"),
    (("stand-in", "--port", "70000"), 64, "invalid_argument"),
    (("stand-in", "--latency", "-1"), 64, "invalid_argument"),
]


@pytest.mark.parametrize(("argv", "code", "named"), CASES, ids=[" ".join(argv) for argv, _, _ in CASES])
def test_errors(rfevals: Rfevals, detection: str, running: str, argv: tuple[str, ...], code: int, named: str) -> None:
    words = [{"RUNNING": running, "DONE": detection}.get(word, word) for word in argv]
    plain = rfevals(*words)
    assert (plain.code, plain.out) == (code, "")
    assert plain.err.startswith("Error: ")
    assert plain.err.count("\n") == 1
    structured = rfevals(*words, "--json")
    assert (structured.code, structured.out) == (code, "")
    error = structured.error
    assert list(error) == ["message", "hint", "code", "status", "retryable"]
    assert (error["code"], error["retryable"]) == (named, False)
    assert error["message"]
    assert error["message"].rstrip(".") in plain.err


def test_local_refusals_send_nothing(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    before = len(served.requests)
    assert rfevals("confusion-matrix", detection, "--split", "x").code == 5
    assert len(served.requests) == before


@pytest.mark.parametrize("fault", [Fault.server_error(500), Fault.rate_limited(0), Fault.cut()])
def test_an_outage_is_1_and_may_be_repeated(
    rfevals: Rfevals, served: StandIn, detection: str, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    # The waits between tries are the library's, and tested there.
    monkeypatch.setattr("roboflow_evals_async.core.retry.wait_after", lambda *_: 0.0)
    served.faults.script("map-results", fault, fault, fault, fault)
    result = rfevals("map-results", detection, "--json")
    assert result.code == 1
    assert result.error["retryable"] is True
    assert "after 4 tries" in result.error["message"]


def test_no_key(run: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("list")
    assert result.code == 2
    assert "ROBOFLOW_API_KEY" in result.err
    assert result.err.count("\n") == 1
    monkeypatch.setenv("RF_WORKSPACE", "some-workspace")
    result = run("list")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "some-workspace" in result.err
    assert run("list", "-k", "").code == 2


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_broken_configuration_file(run: Rfevals, tmp_path: Path, content: str) -> None:
    path = tmp_path / "home" / ".config" / "roboflow" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    result = run("list")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert str(path) in result.err
    assert run("list", "--demo").code == 0


def test_the_key_is_shown_nowhere(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    secret = "sekret-0123456789-sekret"  # the stand-in's 401 echoes it, as the real one does
    for argv in (
        ("list", "-k", secret),
        ("list", "--api-key", secret, "--json"),
        ("rivergen", "summary", "mdl-nulls", "--token", secret),
        ("list", f"--api-key={secret}", "--workspace", "x"),
        ("lits", "-k", secret),
    ):
        result = rfevals(*argv, "-vv")
        assert result.code in (2, 64)
        assert secret not in result.out + result.err
    good = rfevals("map-results", detection, "-vv")
    assert "AttemptFinished" in good.err
    assert served.api_key not in good.out + good.err


def test_verbose_tells_of_retries(
    rfevals: Rfevals, served: StandIn, detection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roboflow_evals_async.core.retry.wait_after", lambda *_: 0.0)
    served.faults.script("map-results", Fault.server_error())
    result = rfevals("-v", "map-results", detection, "--json")
    assert result.code == 0
    assert "AttemptFailed" in result.err
    assert "status=503" in result.err
    assert "AttemptFinished" not in result.err
    served.faults.script("map-results", Fault.server_error())
    assert rfevals("map-results", detection).err == ""


def test_the_advice_on_a_bad_body_is_true(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    def told(body: bytes, *argv: str) -> str:
        served.faults.script("model-evals", Fault.rewritten(lambda _: body))
        result = rfevals(*argv)
        assert (result.code, result.out) == (1, "")
        assert "send_raw" not in result.err
        return result.err

    for argv in (("map-results", detection), ("map-results", detection, "--json"), ("list",), ("list", "--json")):
        for body in (b"<html>Please log in</html>", b"[1]"):
            err = told(body, *argv)
            assert "Is the base URL right?" in err
            assert "--json prints" not in err
    odd = b'{"splits": 5}'
    assert "--json prints what the server sent" in told(odd, "map-results", detection)
    served.faults.script("map-results", Fault.rewritten(lambda _: odd))
    assert rfevals("map-results", detection, "--json").json == {"splits": 5}
    # These read what they print.
    for argv in (("list",), ("list", "--json")):
        err = told(b'{"evals": 5}', *argv)
        assert "please report this" in err
        assert "--json prints" not in err


def test_an_unexpected_fault_is_one_line(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("gears jammed")

    monkeypatch.setattr("roboflow_evals_async.cli.reading.list_matching", fail)
    result = rfevals("list")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "RuntimeError: gears jammed" in result.err
    assert "Traceback" in rfevals("list", "-vv").err


def test_what_the_server_says_cannot_steer_the_terminal(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    text = b'{"error":"model_eval_not_done","message":"line one\\nline two \\u001b[31mred [bold]x[/bold]"}'
    served.faults.script("map-results", Fault(status=409, body=text))
    result = rfevals("map-results", detection)
    assert result.err.count("\n") == 1
    assert "\x1b" not in result.err
    assert "[bold]x[/bold]" in result.err
    name = json.dumps("\x1b]0;title\x07 [red]name[/red]").encode()
    served.faults.script("map-results", Fault.rewritten(lambda _: b'{"splits":{' + name + b':{"map50":1}}}'))
    shown = rfevals("map-results", detection).out
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", shown)
    assert "[red]name[/red]" in shown
