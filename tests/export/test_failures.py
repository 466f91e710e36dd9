"""Evaluations that fail, that are not done, that change on the way; and what stops an export."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from roboflow_evals_async import (
    AccessDeniedError,
    AuthenticationError,
    EvalNotDoneError,
    EvalsClient,
    ServerError,
)
from roboflow_evals_async.export import ExportProgress, export, tables
from roboflow_evals_async.testing import EvaluationSpec, Fault, RecordedRequest, StandIn, World

Served = tuple[StandIn, EvalsClient]
IDS = ("alpha", "beta", "gamma")


def images_of(eval_id: str, split: str, offset: int | None = None) -> Callable[[RecordedRequest], bool]:
    return lambda request: (
        f"/{eval_id}/image-predictions" in request.path
        and request.query.get("split") == split
        and offset in (None, int(request.query["offset"]))
    )


# -- one evaluation ----------------------------------------------------------------------------------------------------


async def test_one_bad_evaluation_does_not_stop_the_others(served: Served, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    stand_in.faults.always("/beta/image-predictions", Fault.server_error(500))
    told: list[ExportProgress] = []
    summary = await export(client, [*IDS, "nowhere"], tmp_path, on_progress=told.append)
    assert not summary.complete
    assert [(e.eval_id, e.table, e.split, e.error) for e in summary.errors] == [
        ("beta", "images", None, "ServerError"),
        ("nowhere", None, None, "EvalNotFoundError"),
    ]
    assert (summary.units_failed, told[-1].units_failed, told[-1].evals_done) == (2, 2, 4)
    assert (summary.rows, told[-1].rows_total) == (11 + 1 + 11, 23)
    lines = look.lines(tmp_path / "_errors.jsonl")
    assert [(line["eval_id"], line["error"]) for line in lines] == [
        ("beta", "ServerError"),
        ("nowhere", "EvalNotFoundError"),
    ]
    # The next call goes on where this one failed, and the failure is gone with its cause.
    stand_in.faults.clear()
    stand_in.requests.clear()
    again = await export(client, IDS, tmp_path)
    assert again.complete
    assert (again.units_done, again.units_skipped) == (3, 9)
    assert {request.path.split("/")[3] for request in stand_in.requests} == {"beta"}
    assert [line["eval_id"] for line in look.lines(tmp_path / "_errors.jsonl")] == ["nowhere"]


async def test_one_bad_split_does_not_stop_the_others(served: Served, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    stand_in.faults.always(images_of("alpha", "valid"), Fault.server_error(500))
    summary = await export(client, ["alpha"], tmp_path)
    assert [(e.table, e.split) for e in summary.errors] == [("images", "valid")]
    assert (summary.rows, summary.units_done) == (1 + 8, 3)
    stand_in.faults.clear()
    again = await export(client, ["alpha"], tmp_path)
    assert (again.complete, again.units_done, again.rows) == (True, 1, 11)
    assert "_errors.jsonl" not in look.names(tmp_path)


async def test_fail_fast_raises_the_first(served: Served, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    stand_in.faults.always("/beta/image-predictions", Fault.server_error(500))
    with pytest.raises(ServerError):
        await export(client, IDS, tmp_path, fail_fast=True)
    assert [line["eval_id"] for line in look.lines(tmp_path / "_errors.jsonl")] == ["beta"]
    assert "eval_id=gamma" not in look.names(tmp_path / "evals")
    stand_in.faults.clear()
    with pytest.raises(EvalNotDoneError):
        await export(client, [*IDS, "omega"], tmp_path, fail_fast=True)


async def test_a_missing_report_fails_once(served: Served, tmp_path: Path) -> None:
    _, client = served
    summary = await export(client, ["alpha"], tmp_path, confidence=33)
    assert [error.error for error in summary.errors] == ["ReportNotFoundError"]


# -- not done ----------------------------------------------------------------------------------------------------------


async def test_not_done_is_reported_and_fails_only_if_named(served: Served, tmp_path: Path) -> None:
    _, client = served
    listed = await client.evals()
    summary = await export(client, listed, tmp_path)
    assert (summary.not_done, summary.errors, summary.complete, summary.evals) == (("omega",), (), True, 3)
    named = await export(client, [*listed, "omega"], tmp_path)
    assert named.not_done == ()
    assert [(error.eval_id, error.error) for error in named.errors] == [("omega", "EvalNotDoneError")]
    assert "running" in named.errors[0].message


async def test_a_missing_panel_is_reported_and_fails_only_if_named(serve: Any, tmp_path: Path, look: Any) -> None:
    async with serve(World(evaluations=[look.spec("a", missing_panels=("image-predictions",))])) as (_, client):
        summary = await export(client, None, tmp_path)
        assert (summary.not_done, summary.complete, summary.rows) == (("a",), True, 1)
        named = await export(client, ["a"], tmp_path)
        assert [error.error for error in named.errors] == ["EvalNotDoneError"]


async def test_a_server_that_tells_no_status(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    silent = Fault.rewritten(lambda body: body.replace(b'"status":"done"', b'"status":null'))
    stand_in.faults.always("/model-evals", silent)
    assert (await export(client, None, tmp_path)).rows == 35


# -- what stops everything ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "error"), [(401, "unauthenticated", AuthenticationError), (403, "forbidden", AccessDeniedError)]
)
async def test_nothing_is_tried_after_a_refusal(
    served: Served, tmp_path: Path, look: Any, status: int, code: str, error: type[Exception]
) -> None:
    stand_in, client = served
    stand_in.faults.always("/beta", Fault.error(status, code))
    with pytest.raises(error):
        await export(client, IDS, tmp_path)
    assert stand_in.requests[-1].path.endswith("/beta")
    assert look.lines(tmp_path / "_errors.jsonl") == []
    stand_in.faults.clear()
    assert (await export(client, IDS, tmp_path)).units_skipped == 4


async def test_what_the_listener_raises_comes_out(served: Served, tmp_path: Path) -> None:
    def angry(_: ExportProgress) -> None:
        raise ZeroDivisionError

    _, client = served
    with pytest.raises(ZeroDivisionError):
        await export(client, IDS, tmp_path, on_progress=angry)
    assert (await export(client, IDS, tmp_path)).complete


# -- cancellation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(1, 12))
async def test_a_cancelled_export_goes_on(serve: Any, world: World, tmp_path: Path, look: Any, at: int) -> None:
    async with serve(world) as (stand_in, client):
        told = 0

        def stop(_: ExportProgress) -> None:
            nonlocal told
            told += 1
            if told == at:
                task.cancel()

        task = asyncio.create_task(export(client, ["alpha", "beta"], tmp_path / "a", on_progress=stop))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not any(name.endswith(".tmp") for name in look.files(tmp_path / "a"))
        assert (await export(client, ["alpha", "beta"], tmp_path / "a")).complete
        await export(client, ["alpha", "beta"], tmp_path / "b")
        assert look.data_files(tmp_path / "a") == look.data_files(tmp_path / "b")
        assert stand_in.in_flight == 0


# -- completeness ------------------------------------------------------------------------------------------------------


async def test_splits_that_do_not_add_up_fail(served: Served, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    stand_in.faults.always(images_of("alpha", "all"), Fault.changed_total(11))
    summary = await export(client, ["alpha", "beta"], tmp_path)
    assert [(error.eval_id, error.table, error.error) for error in summary.errors] == [
        ("alpha", "images", "IncompleteError")
    ]
    assert "10 images (train 5, valid 2, test 3), and all splits together 11" in summary.errors[0].message
    assert "eval_id=alpha" not in look.names(tmp_path / "images")
    stand_in.faults.clear()
    assert (await export(client, ["alpha", "beta"], tmp_path)).complete


async def test_a_server_without_totals_fails(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    without = Fault.rewritten(lambda body: re.sub(rb'"totalImages":\d+,', b"", body))
    stand_in.faults.always("/alpha/image-predictions", without)
    summary = await export(client, ["alpha"], tmp_path)
    assert "does not say how many" in summary.errors[0].message
    summary = await export(client, ["alpha"], tmp_path / "other", split="test")
    assert "does not say how many" in summary.errors[0].message


async def test_rows_of_another_split_fail(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    # In the rows alone: what the page says of itself comes before them.
    stray = Fault.rewritten(lambda body: re.sub(rb'("imageName":"[^"]*","split":)"test"', rb'\1"train"', body))
    stand_in.faults.always(images_of("alpha", "test"), stray)
    summary = await export(client, ["alpha"], tmp_path)
    assert [(error.split, error.error) for error in summary.errors] == [("test", "IncompleteError")]
    assert "rows of train" in summary.errors[0].message


async def test_pages_of_another_split_fail(served: Served, tmp_path: Path, look: Any) -> None:
    """Their rows say nothing, and the page says that it is of train."""
    stand_in, client = served

    def silent(body: bytes) -> bytes:
        return re.sub(rb'("imageName":"[^"]*",)"split":"test",', rb"\1", body).replace(b':"test"', b':"train"')

    stand_in.faults.always(images_of("alpha", "test"), Fault.rewritten(silent))
    summary = await export(client, ["alpha"], tmp_path)
    assert [error.split for error in summary.errors] == ["test"]
    assert "train" in summary.errors[0].message
    assert "split=test" not in look.names(tmp_path / "images/eval_id=alpha")


@pytest.mark.parametrize("nameless", [rb'"imageId":null,"imageName":null', rb'"imageId":"same","imageName":null'])
async def test_rows_without_a_name_are_exported(
    served: Served, tmp_path: Path, look: Any, small_parts: Callable[[int], None], nameless: bytes
) -> None:
    stand_in, client = served
    small_parts(5)

    def rewrite(body: bytes) -> bytes:
        # One row of each page.
        return re.sub(rb'"imageId":"[^"]*","imageName":"[^"]*"', nameless, body, count=1)

    stand_in.faults.always(images_of("beta", "test"), Fault.rewritten(rewrite))
    summary = await export(client, ["beta"], tmp_path)
    assert (summary.errors, summary.rows) == ((), 13)
    # Again with what an earlier call left.
    (tmp_path / "images/eval_id=beta/split=test/part-00002.jsonl").unlink()
    assert (await export(client, ["beta"], tmp_path)).complete


async def test_a_row_that_cannot_be_written_fails_its_unit_alone(
    served: Served, tmp_path: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a character pair, put behind the decoder: that replaces what it finds."""

    def cut_image(eval_id: str, split: str, position: int, images: Any) -> list[tables.ImageRow]:
        rows = tables.image_rows(eval_id, split, position, images)
        if (eval_id, split) == ("alpha", "train"):
            rows[3] = replace(rows[3], image_name="cut\ud83d")
        return rows

    def cut_eval(eval_id: str, ev: Any) -> tables.EvalRow:
        row = tables.eval_row(eval_id, ev)
        return replace(row, project="cut\ud83d") if eval_id == "gamma" else row

    _, client = served
    with monkeypatch.context() as patch:
        patch.setattr("roboflow_evals_async.export.images.image_rows", cut_image)
        patch.setattr("roboflow_evals_async.export.run.eval_row", cut_eval)
        summary = await export(client, ["alpha", "gamma"], tmp_path)
    assert [(error.eval_id, error.table, error.split, error.error) for error in summary.errors] == [
        ("alpha", "images", "train", "IncompleteError"),
        ("gamma", "evals", None, "IncompleteError"),
    ]
    assert "its row 3 cannot be written" in summary.errors[0].message
    assert (summary.rows, summary.units_done) == (1 + 5 + 10, 6)
    assert not any(name.endswith(".tmp") for name in look.files(tmp_path))
    assert (await export(client, ["alpha", "gamma"], tmp_path)).complete


