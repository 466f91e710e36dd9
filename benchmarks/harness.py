"""Servers as processes of their own, rounds in turn, and figures that carry their spread."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec

# Made by `make .venv-official/ready`: the official SDK does not share our environment.
OFFICIAL_PYTHON = Path(".venv-official", "bin", "python")

# An odd number has a middle; fifteen is what the goals are stated for.
ROUNDS = 15


class Figure(msgspec.Struct, frozen=True):
    """One line of the table: a measured value, what it is held against, and the spread over the rounds."""

    name: str
    median: float
    low: float
    high: float
    unit: str
    goal: str = ""
    met: bool | None = None

    @classmethod
    def of(
        cls, name: str, values: list[float], unit: str, *, most: float | None = None, least: float | None = None
    ) -> "Figure":
        """Sum up the rounds; `most` or `least` is the goal."""
        middle = median(values)
        goal, met = "", None
        if most is not None:
            goal, met = f"<= {most:g}", middle <= most
        elif least is not None:
            goal, met = f">= {least:g}", middle >= least
        return cls(name, middle, min(values), max(values), unit, goal, met)


class Server(msgspec.Struct, frozen=True):
    """Where a stand-in listens."""

    url: str
    api_key: str
    workspace: str
    rivergen_token: str


@contextmanager
def stand_in(images: Mapping[str, int], *, evaluations: int = 1, latency: float = 0.0) -> Iterator[Server]:
    """Run a stand-in in a process of its own, on the last core if there are several. Latency in seconds."""
    program = [sys.executable, "-m", "benchmarks.server", json.dumps(dict(images)), str(evaluations), str(latency)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield msgspec.json.decode(process.stdout.readline(), type=Server)
        finally:
            process.terminate()
            process.wait()


def official(server: Server, job: str, threads: int, ids: list[str]) -> tuple[float, str]:
    """Run a job of `benchmarks/official.py` in the official SDK's environment; return its seconds and the version."""
    environment = {
        "API_URL": server.url,
        "ROBOFLOW_API_KEY": server.api_key,
        "RF_WORKSPACE": server.workspace,
        "HOME": os.environ.get("HOME", "/"),
        "PATH": os.environ.get("PATH", ""),
    }
    program = [str(OFFICIAL_PYTHON), str(Path(__file__).with_name("official.py")), job, str(threads), *ids]
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    return result["seconds"], result["version"]


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def cpu_of(job: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds that the job took in this process."""
    begun = cpu_seconds()
    await job()
    return cpu_seconds() - begun


async def wall_of(job: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that the job took by the clock."""
    begun = time.perf_counter()
    await job()
    return time.perf_counter() - begun


async def in_turn(
    jobs: Mapping[str, Callable[[], Awaitable[object]]],
    measure: Callable[[Callable[[], Awaitable[object]]], Awaitable[float]],
    rounds: int = ROUNDS,
) -> dict[str, list[float]]:
    """Measure the jobs in turn, A B C A B C, after one round that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            took = await measure(job)
            if number:
                found[name].append(took)
    return found


def ratios(over: list[float], under: list[float]) -> list[float]:
    """Return the ratios round by round: the machine's own drift cancels out."""
    return [a / b for a, b in zip(over, under, strict=True)]


def pin(core: int) -> None:
    """Stay on one core, where the system lets us."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def machine() -> str:
    """Say on what the figures were taken."""
    names = ("aiohttp", "msgspec", "tenacity", "anyio")
    libraries = " ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}, {libraries}"
