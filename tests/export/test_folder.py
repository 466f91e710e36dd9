"""The folder: whose it is, who is at work in it, and a disk that refuses."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roboflow_evals_async import EvalsClient, InvalidArgumentError
from roboflow_evals_async.export import ExportError, disk, export
from roboflow_evals_async.testing import StandIn, World

Served = tuple[StandIn, EvalsClient]
IDS = ("alpha", "beta", "gamma")


def put(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# -- whose it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [{"split": "test"}, {"tables": ["evals"]}, {"confidence": 20}])
async def test_other_arguments_are_refused_and_forced(
    served: Served, tmp_path: Path, look: Any, other: dict[str, Any]
) -> None:
    stand_in, client = served
    await export(client, IDS, tmp_path)
    before = look.files(tmp_path)
    stand_in.requests.clear()
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(other))}=") as refused:
        await export(client, IDS, tmp_path, **other)
    assert refused.value.field == "out"
    assert look.files(tmp_path) == before
    assert stand_in.requests == []
    mine = [put(tmp_path / "notes.txt"), put(tmp_path / "images/README"), put(tmp_path / "panels/eval_id=alpha/x")]
    summary = await export(client, ["alpha"], tmp_path, force=True, **other)
    assert summary.complete
    assert all(_text(path) == "mine" for path in mine)
    _remove(mine[1])
    await export(client, ["alpha"], tmp_path / "plain", **other)
    ours = {name: d for name, d in look.data_files(tmp_path).items() if name.startswith(("evals", "images"))}
    assert ours == look.data_files(tmp_path / "plain")


async def test_force_fetches_everything_again(served: Served, tmp_path: Path, look: Any) -> None:
    _, client = served
    await export(client, IDS, tmp_path)
    before = look.data_files(tmp_path)
    summary = await export(client, IDS, tmp_path, force=True)
    assert (summary.units_done, summary.units_skipped) == (12, 0)
    assert look.data_files(tmp_path) == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["images/cat.jpg", "evals/x", "_manifest.jsonl"])
async def test_somebody_elses_data_is_never_overwritten(
    served: Served, tmp_path: Path, look: Any, name: str, force: bool
) -> None:
    _, client = served
    put(tmp_path / name)
    with pytest.raises(InvalidArgumentError, match="is no export") as refused:
        await export(client, IDS, tmp_path, force=force)
    assert refused.value.field == "out"
    assert list(look.files(tmp_path)) == [name]


@pytest.mark.parametrize("found", ['{"other":"tool"}', "{", '{"schema_version":99}'])
async def test_force_clears_nothing_but_an_export(served: Served, tmp_path: Path, look: Any, found: str) -> None:
    _, client = served
    put(tmp_path / "_export.json", found)
    put(tmp_path / "images/eval_id=x/mine.txt")
    before = look.files(tmp_path)
    with pytest.raises(InvalidArgumentError) as refused:
        await export(client, IDS, tmp_path, force=True)
    assert refused.value.field == "out"
    assert "force" not in str(refused.value)
    assert look.files(tmp_path) == before


@pytest.mark.parametrize("name", ["images", "images/eval_id=alpha", "evals/eval_id=other"])
async def test_nothing_behind_a_link_is_removed(served: Served, tmp_path: Path, look: Any, name: str) -> None:
    _, client = served
    out, link = tmp_path / "out", tmp_path / "out" / name
    await export(client, IDS, out)
    mine = tmp_path / "mine"
    put(mine / "eval_id=beta/split=test/part-00000.jsonl")
    put(mine / "eval_id=beta/split=test/.part-00000.jsonl.tmp")
    put(mine / "split=test/.part-00000.jsonl.tmp")
    if link.exists():
        link.rename(tmp_path / "moved")
    link.symlink_to(mine)
    before = look.files(tmp_path)
    with pytest.raises(InvalidArgumentError, match="is a link") as refused:
        await export(client, IDS, out, force=True)
    assert refused.value.field == "out"
    assert look.files(tmp_path) == before
    await export(client, [], out)  # clears drafts up
    assert look.files(tmp_path) == before


async def test_a_folder_with_other_things_is_taken(served: Served, tmp_path: Path, look: Any) -> None:
    _, client = served
    mine = put(tmp_path / "notes" / ".x.tmp")
    assert (await export(client, IDS, tmp_path)).complete
    assert _text(mine) == "mine"


async def test_drafts_left_by_a_kill_go(served: Served, tmp_path: Path, look: Any) -> None:
    _, client = served
    await export(client, IDS, tmp_path)
    before = look.files(tmp_path)
    put(tmp_path / "images/eval_id=alpha/split=test/.part-00000.jsonl.tmp")
    put(tmp_path / "._manifest.jsonl.tmp")
    mine = put(tmp_path / ".other.tmp")
    await export(client, IDS, tmp_path)
    _remove(mine)
    assert look.files(tmp_path) == before


# -- who is at work ----------------------------------------------------------------------------------------------------


async def test_two_exports_in_one_folder(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    stand_in.latency = 0.02
    begun = asyncio.Event()
    first = asyncio.create_task(export(client, IDS, tmp_path, on_progress=lambda _: begun.set()))
    await begun.wait()
    with pytest.raises(ExportError, match="Another export is at work"):
        await export(client, IDS, tmp_path)
    assert (await first).complete
    assert (await export(client, IDS, tmp_path)).complete


def test_a_dead_process_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from roboflow_evals_async.export import disk\n"
        "with disk.locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    lock = tmp_path / "_lock"
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ExportError, match="Another export"), disk.locked(lock):
            pass
        other.kill()
        other.wait()
    with disk.locked(lock):
        pass


# -- a disk that refuses -----------------------------------------------------------------------------------------------


def full_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """The disk takes so many writes of the tables' files, a part of the next, and no more."""
    left = writes

    class Full(io.FileIO):
        def write(self, data: Any, /) -> int:
            nonlocal left
            if "part-" in str(self.name):
                left -= 1
                if left == -1:
                    return super().write(bytes(data)[:10])
                if left < -1:
                    raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(disk, "FileIO", Full)


