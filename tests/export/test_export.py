"""What lands in the folder, what a second call does, and what is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roboflow_evals_async import EvalsClient, InvalidArgumentError
from roboflow_evals_async.export import ExportProgress, export
from roboflow_evals_async.roboflow.listing import EvalListing
from roboflow_evals_async.testing import StandIn, World

Served = tuple[StandIn, EvalsClient]
IDS = ("alpha", "beta", "gamma")


def served_images(world: World, eval_id: str, split: str, confidence: int | None = None) -> list[dict[str, Any]]:
    evaluation = world.find(eval_id)
    assert evaluation is not None
    percent = evaluation.default_confidence if confidence is None else confidence
    page: dict[str, Any] = json.loads(evaluation.image_predictions(split, percent, 0, 1000))
    images: list[dict[str, Any]] = page["images"]
    return images


def as_row(eval_id: str, split: str, position: int, image: dict[str, Any]) -> dict[str, Any]:
    """A row from the served JSON, by a hand of its own."""
    cluster = image["cluster"] or {}
    x, y = cluster.get("embedding2D", [None, None])
    stats = image["stats"]
    return {
        "eval_id": eval_id,
        "split": split,
        "position": position,
        "image_id": image["imageId"],
        "image_name": image["imageName"],
        "augmentations": image["augmentations"],
        "cluster_id": cluster.get("id"),
        "embedding_x": x,
        "embedding_y": y,
        "true_positives": stats["truePositives"],
        "false_positives": stats["falsePositives"],
        "false_negatives": stats["falseNegatives"],
        "precision": stats["precision"],
        "recall": stats["recall"],
        "f1": stats["f1"],
        "confusion": [{"actual": a, "predicted": p, "count": n} for a, p, n in image["confusion"]],
    }


async def test_rows_are_those_served(served: Served, world: World, tmp_path: Path, look: Any) -> None:
    _, client = served
    summary = await export(client, IDS, tmp_path)
    assert summary.complete
    for eval_id in IDS:
        for split in ("train", "valid", "test"):
            images = served_images(world, eval_id, split)
            expected = [as_row(eval_id, split, position, image) for position, image in enumerate(images)]
            found = look.lines(tmp_path / f"images/eval_id={eval_id}/split={split}/part-00000.jsonl")
            assert found == expected
            assert all(list(row) == list(expected[0]) for row in found)
        evaluation = world.find(eval_id)
        assert evaluation is not None
        got = json.loads(evaluation.get())
        assert look.lines(tmp_path / f"evals/eval_id={eval_id}/part-00000.jsonl") == [
            {
                "eval_id": eval_id,
                "status": "done",
                "project": got["project"],
                "version_id": got["versionId"],
                "model_id": got["modelId"],
                "model_url": None,
                "created_at": got["createdAt"],
                "map50": got["summary"]["mAP"],
                "miou": None,
                "precision": got["summary"]["precision"],
                "recall": got["summary"]["recall"],
            }
        ]


async def test_the_layout_and_the_manifest(served: Served, tmp_path: Path, look: Any) -> None:
    _, client = served
    await export(client, ["alpha", "gamma"], str(tmp_path))
    assert set(look.files(tmp_path)) == {
        "_export.json",
        "_lock",
        "_manifest.jsonl",
        "evals/eval_id=alpha/part-00000.jsonl",
        "evals/eval_id=gamma/part-00000.jsonl",
        "images/eval_id=alpha/split=train/part-00000.jsonl",
        "images/eval_id=alpha/split=valid/part-00000.jsonl",
        "images/eval_id=alpha/split=test/part-00000.jsonl",
        "images/eval_id=gamma/split=train/part-00000.jsonl",
        "images/eval_id=gamma/split=test/part-00000.jsonl",
    }
    manifest = look.lines(tmp_path / "_manifest.jsonl")
    assert [(line["eval_id"], line["table"], line["split"], line["rows"], line["total"]) for line in manifest] == [
        ("alpha", "evals", None, 1, 1),
        ("alpha", "images", "train", 5, 5),
        ("alpha", "images", "valid", 2, 2),
        ("alpha", "images", "test", 3, 3),
        ("gamma", "evals", None, 1, 1),
        ("gamma", "images", "train", 4, 4),
        ("gamma", "images", "valid", 0, 0),  # no file, and never asked for again
        ("gamma", "images", "test", 6, 6),
    ]
    for line in manifest:
        if line["table"] == "images" and line["rows"]:
            name = f"images/eval_id={line['eval_id']}/split={line['split']}/part-00000.jsonl"
            content = (tmp_path / name).read_bytes()
            assert (line["bytes"], line["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    asked = json.loads((tmp_path / "_export.json").read_text())
    assert asked == {
        "workspace": "demo-workspace",
        "tables": ["evals", "images"],
        "split": "all",
        "confidence": None,
        "format": "jsonl",
        "schema_version": 1,
        "tool_version": asked["tool_version"],
    }


async def test_again_sends_nothing_and_changes_nothing(served: Served, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    first = await export(client, IDS, tmp_path)
    before = look.files(tmp_path)
    times = look.times(tmp_path)
    stand_in.requests.clear()
    second = await export(client, IDS, tmp_path)
    assert stand_in.requests == []
    assert look.files(tmp_path) == before
    assert look.times(tmp_path) == times
    assert second.fetched_nothing
    assert not first.fetched_nothing
    assert (second.units_done, second.units_skipped, first.units_done) == (0, 12, 12)
    assert (second.rows, second.bytes) == (first.rows, first.bytes)
    assert (first.rows, first.evals) == (3 + 10 + 12 + 10, 3)
    with_time = [(one.eval_id, one.project, one.version_id, one.map50, one.rows) for one in first.per_eval]
    assert with_time == [(one.eval_id, one.project, one.version_id, one.map50, one.rows) for one in second.per_eval]
    assert all(one.map50 is not None for one in second.per_eval)


async def test_all_done_evaluations(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    summary = await export(client, None, tmp_path)
    assert summary.complete
    assert {one.eval_id for one in summary.per_eval} == set(IDS)
    assert (summary.evals, summary.not_done) == (3, ("omega",))
    stand_in.requests.clear()
    again = await export(client, None, tmp_path)
    assert [request.path for request in stand_in.requests] == ["/demo-workspace/model-evals"]
    assert again.fetched_nothing


async def test_more_evaluations_into_the_same_folder(served: Served, tmp_path: Path) -> None:
    _, client = served
    await export(client, ["alpha"], tmp_path)
    summary = await export(client, ["beta", "alpha", "beta"], tmp_path)
    assert [one.eval_id for one in summary.per_eval] == ["beta", "alpha"]
    assert (summary.units_done, summary.units_skipped) == (4, 4)


async def test_one_split_at_a_confidence(served: Served, world: World, tmp_path: Path, look: Any) -> None:
    stand_in, client = served
    summary = await export(client, ["alpha"], tmp_path, tables=["images"], split="test", confidence=50)
    assert summary.complete
    assert list(look.data_files(tmp_path)) == ["images/eval_id=alpha/confidence=50/split=test/part-00000.jsonl"]
    rows = look.lines(tmp_path / "images/eval_id=alpha/confidence=50/split=test/part-00000.jsonl")
    assert rows == [as_row("alpha", "test", i, r) for i, r in enumerate(served_images(world, "alpha", "test", 50))]
    asked = [(r.query.get("split"), r.query.get("confidence")) for r in stand_in.requests if r.query]
    assert asked == [("test", "50")]  # nothing is proved about splits that are not wanted
    assert (await export(client, ["alpha"], tmp_path, tables=["images"], split="test", confidence=50)).fetched_nothing


async def test_evaluations_alone_cost_one_request_each(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    summary = await export(client, IDS, tmp_path, tables=["evals"])
    assert (summary.rows, len(stand_in.requests)) == (3, 3)


async def test_requests_of_an_evaluation(served: Served, tmp_path: Path) -> None:
    stand_in, client = served
    await export(client, ["alpha"], tmp_path)
    asked = [(request.query.get("split"), request.query.get("limit")) for request in stand_in.requests]
    images = [("all", "1"), ("train", "1000"), ("valid", "1000"), ("test", "1000")]
    assert asked == [(None, None), *images, (None, None)]  # at the end, whether it still is the same run


async def test_parts(
    served: Served, world: World, tmp_path: Path, look: Any, small_parts: Callable[[int], None]
) -> None:
    _, client = served
    small_parts(5)
    summary = await export(client, ["beta"], tmp_path, tables=["images"])
    assert summary.units_done == 5
    rows = []
    for part, count in enumerate((5, 5, 2)):
        found = look.lines(tmp_path / f"images/eval_id=beta/split=test/part-{part:05}.jsonl")
        assert len(found) == count
        rows += found
    assert rows == [as_row("beta", "test", i, image) for i, image in enumerate(served_images(world, "beta", "test"))]


async def test_a_part_of_many_pages(serve: Any, tmp_path: Path, look: Any) -> None:
    world = World(evaluations=[look.spec("a", images={"test": 2500}, block_size=200)])
    told: list[ExportProgress] = []
    async with serve(world) as (stand_in, client):
        await export(client, ["a"], tmp_path, split="test", on_progress=told.append)
        assert [r.query["offset"] for r in stand_in.requests if r.query] == ["0", "1000", "2000"]
    rows = look.lines(tmp_path / "images/eval_id=a/split=test/part-00000.jsonl")
    assert [row["position"] for row in rows] == list(range(2500))
    assert len({(row["image_id"], row["image_name"]) for row in rows}) == 2500
    assert {1001, 2001, 2501} <= {one.rows for one in told}  # after every page


async def test_a_file_that_is_gone_or_cut_is_fetched_again(
    served: Served, tmp_path: Path, look: Any, small_parts: Callable[[int], None]
) -> None:
    stand_in, client = served
    small_parts(5)
    await export(client, ["beta"], tmp_path)
    before = look.data_files(tmp_path)
    folder = tmp_path / "images/eval_id=beta/split=test"
    (folder / "part-00001.jsonl").unlink()
    (folder / "part-00002.jsonl").write_bytes(b"{}\n")
    stand_in.requests.clear()
    summary = await export(client, ["beta"], tmp_path)
    assert (summary.units_done, summary.complete) == (2, True)
    assert look.data_files(tmp_path) == before
    assert [r.query["offset"] for r in stand_in.requests if r.query.get("split") == "test"] == ["5", "10"]


async def test_progress(served: Served, tmp_path: Path) -> None:
    _, client = served
    told: list[ExportProgress] = []
    summary = await export(client, ["alpha", "gamma"], tmp_path, on_progress=told.append)
    assert [one.rows for one in told] == sorted(one.rows for one in told)
    assert [one.evals_done for one in told] == sorted(one.evals_done for one in told)
    last = told[-1]
    assert (last.evals_done, last.evals_total, last.rows, last.rows_total) == (2, 2, 22, 22)
    assert (last.units_done, last.units_skipped, last.units_failed) == (8, 0, 0)
    assert "images test of alpha" in {one.current for one in told}
    assert summary.rows == 22
    # Nothing is known of gamma yet while alpha is fetched; then everything is.
    assert {one.rows_total for one in told} == {None, 22}
    again: list[ExportProgress] = []
    await export(client, ["alpha", "gamma"], tmp_path, on_progress=again.append)
    assert {one.rows_total for one in again} == {22}
    assert again[-1].units_skipped == 8


async def test_odd_ids_stay_in_their_folders(serve: Any, tmp_path: Path, look: Any) -> None:
    odd = ("a/b", "x=y&z", "ü ñ", "%2F")
    async with serve(World(evaluations=[look.spec(eval_id) for eval_id in odd])) as (_, client):
        summary = await export(client, [*odd, "..", ""], tmp_path / "out")
    assert look.names(tmp_path) == {"out"}
    assert {error.eval_id: error.error for error in summary.errors} == {
        "..": "InvalidArgumentError",
        "": "InvalidArgumentError",
    }
    assert look.names(tmp_path / "out/evals") == {
        "eval_id=a%2Fb",
        "eval_id=x%3Dy%26z",
        "eval_id=%C3%BC%20%C3%B1",
        "eval_id=%252F",
    }


@pytest.mark.parametrize("bad", ["x" * 260, "ü" * 42, "cut\ud83d"])
async def test_an_id_that_cannot_be_a_name_fails_alone(served: Served, tmp_path: Path, look: Any, bad: str) -> None:
    _, client = served
    summary = await export(client, [bad, "alpha"], tmp_path)
    assert [(error.table, summary.rows) for error in summary.errors] == [(None, 11)]
    assert json.loads(msgspec.json.encode(summary))["units_failed"] == 1
    (line,) = look.lines(tmp_path / "_errors.jsonl")
    assert line["eval_id"] == bad.replace("\ud83d", "?")


async def test_a_list_that_is_not_complete_is_no_complete_export(served: Served, tmp_path: Path) -> None:
    _, client = served
    listing = EvalListing((await client.evals(status="done")).evals, complete=False, unreached=("others",))
    summary = await export(client, listing, tmp_path)
    assert (summary.errors, summary.unreached, summary.complete) == ((), ("others",), False)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("tables", {"tables": ["nope"]}),
        ("tables", {"tables": "images"}),
        ("tables", {"tables": []}),
        ("split", {"split": "dev"}),
        ("confidence", {"confidence": 101}),
        ("format", {"format": "xls"}),
        ("evals", {"evals": "alpha"}),
        ("evals", {"evals": 1}),
        ("evals", {"evals": ["alpha", 1]}),
        ("out", {"out": ""}),
        ("out", {"out": "s3://bucket/x"}),
    ],
)
async def test_wrong_arguments_touch_nothing(
    served: Served, tmp_path: Path, look: Any, field: str, arguments: dict[str, Any]
) -> None:
    stand_in, client = served
    with pytest.raises(InvalidArgumentError) as refused:
        await export(client, **{"evals": ["alpha"], "out": tmp_path / "out", **arguments})
    assert refused.value.field == field
    assert stand_in.requests == []
    assert look.names(tmp_path) == set()


def test_the_package_imports_nothing_until_asked() -> None:
    import roboflow_evals_async.export as package

    assert "ExportSummary" in dir(package)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = package.nothing_like_it
