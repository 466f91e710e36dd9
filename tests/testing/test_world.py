"""Worlds: the same from the same seed, cheap until read, and as large as asked."""

from __future__ import annotations

import json
import tracemalloc
from time import perf_counter

import pytest

from roboflow_evals_async.testing import EvaluationSpec, World, default_specs, default_world


def bodies(world: World) -> list[bytes]:
    made: list[bytes] = []
    for evaluation in world.evaluations:
        made.append(evaluation.get())
        if evaluation.spec.status == "done" and evaluation.total_images("all") < 500:
            percent = evaluation.default_confidence
            made += [
                evaluation.map_results(),
                evaluation.confidence_sweep(),
                evaluation.performance_by_class("test"),
                evaluation.confusion_matrix("all", percent),
                evaluation.vector_analysis(percent),
                evaluation.image_predictions("all", percent, 0, 1000),
                evaluation.recommendations(),
            ]
    return made


def test_one_seed_one_world() -> None:
    first = bodies(World(seed=7))
    assert first == bodies(World(seed=7))
    assert World(seed=7).eval_ids != World(seed=8).eval_ids
    assert first != bodies(World(seed=8))
    assert default_world(7).eval_ids == World(seed=7).eval_ids


def test_reading_order_does_not_matter() -> None:
    specs = [EvaluationSpec(images={"train": 5, "test": 9})]
    forward, backward = World(evaluations=specs).evaluations[0], World(evaluations=specs).evaluations[0]
    one = (forward.get(), forward.confusion_matrix("all", 20), forward.image_predictions("all", 50, 0, 99))
    two = (backward.image_predictions("all", 50, 0, 99), backward.confusion_matrix("all", 20), backward.get())
    assert one == two[::-1]


def test_ids_and_times() -> None:
    world = World(evaluations=[EvaluationSpec()] * 250)
    assert len(set(world.eval_ids)) == 250
    assert all(len(eval_id) == 20 and eval_id.isalnum() for eval_id in world.eval_ids)
    times = [spec.created_at for spec in world.specs]
    assert times[0] == "2026-04-27T20:04:10.904Z"
    assert times == sorted(times, reverse=True)
    assert all(len(time) == 24 for time in times)
    with pytest.raises(ValueError, match="one eval_id"):
        World(evaluations=[EvaluationSpec(eval_id="a"), EvaluationSpec(eval_id="a")])


def test_find_and_first() -> None:
    world = World()
    newest = world.evaluations[0]
    assert world.find(newest.eval_id) is newest
    assert world.find("nothing") is None
    assert world.first() is newest
    assert world.first(status="failed").spec.status == "failed"
    with pytest.raises(LookupError, match="no evaluation"):
        world.first(project="nothing")


def test_the_default_world_costs_nothing_until_read() -> None:
    began = perf_counter()
    world = World()
    world.listing(limit=200)
    assert perf_counter() - began < 0.05
    assert len(world.evaluations) == len(default_specs()) == 13


def test_a_million_rows_take_the_memory_of_a_block() -> None:
    spec = EvaluationSpec(images={"train": 999_990, "test": 10}, block_size=2_000)
    evaluation = World(evaluations=[spec]).evaluations[0]
    tracemalloc.start()
    try:
        seen: set[tuple[str, str]] = set()
        for offset in (0, 1_500, 2_000, 500_000, 998_500, 999_500):
            page = json.loads(evaluation.image_predictions("all", 20, offset, 1_000))
            assert page["totalImages"] == 1_000_000
            assert len(page["images"]) == min(1_000, 1_000_000 - offset)
            seen |= {(row["imageId"], row["imageName"]) for row in page["images"]}
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    # 1000 + 1500 + 1000 + 1500: two pairs of windows overlap by half.
    assert len(seen) == 5_000
    assert json.loads(evaluation.image_predictions("test", 20, 0, 5))["totalImages"] == 10


def test_panels_count_repeated_rows() -> None:
    spec = EvaluationSpec(images={"train": 23, "test": 7}, block_size=5)
    evaluation = World(evaluations=[spec]).evaluations[0]
    rows = json.loads(evaluation.image_predictions("all", 20, 0, 1_000))["images"]
    assert len({row["imageId"] for row in rows}) == len({row["imageName"] for row in rows}) == 30
    matrix = json.loads(evaluation.confusion_matrix("all", 20))["matrix"]
    sums = [[0] * 4 for _ in range(4)]
    for row in rows:
        for actual, predicted, count in row["confusion"]:
            sums[actual][predicted] += count
    assert matrix == sums
    clusters = json.loads(evaluation.vector_analysis(20))["clusters"]
    for cluster in clusters:
        group = [row for row in rows if row["cluster"]["id"] == cluster["id"]]
        assert cluster["numImages"] == len(group)
        mean = sum(row["stats"]["f1"] for row in group) / len(group)
        assert cluster["metrics"]["f1Mean"] == pytest.approx(mean, abs=0.000501)
    assert sum(cluster["numImages"] for cluster in clusters) == 30


@pytest.mark.parametrize(
    "spec",
    [
        EvaluationSpec(images={}),
        EvaluationSpec(images={"valid": 1}),
        EvaluationSpec(classes=("only",), images={"test": 3}),
        EvaluationSpec(images={"test": 3}, absent={"test": ("cat", "dog", "bird")}),
        EvaluationSpec(images={"test": 2}, task_type="semantic-segmentation"),
        EvaluationSpec(images={"test": 2}, task_type="semantic-segmentation", absent={"test": ("cat", "dog", "bird")}),
        EvaluationSpec(classes=("background", "BACKGROUND"), images={"test": 4}),
    ],
)
def test_every_panel_of_an_extreme_evaluation_is_json(spec: EvaluationSpec) -> None:
    evaluation = World(evaluations=[spec]).evaluations[0]
    for split in ("train", "valid", "test"):
        json.loads(evaluation.performance_by_class(split))
        json.loads(evaluation.confusion_matrix(split, 20))
    for body in bodies(World(evaluations=[spec])):
        json.loads(body)
