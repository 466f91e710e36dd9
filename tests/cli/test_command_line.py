"""The command line itself: help, global options, terminals and pipes."""

import io
import re
import sys
from importlib.util import find_spec
from typing import Any, cast

import pytest

from roboflow_evals_async.cli import main
from roboflow_evals_async.core.version import __version__

from .conftest import Rfevals, Start

COMMANDS = (
    "list", "get", "map-results", "confidence-sweep", "performance-by-class", "confusion-matrix", "vector-analysis",
    "image-predictions", "recommendations", "compare", "wait", "snapshot", "export", "demo", "stand-in", "rivergen",
)  # fmt: skip
GLOBAL = (
    "--api-key", "-k", "--workspace", "-w", "--base-url", "--region", "--json", "--quiet", "-q", "--no-progress",
    "--rate", "--max-concurrency", "--deadline", "--timeout", "--retries", "--demo", "--verbose", "-v", "--version",
    "--help", "-h",
)  # fmt: skip


@pytest.mark.parametrize("argv", [(), ("--help",), ("-h",)])
def test_help_lists_all_commands(run: Rfevals, argv: tuple[str, ...]) -> None:
    result = run(*argv)
    assert (result.code, result.err) == (0, "")
    words = result.out.split()
    assert [word for word in (*COMMANDS, *GLOBAL) if word not in words] == []


@pytest.mark.parametrize("command", [*COMMANDS, "rivergen summary"])
def test_each_command_has_help(run: Rfevals, command: str) -> None:
    result = run(*command.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert f"Usage: rfevals {command}" in result.out
    assert "--api-key" in result.out


def test_version_is_the_command_s_own_where_no_command_takes_it(run: Rfevals) -> None:
    assert run("--version").out == f"{__version__}\n"


def test_global_options_stand_anywhere(run: Rfevals) -> None:
    lines = [
        run(*argv).out
        for argv in (
            ("--demo", "-q", "list", "-n", "2"),
            ("list", "-n", "2", "--demo", "-q"),
            ("--demo", "list", "-q", "-n", "2"),
        )
    ]
    assert lines[0]
    assert lines[1:] == lines[:1] * 2


def test_help_loads_nothing_heavy(start: Start) -> None:
    heavy = ["aiohttp", "msgspec", "anyio", "tenacity", "asyncio", "yarl", "rich.markdown"]
    code = (
        "import sys; from roboflow_evals_async.cli import main; code = main(); "
        f"print(sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    with start("--help", code=code) as process:
        out, err = process.communicate()
    assert process.returncode == 0
    assert "image-predictions" in out
    assert err == "[]\n"


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra_one_line_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    monkeypatch.setattr("roboflow_evals_async.cli.find_spec", lambda name: None if name == missing else find_spec(name))
    assert main(["--help"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "pip install 'roboflow-evals-async[cli]'" in captured.err


def test_without_the_extra_in_a_process_of_its_own(start: Start) -> None:
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('cyclopts', 'rich'): raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from roboflow_evals_async.cli import main\n"
        "sys.exit(main())\n"
    )
    with start("list", code=code) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.count("\n") == 1
    assert "pip install 'roboflow-evals-async[cli]'" in err


def test_a_reader_that_goes_away_is_no_error(start: Start, large: str) -> None:
    with start("--demo", "image-predictions", large, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.parametrize("argv", [("--help",), (), ("export", "--help")])
def test_help_that_nobody_reads_is_no_error(start: Start, argv: tuple[str, ...]) -> None:
    with start(*argv) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_a_closed_stdout_is_one_clear_line(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    for argv in (("list",), ("list", "--json"), ("--help",)):
        result = rfevals(*argv)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert "stdout is closed" in result.err


def test_a_closed_stderr_does_not_change_the_code(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert rfevals("list", "--nope").code == 64
    assert rfevals("list", "--nope", "--json").code == 64


class Sluggish(io.RawIOBase):
    """Takes a few bytes at a time, as a pipe does of a write that a signal cuts short."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        piece = bytes(data)[:7]
        self.taken += piece
        return len(piece)


@pytest.mark.parametrize("argv", [("list",), ("list", "-q"), ("list", "--json"), ("get", "EVAL")])
def test_unbuffered_output_is_whole(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, detection: str, argv: tuple[str, ...]
) -> None:
    words = [detection if word == "EVAL" else word for word in argv]
    expected = rfevals(*words).out
    pipe = Sluggish()
    stdout = io.TextIOWrapper(cast("Any", pipe), encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert rfevals(*words).code == 0
    assert pipe.taken.decode() == expected


def test_a_terminal_gets_drawn_tables(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, detection: str) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    shown = rfevals("list").out
    assert "\x1b[" in shown
    assert "─" in shown
    assert detection in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in rfevals("list").out


@pytest.mark.parametrize("columns", [200, 80, 40])
def test_a_narrow_terminal_loses_nothing(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, detection: str, columns: int
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    for argv in (
        ("list", "-n", "1"),
        ("compare", "-p", "chess-pieces-fmhpz", "--version", "4"),
        ("image-predictions", detection, "-n", "2"),
        ("confusion-matrix", detection),
        ("rivergen", "summary", "mdl-7f3a19bc92"),
    ):
        drawn = rfevals(*argv).out
        monkeypatch.delenv("FORCE_COLOR")
        plain = rfevals(*argv).out
        monkeypatch.setenv("FORCE_COLOR", "1")
        # Folded texts are broken between letters, so the letters of each column are what can be compared.
        numbers = re.findall(r"\d[\d,.]*%|\d+ms|[A-Za-z0-9]{20}", plain)
        assert [number for number in numbers if number not in drawn] == []


def test_the_pages_of_a_walk_are_one_table_on_a_terminal(
    rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, detection: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr("roboflow_evals_async.cli.images.MAX_PAGE_SIZE", 50)
    lines = rfevals("image-predictions", detection, "--split", "test").lines
    assert len(lines) == 195  # context, header, rule, and 192 images from four pages
    assert len({len(line) for line in lines[2:]}) == 1
    assert sum("PRECISION" in line for line in lines) == 1


def test_quiet_leaves_the_tables_alone(rfevals: Rfevals, detection: str) -> None:
    loud, quiet = rfevals("confusion-matrix", detection), rfevals("-q", "confusion-matrix", detection)
    assert "threshold" in loud.out
    assert "threshold" not in quiet.out
    assert quiet.lines[0] == loud.lines[1]