@pytest.mark.parametrize("interrupted", [False, True])
async def test_a_row_that_comes_twice_in_a_split_fails(
    serve: Any, tmp_path: Path, look: Any, small_parts: Callable[[int], None], interrupted: bool
) -> None:
    """The second part brings a row of the first, in another place, in this run or after an earlier one."""
    small_parts(1000)
    world = World(evaluations=[look.spec("a", images={"test": 2500})])
    async with serve(world) as (stand_in, client):
        if interrupted:
            stand_in.faults.always(images_of("a", "test", 1000), Fault.server_error(500))
            first = await export(client, ["a"], tmp_path)
            assert first.units_done == 4
            stand_in.faults.clear()
        row = look.lines(tmp_path / "images/eval_id=a/split=test/part-00000.jsonl")[7] if interrupted else None
        images = world.find("a").images["test"]  # type: ignore[union-attr]
        early, late = images[7], images[1500]
        assert row is None or row["image_id"] == early.image_id

        def swap(body: bytes) -> bytes:
            for new, old in ((early.image_id, late.image_id), (early.name, late.name)):
                assert old.encode() in body
                body = body.replace(old.encode(), new.encode())
            return body

        stand_in.faults.always(images_of("a", "test", 1000), Fault.rewritten(swap))
        summary = await export(client, ["a"], tmp_path)
        assert [(error.split, error.error) for error in summary.errors] == [("test", "IncompleteError")]
        assert "1 rows of the page from row 1000 came a second time" in summary.errors[0].message
        stand_in.faults.clear()
        assert (await export(client, ["a"], tmp_path)).complete


