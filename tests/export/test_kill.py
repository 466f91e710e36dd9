"""SIGKILL at any instant: the same call goes on, and the files are those of an export that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

IDS = ("a", "b", "c")
ROWS_PER_PART = 1000


class Exporter:
    """A process that forks an export when told to."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killable.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, out: Path, *, ids: tuple[str, ...] = IDS, die_at: int = 0) -> int:
        """The pid of a child that exports into the folder."""
        s = self._stand_in
        job = {
            "url": s.url,
            "key": s.api_key,
            "workspace": s.workspace,
            "ids": ids,
            "out": str(out),
            "rows_per_part": ROWS_PER_PART,
            "die_at": die_at,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def status(self) -> int:
        """How the child ended: 0 for a complete export, 9 for SIGKILL."""
        return int(self._read())

    def export(self, out: Path, *, ids: tuple[str, ...] = IDS, die_at: int = 0) -> int:
        self.start(out, ids=ids, die_at=die_at)
        return self.status()

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    world = World(
        evaluations=[
            EvaluationSpec(eval_id="a", images={"train": 2300, "valid": 700, "test": 1000}, block_size=200),
            EvaluationSpec(eval_id="b", images={"test": 1500}, block_size=200),
            EvaluationSpec(eval_id="c", images={"train": 30, "valid": 10, "test": 20}),
        ]
    )
    with StandIn(world, latency=0.002).in_thread() as serving:
        yield serving


@pytest.fixture(scope="module")
def exporter(stand_in: StandIn) -> Iterator[Exporter]:
    made = Exporter(stand_in)
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(
    stand_in: StandIn, exporter: Exporter, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], int]:
    """The data files of an export that nobody disturbed, and its number of requests."""
    out = tmp_path_factory.mktemp("undisturbed")
    before = len(stand_in.requests)
    assert exporter.export(out) == 0
    return data(out), len(stand_in.requests) - before


def data(out: Path) -> dict[str, bytes]:
    """The tables' files and whatever else lies there, but for the books."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and not path.name.startswith("_")
    }


def units(out: Path) -> list[tuple[str, str, str | None, int]]:
    lines = [json.loads(line) for line in (out / "_manifest.jsonl").read_bytes().splitlines()]
    return [(line["eval_id"], line["table"], line["split"], line["first_row"]) for line in lines]


@pytest.mark.parametrize("seed", range(26))
def test_killed_by_another(
    seed: int, stand_in: StandIn, exporter: Exporter, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    """Each kill comes after another number of requests, and a moment later; then once more, somewhere."""
    expected, requests = undisturbed
    rng = random.Random(seed)
    statuses: list[int] = []
    for after in (1 + seed * (requests - 1) // 26, rng.randrange(1, requests)):
        begun = len(stand_in.requests)
        # The next request but these waits, so that the export cannot end before the kill.
        stand_in.faults.script(lambda _: True, *[None] * after, Fault.stalled())
        pid = exporter.start(tmp_path)
        while len(stand_in.requests) < begun + after and _alive(pid):
            time.sleep(0.0002)
        time.sleep(rng.uniform(0, 0.006))
        if _alive(pid):
            os.kill(pid, signal.SIGKILL)
        statuses.append(exporter.status())
        stand_in.faults.clear()
    assert statuses[0] == signal.SIGKILL
    assert statuses[1] in (signal.SIGKILL, 0)  # less is left for the second time, so it may find nothing to kill
    assert exporter.export(tmp_path) == 0
    assert data(tmp_path) == expected
    assert len(set(units(tmp_path))) == len(units(tmp_path)) == 3 + 5 + 4 + 3  # once each
    requests = len(stand_in.requests)
    assert exporter.export(tmp_path) == 0
    assert len(stand_in.requests) == requests


@pytest.mark.parametrize("share", range(2))
def test_killed_at_every_call_to_the_disk(share: int, exporter: Exporter, tmp_path: Path) -> None:
    """A kill in place of the nth write, sync, rename or removal, for every n; two tests share them."""
    ids = ("b",)
    assert exporter.export(tmp_path / "undisturbed", ids=ids) == 0
    expected = data(tmp_path / "undisturbed")
    calls = 1 + share
    while exporter.export(tmp_path / str(calls), ids=ids, die_at=calls) == signal.SIGKILL:
        assert exporter.export(tmp_path / str(calls), ids=ids) == 0
        assert data(tmp_path / str(calls)) == expected
        assert sorted(units(tmp_path / str(calls)), key=str) == sorted(units(tmp_path / "undisturbed"), key=str)
        calls += 2
    assert data(tmp_path / str(calls)) == expected
    # Settings: write, sync, rename, sync. Three files: these, and write and sync of the line. Two empty splits: those.
    assert calls > 4 + 3 * 6 + 2 * 2


def _alive(pid: int) -> bool:
    """Whether the child runs; its parent has not yet waited for it while its status was not read."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
