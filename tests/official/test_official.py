"""The official command and ours, asked the same of the same server, say the same: values and exit codes."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen, run
from typing import Any, NamedTuple

import pytest

from roboflow_evals_async.testing import World

_WORLD = World()

# A detection, a segmentation, a task that the documents do not know, and the older server's spellings.
EVALUATIONS = tuple(
    _WORLD.first(project=project).eval_id
    for project in ("chess-pieces-fmhpz", "road-scenes", "hand-poses", "warehouse-pallets")
)
CHESS = EVALUATIONS[0]
RUNNING = _WORLD.first(status="running").eval_id

PANELS = ("map-results", "confidence-sweep", "performance-by-class", "confusion-matrix", "vector-analysis")

QUESTIONS: list[tuple[str, ...]] = [
    ("list",),
    ("list", "--status", "done", "--limit", "5"),
    ("list", "-p", "chess-pieces-fmhpz"),
    # In one word: the official command takes a lone --version for the question after its own.
    ("compare", "-p", "chess-pieces-fmhpz", "--version=4"),
    ("compare", "-p", "road-scenes", "--version=5", "--frontier-metric", "f1"),
    ("list", "--version=4"),
    ("get", RUNNING),
    *((command, eval_id) for eval_id in EVALUATIONS for command in ("get", *PANELS, "recommendations")),
    ("performance-by-class", CHESS, "--split", "train"),
    ("confusion-matrix", CHESS, "-s", "all", "-c", "37"),
    ("vector-analysis", CHESS, "-c", "50"),
    *(("image-predictions", eval_id, "-s", "test", "-n", "5", "-o", "10") for eval_id in EVALUATIONS[:3]),
    ("image-predictions", CHESS, "--split", "all", "--limit", "1000", "--confidence", "50"),
]

REFUSALS: list[tuple[tuple[str, ...], int]] = [
    (("get", "aaaaaaaaaaaaaaaaaaaa"), 3),
    (("map-results", RUNNING), 4),
    (("performance-by-class", CHESS, "--split", "all"), 5),
    (("confusion-matrix", CHESS, "-c", "101"), 5),
]


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A stand-in served by our command, and the environment that names it to both."""
    home = tmp_path_factory.mktemp("home")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ROBOFLOW", "RF_", "API_"))}
    command = [*_OURS, "stand-in", "--json"]
    with Popen(command, stdout=PIPE, text=True, env=ours) as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        yield {
            **ours,
            "HOME": str(home),
            "API_URL": told["url"],
            "ROBOFLOW_API_KEY": told["api_key"],
            "RF_WORKSPACE": told["workspace"],
        }
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0


_OURS = [sys.executable, "-c", "import sys; from roboflow_evals_async.cli import main; sys.exit(main())"]


@pytest.fixture(scope="session")
def rfevals(environ: dict[str, str]) -> Ask:
    return lambda *argv: _asked([*_OURS, *argv], environ)


@pytest.fixture(scope="session")
def roboflow(environ: dict[str, str], official_path: Path) -> Ask:
    return lambda *argv: _asked([str(official_path), "eval", *argv], environ)


def _asked(command: list[str], environ: dict[str, str]) -> Answer:
    ended = run(command, capture_output=True, text=True, env=environ, check=False)
    return Answer(ended.returncode, ended.stdout, ended.stderr)


def _read(answer: Answer) -> Any:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_both_say_the_same(rfevals: Ask, roboflow: Ask, question: tuple[str, ...]) -> None:
    assert _read(rfevals(*question, "--json")) == _read(roboflow(*question, "--json"))


@pytest.mark.parametrize(("question", "code"), REFUSALS, ids=[" ".join(question) for question, _ in REFUSALS])
def test_both_refuse_alike(rfevals: Ask, roboflow: Ask, question: tuple[str, ...], code: int) -> None:
    ours, theirs = rfevals(*question, "--json"), roboflow(*question, "--json")
    assert (ours.code, theirs.code) == (code, code)
    assert (ours.out, theirs.out) == ("", "")
    assert {"message", "hint"} <= json.loads(ours.err)["error"].keys()
    assert "message" in json.loads(theirs.err)["error"]


def test_all_images_of_ours_are_the_pages_of_theirs(rfevals: Ask, roboflow: Ask) -> None:
    eval_id = EVALUATIONS[1]
    rows = [json.loads(line) for line in rfevals("image-predictions", eval_id, "--json").out.splitlines()]
    pages = [
        _read(roboflow("image-predictions", eval_id, "-s", "all", "-n", "100", "-o", str(offset), "--json"))
        for offset in range(0, 280, 100)
    ]
    assert rows == [row for page in pages for row in page["images"]]
