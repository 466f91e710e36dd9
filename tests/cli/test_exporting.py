"""`export` and `demo`, and how signals end a command."""

import io
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import anyio
import pytest

from roboflow_evals_async.cli import exporting
from roboflow_evals_async.roboflow.listing import EvalListing
from roboflow_evals_async.testing import Fault, StandIn, World

from .conftest import Rfevals, Start, settings


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()]


def test_export_writes_files_and_a_summary(rfevals: Rfevals, tmp_path: Path, detection: str, large: str) -> None:
    out = str(tmp_path / "out")
    first = rfevals("export", detection, large, "-o", out)
    assert (first.code, first.err) == (0, "")
    assert all(word in first.out for word in (detection, "shelf-audit", "78.3%", "3,401", "4,202 rows", out))
    assert len(rows(tmp_path / "out" / "images")) == 4200
    again = rfevals("export", detection, large, "-o", out)
    assert again.code == 0
    assert "Nothing was left to fetch" in again.out
    forced = rfevals("export", detection, "-o", out, "--force", "--json")
    assert (forced.code, forced.err) == (0, "")
    assert forced.json["units_done"] > 0
    assert forced.json["rows"] == 801


def test_export_selects_by_filters(rfevals: Rfevals, tmp_path: Path, world: World) -> None:
    out = str(tmp_path / "out")
    result = rfevals("export", "-p", "chess-pieces-fmhpz", "--version", "3", "-o", out, "--tables", "evals", "--json")
    assert [entry["eval_id"] for entry in result.json["per_eval"]] == [world.eval_ids[2]]
    nothing = rfevals("export", "-p", "no-such-project", "-o", str(tmp_path / "none"))
    assert nothing.code == 0
    assert "no evaluation" in nothing.out


def test_export_reads_ids_from_stdin(
    rfevals: Rfevals, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(world.eval_ids[:2])))
    result = rfevals("export", "-", "-o", str(tmp_path / "out"), "--tables", "evals", "--json")
    assert [entry["eval_id"] for entry in result.json["per_eval"]] == list(world.eval_ids[:2])
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert rfevals("export", "-", "-o", str(tmp_path / "none"), "--json").json["evals"] == 0  # and not all of them


def test_some_failures_are_6(rfevals: Rfevals, tmp_path: Path, detection: str, running: str) -> None:
    argv = ("export", running, "aaaaaaaaaaaaaaaaaaaa", detection, "-o", str(tmp_path / "out"), "--tables", "evals")
    result = rfevals(*argv)
    assert result.code == 6
    assert detection in result.out
    assert f"Error: {running}" in result.err
    assert "Error: aaaaaaaaaaaaaaaaaaaa" in result.err
    structured = rfevals(*argv, "--json")
    assert (structured.code, structured.err) == (6, "")
    assert [error["eval_id"] for error in structured.json["errors"]] == [running, "aaaaaaaaaaaaaaaaaaaa"]
    assert rfevals(*argv, "--fail-fast").code == 4


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("--split", "tset"), 5),
        (("--status", "finished"), 5),
        (("-c", "0.5"), 5),
        (("--tables", "pictures"), 64),
        (("-f", "xml"), 64),
        (("--nope",), 64),
        (("someid", "--project", "p"), 64),
        (("someid", "--project", ""), 64),
        (("someid", "--status", "done"), 64),
        (("-", "--status", "running"), 64),
        (("-k", "wrong"), 2),
    ],
)
def test_export_refuses(rfevals: Rfevals, tmp_path: Path, argv: tuple[str, ...], code: int) -> None:
    result = rfevals("export", *argv, "-o", str(tmp_path / "out"))
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)