# -- evaluations that are run again ------------------------------------------------------------------------------------


def moved(world: World, look: Any, **images: int) -> World:
    """The same world, with other images in alpha."""
    return World(evaluations=[look.spec("alpha", project="one", images=images), *world.specs[1:]])


@pytest.mark.parametrize("rows_per_part", [1000, 2000])
async def test_a_total_that_changes_on_the_way_begins_the_evaluation_again(
    serve: Any, tmp_path: Path, look: Any, small_parts: Callable[[int], None], rows_per_part: int
) -> None:
    """Between two parts, and between two pages of one."""
    small_parts(rows_per_part)
    before = World(evaluations=[look.spec("a", images={"train": 1500, "test": 2500}, block_size=200)])
    after = World(evaluations=[look.spec("a", images={"train": 1500, "test": 1800}, block_size=200)])
    async with serve(before) as (stand_in, client):

        def turn(body: bytes) -> bytes:
            # The evaluation is run again between the answers for test's first and second page.
            stand_in.world = after
            return body

        stand_in.faults.script(images_of("a", "test", 0), Fault.rewritten(turn))
        summary = await export(client, ["a"], tmp_path / "moved")
        assert summary.complete
        assert summary.rows == 1 + 3300
        stand_in.world = after
        await export(client, ["a"], tmp_path / "plain")
        assert look.data_files(tmp_path / "moved") == look.data_files(tmp_path / "plain")


