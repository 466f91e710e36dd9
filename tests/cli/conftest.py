"""The command in this process and as one of its own, against a served default world."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from roboflow_evals_async.cli import main
from roboflow_evals_async.testing import Faults, StandIn, World

# Whatever of these the developer's shell has set must not reach a test.
_FOREIGN = (
    "API_URL", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "RF_WORKSPACE", "RIVERGEN_BASE_URL", "RIVERGEN_TOKEN",
    "ROBOFLOW_API_KEY", "ROBOFLOW_CONFIG_DIR", "ROBOFLOW_ENVIRONMENT", "ROBOFLOW_REGION", "ROBOFLOW_WORKSPACE",
    "TTY_COMPATIBLE", "TTY_INTERACTIVE",
)  # fmt: skip


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Rfevals = Callable[..., Result]
Ask = Callable[..., Any]
Start = Callable[..., "Popen[str]"]


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def served(world: World) -> Iterator[StandIn]:
    with StandIn(world).in_thread() as stand_in:
        yield stand_in


@pytest.fixture
def faults(served: StandIn) -> Iterator[Faults]:
    """What goes wrong in the served world, for one test."""
    yield served.faults
    served.faults.clear()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no file, no address: what a new user has."""
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def settings(server: StandIn) -> dict[str, str]:
    return {
        "API_URL": server.url,
        "ROBOFLOW_API_KEY": server.api_key,
        "RF_WORKSPACE": server.workspace,
        "RIVERGEN_BASE_URL": server.url,
        "RIVERGEN_TOKEN": server.rivergen_token,
    }


@pytest.fixture
def configured(bare: None, monkeypatch: pytest.MonkeyPatch, served: StandIn) -> None:
    """The served world is what the environment names."""
    for name, value in settings(served).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run(bare: None, capsys: pytest.CaptureFixture[str]) -> Rfevals:
    """The command in this process, with the environment as it is."""

    def call(*argv: str) -> Result:
        capsys.readouterr()
        code = main(list(argv))
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def rfevals(configured: None, run: Rfevals) -> Rfevals:
    """The command in this process, against the served world."""
    return run


@pytest.fixture(scope="session")
def ask(served: StandIn) -> Ask:
    """The served JSON of a path below the workspace's evaluations."""

    def call(path: str = "", **query: object) -> Any:
        address = f"{served.url}/{served.workspace}/model-evals{path}?{urlencode(query)}"
        with urlopen(Request(address, headers={"Authorization": f"Bearer {served.api_key}"}), timeout=20) as reply:
            return json.load(reply)

    return call


@pytest.fixture
def start(bare: None) -> Iterator[Start]:
    """The command as a process of its own; ended with the test if it has not ended by then."""
    begun: list[Popen[str]] = []

    def call(*argv: str, code: str = "import sys; from roboflow_evals_async.cli import main; sys.exit(main())",
             **environ: str) -> "Popen[str]":  # fmt: skip
        command = [sys.executable, "-c", code, *argv]
        process = Popen(command, stdout=PIPE, stderr=PIPE, text=True, env={**os.environ, **environ})
        begun.append(process)
        return process

    yield call
    for process in begun:
        with process:
            process.kill()


@pytest.fixture(scope="session")
def detection(world: World) -> str:
    """The newest evaluation: five classes, 800 images, reports at 20, 37 and 50 percent."""
    return world.eval_ids[0]


@pytest.fixture(scope="session")
def large(world: World) -> str:
    """3,400 images: four pages."""
    return world.first(project="shelf-audit").eval_id


@pytest.fixture(scope="session")
def running(world: World) -> str:
    return world.first(status="running").eval_id
