"""A panel of several evaluations: in order, side by side, from stdin as they come, and how it ends."""

import io
import json
import os
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from roboflow_evals_async.cli.several import in_order
from roboflow_evals_async.testing import Fault, Faults, RecordedRequest, StandIn, World

from .conftest import Ask, Rfevals, Start, settings

PANELS = (
    "map-results", "confidence-sweep", "performance-by-class", "confusion-matrix", "vector-analysis", "recommendations",
)  # fmt: skip
MISSING = "aaaaaaaaaaaaaaaaaaaa"


@pytest.fixture(scope="session")
def done(world: World) -> list[str]:
    return [one.eval_id for one in world.evaluations if one.spec.status == "done"]


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_json_lines_in_the_order_asked(rfevals: Rfevals, faults: Faults, ask: Ask, world: World) -> None:
    ids = [*reversed(world.eval_ids), world.eval_ids[0]]
    # The first one comes last.
    faults.always(ids[0], Fault.slow(0.1))
    result = rfevals("get", *ids, "--json")
    assert (result.code, result.err) == (0, "")
    assert [json.loads(line) for line in result.lines] == [ask(f"/{eval_id}") for eval_id in ids]


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_takes_several(rfevals: Rfevals, ask: Ask, done: list[str], panel: str) -> None:
    result = rfevals(panel, *done[:3], "--json")
    assert [json.loads(line) for line in result.lines] == [ask(f"/{eval_id}/{panel}") for eval_id in done[:3]]
    shown = rfevals(panel, *done[:3])
    assert (shown.code, shown.err) == (0, "")
    assert [line for line in shown.lines if line.startswith("Evaluation ")] == [f"Evaluation {one}" for one in done[:3]]
    # Each as it looks alone.
    alone = [f"Evaluation {one}\n{rfevals(panel, one).out}" for one in done[:3]]
    assert shown.out == "\n".join(alone)
    assert rfevals(panel, *done[:2], "-q").lines[0] == f"Evaluation {done[0]}"


def test_options_hold_for_all(rfevals: Rfevals, ask: Ask, done: list[str]) -> None:
    result = rfevals("confusion-matrix", *done[:2], "-s", "all", "-c", "50", "--json")
    expected = [ask(f"/{one}/confusion-matrix", split="all", confidence=50) for one in done[:2]]
    assert [json.loads(line) for line in result.lines] == expected


def test_get_shows_one_after_the_other(rfevals: Rfevals, done: list[str]) -> None:
    shown = rfevals("get", done[0], done[1])
    assert shown.out == f"{rfevals('get', done[0]).out}\n{rfevals('get', done[1]).out}"


@pytest.mark.parametrize("argv", [("--split", "tset"), ("-c", "0.2"), ("-c", "101")])
def test_what_is_wrong_for_all_is_said_once_and_nothing_is_sent(
    rfevals: Rfevals, served: StandIn, done: list[str], argv: tuple[str, ...]
) -> None:
    before = len(served.requests)
    result = rfevals("confusion-matrix", *done, *argv)
    assert (result.code, result.out, result.err.count("\n")) == (5, "", 1)
    assert len(served.requests) == before


def test_a_key_that_is_refused_ends_it_at_once(rfevals: Rfevals, done: list[str]) -> None:
    result = rfevals("get", *done, "-k", "wrong")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


def test_some_failures_are_6_and_the_others_come(rfevals: Rfevals, ask: Ask, detection: str, running: str) -> None:
    result = rfevals("map-results", running, detection, MISSING, "..", "--json")
    assert result.code == 6
    assert result.json == ask(f"/{detection}/map-results")
    errors = [json.loads(line) for line in result.err.splitlines()]
    assert [(one["evalId"], one["error"]["code"]) for one in errors] == [
        (running, "model_eval_not_done"),
        (MISSING, "model_eval_not_found"),
        ("..", "invalid_argument"),
    ]
    plain = rfevals("map-results", running, detection, MISSING)
    assert plain.code == 6
    assert plain.lines[0] == f"Evaluation {detection}"
    first, second = plain.err.splitlines()
    assert running in first
    assert MISSING in second


def test_each_failure_names_its_evaluation(rfevals: Rfevals, faults: Faults, detection: str) -> None:
    faults.always("map-results", Fault.connection_reset())
    result = rfevals("map-results", detection, MISSING, "--retries", "0")
    assert result.code == 1
    first, second = result.err.splitlines()
    assert first.startswith(f"Error: {detection}: ")
    assert second.startswith(f"Error: {MISSING}: ")


def test_where_all_fail_alike_it_is_their_code(rfevals: Rfevals, running: str) -> None:
    assert rfevals("get", MISSING, "b" * 20).code == 3
    assert rfevals("map-results", running, running, "--json").code == 4
    assert rfevals("map-results", running, MISSING).code == 6
    assert rfevals("get", "..", "compare").code == 64


def test_ids_come_from_stdin(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, ask: Ask, world: World) -> None:
    ids = list(world.eval_ids)
    typed(monkeypatch, rfevals("list", "-q").out)
    result = rfevals("get", "-", "--json")
    assert [json.loads(line) for line in result.lines] == [ask(f"/{one}") for one in ids]
    typed(monkeypatch, f"  {ids[1]}\r\n\n\t{ids[2]}")
    result = rfevals("get", ids[0], "-", ids[3], "--json")
    assert [json.loads(line)["evalId"] for line in result.lines] == ids[:4]
    typed(monkeypatch, ids[0])
    # From stdin it is lines, however many there are: a script need not know.
    assert rfevals("get", "-", "--json").out.count("\n") == 1