def re_run(*, test: int = 2500) -> tuple[World, World]:
    """An evaluation, and the same run again: the same images, other figures and another date."""
    made = (("2026-01-01T00:00:00.000Z", 0.9), ("2026-01-02T00:00:00.000Z", 0.3))
    before, after = (
        World(
            evaluations=[
                EvaluationSpec(
                    eval_id="a", images={"train": 5, "test": test}, block_size=200, created_at=created_at, skill=skill
                )
            ]
        )
        for created_at, skill in made
    )
    return before, after


@pytest.mark.parametrize("rows_per_part", [1000, 2000, 9000])
@pytest.mark.parametrize(("split", "offset", "test"), [("train", 0, 2500), ("test", 1000, 2500), ("test", 0, 0)])
async def test_a_re_run_on_the_way_that_changes_no_total_begins_the_evaluation_again(
    serve: Any,
    tmp_path: Path,
    look: Any,
    small_parts: Callable[[int], None],
    rows_per_part: int,
    split: str,
    offset: int,
    test: int,
) -> None:
    """The last unit is of many pages, of one, or empty."""
    small_parts(rows_per_part)
    before, after = re_run(test=test)
    async with serve(before) as (stand_in, client):

        def turn(body: bytes) -> bytes:
            stand_in.world = after
            return body

        stand_in.faults.script(images_of("a", split, offset), Fault.rewritten(turn))
        assert (await export(client, ["a"], tmp_path / "moved")).complete
        assert {line["created_at"] for line in look.lines(tmp_path / "moved/evals/eval_id=a/part-00000.jsonl")} == {
            "2026-01-02T00:00:00.000Z"
        }
        await export(client, ["a"], tmp_path / "plain")
        assert look.data_files(tmp_path / "moved") == look.data_files(tmp_path / "plain")
        stand_in.requests.clear()
        assert (await export(client, ["a"], tmp_path / "moved")).fetched_nothing
        assert stand_in.requests == []


async def test_an_evaluation_that_is_run_again_all_the_time_fails(serve: Any, tmp_path: Path, look: Any) -> None:
    before, after = re_run(test=20)
    async with serve(before) as (stand_in, client):

        def turn(body: bytes) -> bytes:
            stand_in.world = after if stand_in.world is before else before
            return body

        stand_in.faults.always(images_of("a", "test"), Fault.rewritten(turn))
        summary = await export(client, ["a"], tmp_path)
        assert [(error.table, error.split, error.error) for error in summary.errors] == [("images", None, "RerunError")]
        assert "its date was 2026-01-02T00:00:00.000Z, and is now 2026-01-01" in summary.errors[0].message
        assert look.data_files(tmp_path) == {}
        stand_in.faults.clear()
        assert (await export(client, ["a"], tmp_path)).complete


