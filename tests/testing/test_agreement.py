"""The panels of one evaluation agree with each other: recomputed from the served JSON alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from statistics import fmean, pstdev
from typing import Any

import pytest

from roboflow_evals_async.testing import World

Ask = Callable[..., tuple[int, Any]]
Cells = Counter[tuple[int, int]]

SPLITS = ("train", "valid", "test")
DONE = [evaluation.spec for evaluation in World().evaluations if evaluation.spec.status == "done"]
EVALUATIONS = [pytest.param(spec.eval_id, id=f"{spec.project}-{spec.version_id}-{spec.model_id}") for spec in DONE]
PLAIN = [
    pytest.param(spec.eval_id, id=f"{spec.project}-{spec.version_id}-{spec.model_id}")
    for spec in DONE
    if not spec.odd_rows
]


def good(reply: tuple[int, Any]) -> Any:
    status, body = reply
    assert status == 200, body
    return body


def rows_of(ask: Ask, eval_id: str, **query: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = good(ask(f"/{eval_id}/image-predictions", offset=len(rows), limit=1000, **query))
        rows += page["images"]
        if len(rows) >= page["totalImages"]:
            return page, rows


def scores(found: int, wrong: int, missed: int) -> tuple[float, float, float]:
    precision = found / (found + wrong) if found + wrong else 0.0
    recall = found / (found + missed) if found + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1


def tally(cells: Cells, background: int) -> tuple[int, int, int]:
    found = sum(n for (a, p), n in cells.items() if a == p != background)
    wrong = sum(n for (a, p), n in cells.items() if a != p != background)
    missed = sum(n for (a, p), n in cells.items() if p != a != background)
    return found, wrong, missed


def class_tally(cells: Cells, index: int) -> tuple[int, int, int]:
    found = cells[index, index]
    return (
        found,
        sum(n for (_, p), n in cells.items() if p == index) - found,
        sum(n for (a, _), n in cells.items() if a == index) - found,
    )


def close(block: dict[str, Any], expected: tuple[float, float, float], tolerance: float = 1e-9) -> None:
    assert (block["precision"], block["recall"], block["f1"]) == pytest.approx(expected, abs=tolerance)


def matrix_cells(ask: Ask, eval_id: str, split: str, **query: object) -> tuple[dict[str, Any], Cells]:
    panel = good(ask(f"/{eval_id}/confusion-matrix", split=split, **query))
    size = len(panel["classes"])
    assert [len(row) for row in panel["matrix"]] == [size] * size
    assert panel["classes"][-1] == "background"
    assert panel["split"] == split
    return panel, Counter({(a, p): n for a, row in enumerate(panel["matrix"]) for p, n in enumerate(row) if n})


@pytest.fixture(params=EVALUATIONS)
def eval_id(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def confidences(world: World, eval_id: str) -> list[int | None]:
    found = world.find(eval_id)
    assert found is not None
    return [None, *found.spec.confidences]


def test_triples_add_up_to_the_matrix(ask: Ask, world: World, eval_id: str) -> None:
    for confidence in confidences(world, eval_id):
        query = {} if confidence is None else {"confidence": confidence}
        head, rows = rows_of(ask, eval_id, **query)
        sums: defaultdict[str, Cells] = defaultdict(Counter)
        for row in rows:
            for actual, predicted, count in row["confusion"]:
                assert count > 0
                sums[row["split"]][actual, predicted] += count
                sums["all"][actual, predicted] += count
        for split in (*SPLITS, "all"):
            panel, cells = matrix_cells(ask, eval_id, split, **query)
            assert cells == sums[split]
            assert panel["confidenceThreshold"] == head["confidenceThreshold"]
            if confidence is not None:
                assert panel["confidenceThreshold"] == confidence / 100


def test_rows_of_a_split_are_those_of_all(ask: Ask, eval_id: str) -> None:
    _, every = rows_of(ask, eval_id)
    by_split = [row for split in SPLITS for row in rows_of(ask, eval_id, split=split)[1]]
    assert by_split == every
    assert len({(row["imageId"], row["imageName"], row["split"]) for row in every}) == len(every)
    assert len({row["imageName"] for row in every}) == len(every)
    assert all(len(row["imageId"]) == 20 and row["imageId"].isalnum() for row in every)
    assert list(every[0]) == ["imageId", "imageName", "split", "augmentations", "cluster", "stats", "confusion"]


def test_stats_of_a_row_follow_from_its_triples(ask: Ask, eval_id: str) -> None:
    background = len(matrix_cells(ask, eval_id, "test")[0]["classes"]) - 1
    for row in rows_of(ask, eval_id)[1]:
        cells: Cells = Counter({(a, p): n for a, p, n in row["confusion"]})
        stats = row["stats"]
        counts = tally(cells, background)
        assert (stats["truePositives"], stats["falsePositives"], stats["falseNegatives"]) == counts
        # Served with three decimals.
        close(stats, scores(*counts), tolerance=0.000501)


def test_sweep_peaks_where_it_says(ask: Ask, eval_id: str) -> None:
    for split in good(ask(f"/{eval_id}/confidence-sweep"))["splits"].values():
        for block in (split, *split["perClass"].values()):
            table = block["perThreshold"]
            assert list(table) == [f"{percent / 100:.2f}" for percent in range(100)]
            best = max(entry["f1"] for entry in table.values())
            if best:
                peak = table[f"{block['optimalThreshold']:.2f}"]
                assert peak["f1"] == best
                assert block["optimalMetrics"] == peak
            else:
                assert block["optimalThreshold"] == 0.5
                assert block["optimalMetrics"] == {"precision": 0, "recall": 0, "f1": 0}
            recalls = [entry["recall"] for entry in table.values()]
            assert recalls == sorted(recalls, reverse=True)


def test_sweep_and_matrix_agree_at_one_threshold(ask: Ask, world: World, eval_id: str) -> None:
    splits = good(ask(f"/{eval_id}/confidence-sweep"))["splits"]
    for confidence in confidences(world, eval_id):
        query = {} if confidence is None else {"confidence": confidence}
        for split, block in splits.items():
            panel, cells = matrix_cells(ask, eval_id, split, **query)
            key = f"{panel['confidenceThreshold']:.2f}"
            close(block["perThreshold"][key], scores(*tally(cells, len(panel["classes"]) - 1)))
            for index, name in enumerate(panel["classes"][:-1]):
                close(block["perClass"][name]["perThreshold"][key], scores(*class_tally(cells, index)))


def test_performance_by_class_is_the_sweep_at_the_optimum(ask: Ask, eval_id: str) -> None:
    sweep = good(ask(f"/{eval_id}/confidence-sweep"))["splits"]
    for split, block in sweep.items():
        panel = good(ask(f"/{eval_id}/performance-by-class", split=split))
        assert panel["split"] == split
        assert [row["className"] for row in panel["classes"]] == list(block["perClass"])
        for row in panel["classes"]:
            per_class = block["perClass"][row["className"]]
            assert row["optimalThreshold"] == per_class["optimalThreshold"]
            assert {name: row[name] for name in ("precision", "recall", "f1")} == per_class["optimalMetrics"]


def test_map_results_agree_with_performance_by_class(ask: Ask, eval_id: str) -> None:
    results = good(ask(f"/{eval_id}/map-results"))
    sizes = ("small", "medium", "large")
    maps = ("map50", "map50_95", "map75")
    for split, block in results["splits"].items():
        classes = good(ask(f"/{eval_id}/performance-by-class", split=split))["classes"]
        if "iou" in classes[0]:
            known = [row["iou"] for row in classes if row["iou"] is not None]
            assert block["mIoU"] == pytest.approx(fmean(known))
            for row in classes:
                assert {**block["perClass"][row["className"]], "className": row["className"]} == row
                if row["f1"]:  # IoU and F1 are two readings of one count
                    assert row["iou"] == pytest.approx(row["f1"] / (2 - row["f1"]))
        elif "map50" in classes[0]:
            assert set(block["perClass"]) == {row["className"] for row in classes}
            for row in classes:
                per_class = block["perClass"][row["className"]]
                assert {name: per_class[name] for name in maps} == {name: row[name] for name in maps}
                if row["map50"] is not None:
                    assert 1 >= row["map50"] >= row["map50_95"] >= 0
                    assert row["map50"] >= row["map75"]
            for size in (None, *(sizes if "byObjectSize" in block else ())):
                whole = block if size is None else block["byObjectSize"][size]
                parts = [
                    per_class if size is None else per_class["byObjectSize"][size]
                    for per_class in block["perClass"].values()
                ]
                parts = [part for part in parts if part is not None and part["map50"] is not None]
                assert (whole is None) == (not parts)
                for name in maps if parts else ():
                    assert whole[name] == pytest.approx(fmean(part[name] for part in parts))
        else:
            assert "oks50" in block


def test_summary_is_the_test_split(ask: Ask, eval_id: str) -> None:
    summary = good(ask(f"/{eval_id}"))["summary"]
    results = good(ask(f"/{eval_id}/map-results"))
    best = good(ask(f"/{eval_id}/confidence-sweep"))["splits"]["test"]["optimalMetrics"]
    assert (summary["precision"], summary["recall"]) == (best["precision"], best["recall"])
    assert summary["mAP"] == results["splits"]["test"].get("map50")
    assert summary.get("mIoU") == results["splits"]["test"].get("mIoU")


def test_a_class_without_instances(ask: Ask, eval_id: str) -> None:
    """Its metrics are nulls and integer zeros, its threshold the documented placeholder."""
    for split in good(ask(f"/{eval_id}/map-results"))["splits"]:
        panel, cells = matrix_cells(ask, eval_id, split)
        rows = good(ask(f"/{eval_id}/performance-by-class", split=split))["classes"]
        for index, row in enumerate(rows):
            if any(actual == index for actual, _ in cells):
                assert row.get("map50", 1) is not None
                assert row.get("iou", 1) is not None
                continue
            assert row.get("map50") is row.get("map75") is row.get("map50_95") is row.get("iou") is None
            assert [row["precision"], row["recall"], row["f1"], row["optimalThreshold"]] == [0, 0, 0, 0.5]
            assert all(isinstance(row[name], int) for name in ("precision", "recall", "f1"))
        assert len(rows) == len(panel["classes"]) - 1


@pytest.mark.parametrize("eval_id", PLAIN)
def test_clusters_are_those_of_the_rows(ask: Ask, world: World, eval_id: str) -> None:
    for confidence in confidences(world, eval_id):
        query = {} if confidence is None else {"confidence": confidence}
        panel = good(ask(f"/{eval_id}/vector-analysis", **query))
        _, rows = rows_of(ask, eval_id, **query)
        members: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            members[row["cluster"]["id"]].append(row)
        assert [cluster["id"] for cluster in panel["clusters"]] == sorted(members)
        clustering = panel["clustering"]
        assert clustering["metrics"]["noiseRatio"] == pytest.approx(len(members[-1]) / len(rows))
        assert clustering["nClusters"] == len([key for key, group in members.items() if key >= 0 and group])
        for cluster in panel["clusters"]:
            group = members[cluster["id"]]
            assert cluster["numImages"] == len(group) == sum(cluster["splitDistribution"].values())
            assert cluster["splitDistribution"] == dict(Counter(row["split"] for row in group))
            assert set(cluster["sampleImages"]) <= {row["imageName"] for row in group}
            f1 = [row["stats"]["f1"] for row in group]
            metrics = cluster["metrics"]
            assert (metrics["f1Min"], metrics["f1Max"]) == (min(f1), max(f1))
            assert metrics["f1Mean"] == pytest.approx(fmean(f1), abs=0.000501)
            assert metrics["f1Std"] == pytest.approx(pstdev(f1), abs=0.000501)
            for name in ("precision", "recall"):
                mean = fmean(row["stats"][name] for row in group)
                assert metrics[f"{name}Mean"] == pytest.approx(mean, abs=0.000501)


def test_recommendations_follow_the_test_split(ask: Ask, eval_id: str) -> None:
    panel = good(ask(f"/{eval_id}/recommendations"))
    if not panel["generated"]:
        assert set(panel) <= {"generated", "evalId", "project", "versionId", "modelId"}
        return
    summary = panel["recommendations"]["summary"]
    best = good(ask(f"/{eval_id}/confidence-sweep"))["splits"]["test"]
    assert summary["confidenceThreshold"] == round(best["optimalThreshold"] * 100)
    assert {name: summary[name] for name in ("precision", "recall", "f1")} == best["optimalMetrics"]
    assert summary["count"] == len(panel["recommendations"]["items"])
    assert summary["split"] == "test"


def test_recommended_items_point_at_the_matrix(ask: Ask, world: World) -> None:
    """Where the canonical report is the optimal one, the items can be read off its matrix."""
    eval_id = world.first(project="shelf-audit").eval_id
    panel, cells = matrix_cells(ask, eval_id, "test")
    names = panel["classes"]
    items = {item["type"]: item for item in good(ask(f"/{eval_id}/recommendations"))["recommendations"]["items"]}
    missed = {name: class_tally(cells, index)[2] for index, name in enumerate(names[:-1])}
    assert items["missed_detection"]["count"] == missed[items["missed_detection"]["className"]] == max(missed.values())
    pair = items["wrong_class"]
    pairs = {cell: n for cell, n in cells.items() if cell[0] != cell[1] and len(names) - 1 not in cell}
    key = (names.index(pair["actualClass"]), names.index(pair["predictedClass"]))
    assert pair["count"] == pairs[key] == max(pairs.values())


def test_two_versions_are_measured_on_the_same_images(ask: Ask, world: World) -> None:
    newer, older = (
        rows_of(ask, evaluation.eval_id)[1]
        for evaluation in world.evaluations
        if evaluation.spec.project == "chess-pieces-fmhpz" and evaluation.spec.model_id != "Qd8vLr2TnXk5sYwB1uJe"
    )
    names = ("imageId", "imageName", "split", "augmentations", "cluster")
    assert [[row[name] for name in names] for row in newer] == [[row[name] for name in names] for row in older]
    objects = [[sum(n for a, _, n in row["confusion"] if a < 5) for row in rows] for rows in (newer, older)]
    assert objects[0] == objects[1]
    assert newer != older