def test_export_needs_a_place(rfevals: Rfevals, tmp_path: Path) -> None:
    assert rfevals("export").code == 64
    (tmp_path / "file").write_text("x")
    result = rfevals("export", "-o", str(tmp_path / "file" / "out"))
    assert (result.code, result.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("command", [("export",), ("export", "-"), ("demo",)])
@pytest.mark.parametrize("out", ["", "-"])
def test_a_folder_that_is_none_is_refused(
    rfevals: Rfevals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = rfevals(*command, "-o", out)
    assert (result.code, result.out, result.err.count("\n")) == (64, "", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_stdin_only_where_ids_are(rfevals: Rfevals, served: StandIn) -> None:
    rfevals("list", "-p", "-", "--version", "1")
    assert served.requests[-1].query["project"] == "-"


def test_an_incomplete_list_is_6(rfevals: Rfevals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: object) -> EvalListing:
        return EvalListing((), complete=False, unreached=("the others",))

    monkeypatch.setattr(exporting.Wanted, "found", found)
    plain = rfevals("export", "-o", str(tmp_path / "out"))
    assert (plain.code, plain.err.count("the others")) == (6, 1)
    structured = rfevals("export", "-o", str(tmp_path / "out"), "--json")
    assert (structured.code, structured.json["unreached"]) == (6, ["the others"])


def test_a_bar_is_drawn_for_a_terminal_only(rfevals: Rfevals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ("export", "-p", "chess-pieces-fmhpz", "--version", "3")
    assert rfevals(*argv, "-o", str(tmp_path / "pipe")).err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "140")
    drawn = rfevals(*argv, "-o", str(tmp_path / "terminal"))
    assert "1/1 evaluations" in drawn.err
    assert "801/801 rows" in drawn.err
    for option in ("--no-progress", "-q"):
        assert rfevals(*argv, "-o", str(tmp_path / option), option).err == ""


def test_demo_shows_what_it_did_and_does_it_once(
    run: Rfevals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    monkeypatch.chdir(tmp_path)
    first = run("demo")
    assert (first.code, first.err) == (0, "")
    done = [one for one in world.evaluations if one.spec.status == "done"]
    assert all(one.eval_id in first.out for one in done)
    assert "6,598 rows" in first.out
    assert "demo-export/images/" in first.out
    assert len(rows(tmp_path / "demo-export" / "evals")) == len(done)
    again = run("demo")
    assert again.code == 0
    assert "Nothing was left to fetch" in again.out
    # What it tells to try next works.
    for line in again.lines:
        if line.startswith("rfevals ") and "-o" not in line:
            words = shlex.split(line.split("  ")[0].split("|")[0])
            assert run(*words[1:]).code == 0
    assert run("demo", "--json").json["units_done"] == 0


@pytest.mark.parametrize(("value", "shown"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3.2e6, "3.2 MB")])
def test_sizes(value: float, shown: str) -> None:
    assert exporting.size(int(value)) == shown


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_export_tells_how_to_go_on(
    start: Start, run: Rfevals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world: World, signum: int, code: int
) -> None:
    out = tmp_path / "an export"
    with StandIn(world, latency=0.02).in_thread() as server:
        # The third evaluation never comes: by then two are on disk.
        server.faults.always(f"{world.eval_ids[2]}/image-predictions", Fault.stalled())
        process = start("export", "-p", "chess-pieces-fmhpz", "-o", str(out), **settings(server))
        while not any("image-predictions" in one.path and world.eval_ids[2] in one.path for one in server.requests):
            assert process.poll() is None
        process.send_signal(signum)
        stdout, stderr = process.communicate()
        assert (process.returncode, stdout) == (code, "")
        assert "Traceback" not in stderr
        assert server.api_key not in stderr
        command = stderr.strip().splitlines()[-1].partition("This goes on: ")[2]
        assert command.startswith("rfevals export ")
        server.faults.clear()
        for name, value in settings(server).items():
            monkeypatch.setenv(name, value)
        resumed = run(*shlex.split(command)[1:], "--json")
    assert resumed.code == 0
    assert resumed.json["units_skipped"] >= 2
    assert len(rows(out / "images")) == 2400


@pytest.mark.parametrize(
    ("ids", "named"),
    [
        (["a"], True),
        ([f"id-{number}" for number in range(48)], True),
        (["a'b;c"], True),
        ([], False),
        ([f"id-{number}" for number in range(49)], False),
        (["a", "-b"], False),
        (["a\x1bb"], False),
    ],
)
def test_a_stopped_export_of_ids_from_stdin_tells_what_is_needed(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ids: list[str], named: bool
) -> None:
    taken: list[list[str]] = []

    async def stopped(_: object, evals: Any, *__: object, **___: object) -> None:
        taken.append(list(evals))
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(exporting, "export", stopped)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(ids)))
    result = rfevals("export", "first", "-", "last", "-o", str(tmp_path)) if ids else rfevals("export", "-o", "x", "-")
    given = ["first", *ids, "last"] if ids else []
    assert (result.code, taken.pop()) == (130, given)
    before, _, command = result.err.partition("his goes on: ")
    words = shlex.split(command)[1:]
    assert ("With the same ids on stdin" in before, "-" in words) == (not named, not named)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(ids)))
    assert rfevals(*words).code == 130
    assert taken == [given]


def test_ctrl_c_ends_an_export_that_waits_for_ids(start: Start, served: StandIn, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, threading; from roboflow_evals_async.cli import main\n"
        "r, w = os.pipe(); sys.stdin = open(r)\n"
        "from roboflow_evals_async.cli import several\n"
        "waits = several.anyio.wait_readable\n"
        "async def wait(descriptor):\n    print('waiting', flush=True)\n    await waits(descriptor)\n"
        "several.anyio.wait_readable = wait\nsys.exit(main())"
    )
    with start("export", "-", "-o", str(tmp_path / "out"), code=code, **settings(served)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_stand_in_serves_until_it_is_told_to_end(start: Start, signum: int) -> None:
    with start("stand-in", "--json") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert list(told) == ["url", "api_key", "workspace", "rivergen_token"]
        headers = {"Authorization": f"Bearer {told['api_key']}"}
        with urlopen(Request(f"{told['url']}/{told['workspace']}/model-evals", headers=headers), timeout=20) as reply:
            assert len(json.load(reply)["evals"]) == 13
        process.send_signal(signum)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (0, "", "")


def test_the_stand_in_s_line_goes_before_a_command(start: Start, run: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    with start("stand-in") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        for word in shlex.split(line):
            name, _, value = word.partition("=")
            monkeypatch.setenv(name, value)
        assert len(run("list", "-q").lines) == 13
        assert run("rivergen", "summary", "mdl-nulls").code == 0
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