async def test_the_last_unit_waits_for_the_word_that_it_is_the_same_run(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    evaluation = Fault.rewritten(lambda body: body.replace(b'"status":"done"', b'"status":"running"'))
    for fault, error in ((Fault.server_error(500), "ServerError"), (evaluation, "EvalNotDoneError")):
        stand_in.faults.script(lambda request: request.path.endswith("/alpha"), None, fault)
        summary = await export(client, ["alpha"], tmp_path)
        assert [error.error for error in summary.errors] == [error]
        assert not (tmp_path / "images/eval_id=alpha/split=test/part-00000.jsonl").exists()
    summary = await export(client, ["alpha"], tmp_path)
    assert (summary.complete, summary.units_done) == (True, 1)


async def test_a_total_that_goes_on_changing_fails(
    serve: Any, tmp_path: Path, look: Any, small_parts: Callable[[int], None]
) -> None:
    small_parts(1000)
    async with serve(World(evaluations=[look.spec("a", images={"test": 2500}, block_size=200)])) as (stand_in, client):
        stand_in.faults.always(images_of("a", "test", 1000), Fault.changed_total(2600))
        summary = await export(client, ["a"], tmp_path)
        assert [(error.table, error.error) for error in summary.errors] == [("images", "PaginationDriftError")]
        assert "the total changed from 2500 to 2600" in summary.errors[0].message
        assert not any(name.endswith(".tmp") for name in look.files(tmp_path))
        stand_in.faults.clear()
        again = await export(client, ["a"], tmp_path)
        assert (again.complete, again.rows) == (True, 2501)


@pytest.mark.parametrize("images", [{"train": 5, "test": 2100}, {"train": 7, "test": 2498}, {"train": 5, "test": 900}])
async def test_a_re_run_between_two_calls_is_noticed(
    serve: Any, tmp_path: Path, look: Any, small_parts: Callable[[int], None], images: dict[str, int]
) -> None:
    """Of test the last part is missing when the evaluation is run again; the sum may even stay as it was."""
    small_parts(1000)
    after = World(evaluations=[look.spec("a", images=images, block_size=200)])
    before = World(evaluations=[look.spec("a", images={"train": 5, "test": 2500}, block_size=200)])
    async with serve(before) as (stand_in, client):
        stand_in.faults.always(images_of("a", "test", 2000), Fault.server_error(500))
        assert (await export(client, ["a"], tmp_path / "moved")).units_failed == 1
        stand_in.faults.clear()
        stand_in.world = after
        assert (await export(client, ["a"], tmp_path / "moved")).complete
        await export(client, ["a"], tmp_path / "plain")
        assert look.data_files(tmp_path / "moved") == look.data_files(tmp_path / "plain")


async def test_a_split_that_was_empty_is_asked_for_again_if_the_sum_is_off(
    serve: Any, tmp_path: Path, look: Any
) -> None:
    async with serve(World(evaluations=[look.spec("a", images={"train": 5, "test": 3})])) as (stand_in, client):
        stand_in.faults.always(images_of("a", "test"), Fault.server_error(500))
        await export(client, ["a"], tmp_path)
        stand_in.faults.clear()
        stand_in.world = World(evaluations=[look.spec("a", images={"train": 5, "valid": 4, "test": 3})])
        summary = await export(client, ["a"], tmp_path)
        assert (summary.complete, summary.rows) == (True, 1 + 12)
        assert (await export(client, ["a"], tmp_path)).fetched_nothing


async def test_listed_evaluations_show_that_they_were_run_again(
    serve: Any, world: World, tmp_path: Path, look: Any
) -> None:
    later = look.spec("alpha", project="one", created_at="2027-01-01T00:00:00.000Z", skill=0.2)
    async with serve(world) as (stand_in, client):
        await export(client, None, tmp_path / "moved")
        stand_in.world = World(evaluations=[*world.specs, later][1:])
        assert {ev.eval_id for ev in stand_in.world.specs} == {"alpha", "beta", "gamma", "omega"}
        summary = await export(client, None, tmp_path / "moved")
        assert (summary.units_done, summary.units_skipped) == (4, 8)
        await export(client, None, tmp_path / "plain")
        assert look.data_files(tmp_path / "moved") == look.data_files(tmp_path / "plain")


async def test_a_proof_that_is_missing_is_made_up_for(served: Served, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    await export(client, ["alpha"], tmp_path)
    manifest = tmp_path / "_manifest.jsonl"
    _change(manifest, '"all_total":10', '"all_total":11')
    stand_in.requests.clear()
    before = look.data_files(tmp_path)
    summary = await export(client, ["alpha"], tmp_path)
    assert (summary.complete, summary.units_done, len(stand_in.requests)) == (True, 0, 2)
    stand_in.requests.clear()
    await export(client, ["alpha"], tmp_path)
    assert stand_in.requests == []
    assert look.data_files(tmp_path) == before


def _change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))
