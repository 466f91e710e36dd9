"""A served world, a client for it, and eyes for the folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.testing import EvaluationSpec, Faults, StandIn, World

Served = tuple[StandIn, EvalsClient]
Serve = Callable[..., AbstractAsyncContextManager[Served]]


def spec(eval_id: str, **more: Any) -> EvaluationSpec:
    return EvaluationSpec(eval_id=eval_id, **{"images": {"train": 5, "valid": 2, "test": 3}, **more})


@pytest.fixture
def world() -> World:
    """Three done evaluations of ten images, and one that is running."""
    return World(
        evaluations=[
            spec("alpha", project="one"),
            spec("beta", project="two", odd_rows=True, images={"test": 12}),
            spec("gamma", project=None, images={"train": 4, "test": 6}),
            spec("omega", status="running"),
        ]
    )


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def serve(world: World, faults: Faults | None = None, *, max_attempts: int = 1) -> AsyncIterator[Served]:
        async with (
            StandIn(world, faults) as stand_in,
            EvalsClient(
                api_key=stand_in.api_key,
                workspace=stand_in.workspace,
                base_url=stand_in.url,
                max_attempts=max_attempts,
            ) as client,
        ):
            yield stand_in, client

    return serve


@pytest.fixture
async def served(world: World, serve: Serve) -> AsyncIterator[Served]:
    async with serve(world) as pair:
        yield pair


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Parts of so many rows."""
    return lambda rows: monkeypatch.setattr("roboflow_evals_async.export.plan.ROWS_PER_PART", rows)


def files(out: Path) -> dict[str, str]:
    """Every file below the folder with the hash of its content."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def data_files(out: Path) -> dict[str, str]:
    """The files of the tables, all else left out."""
    return {name: digest for name, digest in files(out).items() if not name.startswith("_")}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def times(out: Path) -> dict[str, int]:
    """When everything below the folder was last changed, in nanoseconds."""
    return {str(path): path.stat().st_mtime_ns for path in out.rglob("*")}


def names(folder: Path) -> set[str]:
    """What lies in the folder itself."""
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def look() -> Any:
    """The helpers of this file, for tests that cannot import it."""

    class Look:
        pass

    look: Any = Look()
    look.files, look.data_files, look.lines, look.spec = files, data_files, lines, spec
    look.times, look.names = times, names
    return look