@pytest.mark.parametrize("stdin", ["", " \n "])
def test_no_id_is_no_error(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, stdin: str) -> None:
    typed(monkeypatch, stdin)
    result = rfevals("get", "-")
    assert (result.code, result.out) == (0, "")
    assert "no id" in result.err


@pytest.mark.parametrize("argv", [("get", "-"), ("export", "-", "-o", "never")])
def test_a_closed_stdin_is_refused(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", None)
    result = rfevals(*argv)
    assert (result.code, result.out, result.err.count("\n")) == (64, "", 1)
    assert "stdin is closed" in result.err
    assert list(tmp_path.iterdir()) == []


def test_ids_are_taken_as_they_come(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, served: StandIn, world: World
) -> None:
    reading, writing = os.pipe()
    asked_before_the_next: list[bool] = []

    def wait_for(before: int) -> bool:
        for _ in range(500):
            if len(served.requests) > before:
                return True
            threading.Event().wait(0.01)
        return False

    def type_slowly() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for eval_id in world.eval_ids[:3]:
                before = len(served.requests)
                # An id in two pieces.
                pipe.write(eval_id[:7].encode())
                pipe.write(f"{eval_id[7:]}\n".encode())
                asked_before_the_next.append(wait_for(before))

    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        typist = threading.Thread(target=type_slowly)
        typist.start()
        result = rfevals("get", "-", "--json")
        typist.join()
    assert asked_before_the_next == [True] * 3
    assert [json.loads(line)["evalId"] for line in result.lines] == list(world.eval_ids[:3])


def test_a_file_is_read_to_its_end(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, detection: str, tmp_path: Path
) -> None:
    file = tmp_path / "ids"
    file.write_text(f"{detection}\n{detection}")
    with file.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        result = rfevals("get", "-", "--json")
    assert (result.code, len(result.lines), result.err) == (0, 2, "")


def test_an_endless_stdin_is_taken_as_it_is_printed(start: Start, served: StandIn, detection: str) -> None:
    endless = (
        "import os, sys, threading; from roboflow_evals_async.cli import main; r, w = os.pipe(); sys.stdin = open(r)\n"
        f"def feed():\n    while True: os.write(w, b'{detection}\\n' * 1000)\n"
        "threading.Thread(target=feed, daemon=True).start(); sys.exit(main())"
    )
    with start("get", "-", "--json", code=endless, **settings(served)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(20):
            assert detection in process.stdout.readline()
        process.send_signal(2)
        assert "Traceback" not in process.stderr.read()
        process.stdout.close()
        assert process.wait() == 130


def test_a_silent_stdin_does_not_hold_up_ctrl_c(start: Start, served: StandIn, detection: str) -> None:
    code = (
        "import os, sys; from roboflow_evals_async.cli import main; r, w = os.pipe(); sys.stdin = open(r)\n"
        f"os.write(w, b'{detection}\\n'); sys.exit(main())"
    )
    with start("get", "-", "--json", code=code, **settings(served)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert detection in process.stdout.readline()
        process.send_signal(2)
        assert (process.wait(), process.stderr.read()) == (130, "")


def test_a_reader_that_goes_away_is_no_error(start: Start, served: StandIn, done: list[str]) -> None:
    with start("confidence-sweep", *done, *done, "--json", **settings(served)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


async def numbers(taken: list[str], count: int = 10) -> AsyncGenerator[str, None]:
    for number in range(count):
        taken.append(str(number))
        yield str(number)


async def test_neither_ids_nor_results_pile_up_behind_a_slow_one() -> None:
    taken: list[str] = []
    shown: list[str] = []
    slow = anyio.Event()

    async def work(eval_id: str) -> str:
        if eval_id == "0":
            await slow.wait()
        return eval_id * 2

    async with anyio.create_task_group() as group:

        async def run() -> None:
            await in_order(numbers(taken), work, lambda _, result: shown.append(result), at_once=3)

        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        assert (taken, shown) == (["0", "1", "2"], [])
        slow.set()
    assert shown == [str(number) * 2 for number in range(10)]


async def test_the_first_error_of_any_part_ends_all_and_is_plain() -> None:
    async def bad_ids() -> AsyncGenerator[str, None]:
        yield "0"
        raise OSError("stdin")

    async def forever(_: str) -> str:
        await anyio.sleep_forever()
        return ""

    async def fail(_: str) -> str:
        raise KeyError("work")

    async def good(eval_id: str) -> str:
        return eval_id

    def broken(*_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(OSError, match="stdin"):
        await in_order(bad_ids(), forever, print, at_once=2)
    with pytest.raises(KeyError, match="work"):
        await in_order(numbers([]), fail, print, at_once=2)
    with pytest.raises(BrokenPipeError):
        await in_order(numbers([]), good, broken, at_once=2)


def test_retries_of_one_do_not_hold_up_the_others_answers(
    rfevals: Rfevals, faults: Faults, monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    monkeypatch.setattr("roboflow_evals_async.core.retry.wait_after", lambda *_: 0.0)
    once: list[str] = []

    def first_time(request: RecordedRequest) -> bool:
        fresh = request.path not in once and done[0] in request.path
        once.append(request.path)
        return fresh

    faults.always(first_time, Fault.server_error())
    result = rfevals("map-results", *done[:4], "--json")
    assert (result.code, result.err, len(result.lines)) == (0, "", 4)