@pytest.mark.parametrize("writes", [0, 1, 5])
async def test_a_full_disk_loses_nothing(
    served: Served, tmp_path: Path, look: Any, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    _, client = served
    with monkeypatch.context() as patch:
        full_after(patch, writes)
        with pytest.raises(ExportError, match=r"part-00000\.jsonl: No space left on device") as refused:
            await export(client, IDS, tmp_path / "full")
        assert "What was finished is kept" in str(refused.value)
    assert not any(name.endswith(".tmp") for name in look.files(tmp_path / "full"))
    assert len(look.data_files(tmp_path / "full")) == writes
    summary = await export(client, IDS, tmp_path / "full")
    assert summary.units_skipped >= writes
    await export(client, IDS, tmp_path / "plain")
    assert look.data_files(tmp_path / "full") == look.data_files(tmp_path / "plain")


@pytest.mark.parametrize("call", ["fsync", "open"])
async def test_a_disk_that_refuses_other_calls(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    _, client = served

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    await export(client, ["alpha"], tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(disk.os, call, refuse)
        with pytest.raises(ExportError, match="Read-only file system"):
            await export(client, ["alpha", "beta"], tmp_path)
    assert (await export(client, ["alpha", "beta"], tmp_path)).units_skipped >= 4


async def test_a_file_in_the_place_of_the_folder(served: Served, tmp_path: Path) -> None:
    _, client = served
    taken = put(tmp_path / "out")
    for out in (taken, taken / "below"):
        with pytest.raises(ExportError, match="out"):
            await export(client, IDS, out)
    assert _text(taken) == "mine"


async def test_a_row_that_was_damaged_is_fetched_again(served: Served, tmp_path: Path, look: Any) -> None:
    _, client = served
    first = await export(client, IDS, tmp_path)
    before = look.data_files(tmp_path)
    row = tmp_path / "evals/eval_id=alpha/part-00000.jsonl"
    put(row, "x" * len(_text(row)))
    summary = await export(client, IDS, tmp_path)
    assert (summary.complete, summary.units_done) == (True, 1)
    assert [one.map50 for one in summary.per_eval] == [one.map50 for one in first.per_eval]
    assert look.data_files(tmp_path) == before


async def test_a_part_that_was_damaged_fails_alone_and_is_then_fetched_again(
    served: Served, tmp_path: Path, look: Any, small_parts: Any
) -> None:
    """It is read only if another part of its split is missing."""
    _, client = served
    small_parts(5)
    await export(client, IDS, tmp_path)
    before = look.data_files(tmp_path)
    folder = tmp_path / "images/eval_id=beta/split=test"
    put(folder / "part-00000.jsonl", "x" * len(_text(folder / "part-00000.jsonl")))
    _remove(folder / "part-00001.jsonl")
    summary = await export(client, IDS, tmp_path)
    assert [(error.eval_id, error.split, error.error) for error in summary.errors] == [
        ("beta", "test", "IncompleteError")
    ]
    assert "part-00000.jsonl was changed and cannot be read. Export again." in summary.errors[0].message
    assert (await export(client, IDS, tmp_path)).complete
    assert look.data_files(tmp_path) == before


async def test_a_path_that_is_too_long_fails_alone(serve: Any, tmp_path: Path, look: Any) -> None:
    long = "y" * 230
    async with serve(World(evaluations=[look.spec("alpha"), look.spec(long)])) as (_, client):
        with pytest.raises(InvalidArgumentError, match="too long") as refused:
            await export(client, ["alpha"], tmp_path / ("x" * 300))
        assert refused.value.field == "out"
        # Alpha's longest path fits in with less than 101 bytes to spare, which the other's name does not.
        out, longest = tmp_path, os.pathconf(tmp_path, "PC_PATH_MAX") - 1
        while len(f"{out}/images/eval_id=alpha/split=train/.part-00000.jsonl.tmp") + 101 <= longest:
            out /= "x" * 100
        for units_done in (4, 0):
            summary = await export(client, [long, "alpha"], out)
            assert {(error.eval_id, error.error) for error in summary.errors} == {(long, "InvalidArgumentError")}
            assert (summary.units_done, summary.rows) == (units_done, 11)


def _text(path: Path) -> str:
    return path.read_text()


def _remove(path: Path) -> None:
    path.unlink()
