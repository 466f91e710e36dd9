"""Parameters, defaults, caps and error bodies of the Model Evaluations API, as documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roboflow_evals_async.testing import EvaluationSpec, StandIn, World

Ask = Callable[..., tuple[int, Any]]

PANELS = (
    "map-results",
    "confidence-sweep",
    "performance-by-class",
    "confusion-matrix",
    "vector-analysis",
    "image-predictions",
    "recommendations",
)
READ_AT_A_CONFIDENCE = ("confusion-matrix", "vector-analysis", "image-predictions")


@pytest.fixture(scope="module")
def big(world: World) -> str:
    return world.first(project="shelf-audit").eval_id


def test_the_default_world_has_what_it_promises(world: World) -> None:
    specs = world.specs
    assert {spec.status for spec in specs} == {"done", "running", "failed"}
    assert {spec.task_type for spec in specs} == {
        "object-detection-like", "semantic-segmentation", "keypoint-detection",
    }  # fmt: skip
    assert any(spec.project is None for spec in specs)
    assert any(not spec.recommendations for spec in specs)
    assert any(spec.legacy for spec in specs)
    assert max(sum(spec.images.values()) for spec in specs) == 3400
    names = {name for spec in specs for name in spec.classes}
    assert any(" " in name for name in names)
    assert any("/" in name for name in names)
    assert any(name.startswith("=") for name in names)


def test_list_is_newest_first_without_summary(ask: Ask, world: World) -> None:
    status, body = ask()
    rows = body["evals"]
    assert status == 200
    assert [row.get("evalId", row.get("id")) for row in rows] == list(world.eval_ids)
    assert [row["createdAt"] for row in rows] == sorted((row["createdAt"] for row in rows), reverse=True)
    assert list(rows[0]) == ["evalId", "status", "project", "versionId", "modelId", "createdAt"]
    legacy = rows[-1]
    assert list(legacy) == ["id", "status", "projectId", "versionId", "modelId", "createdAt"]
    assert [row["project"] for row in rows[:-1]].count(None) == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"project": "chess-pieces-fmhpz"}, 3),
        ({"version": "1"}, 4),
        ({"versionId": "1"}, 4),
        ({"model": "h3PzFa6RmKc0oVtG9iNy"}, 1),
        ({"modelId": "h3PzFa6RmKc0oVtG9iNy"}, 1),
        ({"status": "running"}, 1),
        ({"status": "failed"}, 1),
        ({"status": "done", "project": "hard-hat-detection"}, 0),
        ({"project": "no-such-project"}, 0),
        ({"limit": "2"}, 2),
        ({"limit": "100000"}, 13),
    ],
)
def test_list_filters(ask: Ask, query: dict[str, str], count: int) -> None:
    status, body = ask(**query)
    assert status == 200
    assert len(body["evals"]) == count


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"project": "a", "version": "1"}, "invalid_filter_combination"),
        ({"model": "a", "versionId": "1"}, "invalid_filter_combination"),
        ({"status": "Done"}, "invalid_status"),
        ({"limit": "0"}, "invalid_limit"),
        ({"limit": "-1"}, "invalid_limit"),
        ({"limit": "many"}, "invalid_limit"),
    ],
)
def test_list_refusals(ask: Ask, query: dict[str, str], code: str) -> None:
    status, body = ask(**query)
    assert (status, body["error"]) == (400, code)
    assert body["message"]


async def test_list_defaults_to_50_and_is_capped_at_200() -> None:
    import aiohttp

    tiny = World(seed=3, evaluations=[EvaluationSpec()] * 250)
    async with StandIn(tiny) as s, aiohttp.ClientSession(headers={"Authorization": f"Bearer {s.api_key}"}) as http:
        for query, count in (({}, 50), ({"limit": "200"}, 200), ({"limit": "201"}, 200)):
            async with http.get(f"{s.url}/{s.workspace}/model-evals", params=query) as reply:
                assert len((await reply.json())["evals"]) == count


@pytest.mark.parametrize(
    ("query", "limit", "rows"),
    [({}, 200, 200), ({"limit": "1000"}, 1000, 1000), ({"limit": "5000"}, 1000, 1000), ({"limit": "1"}, 1, 1)],
)
def test_image_predictions_defaults_and_cap(ask: Ask, big: str, query: dict[str, str], limit: int, rows: int) -> None:
    status, page = ask(f"/{big}/image-predictions", **query)
    assert status == 200
    assert (page["split"], page["offset"], page["limit"], page["totalImages"]) == ("all", 0, limit, 3400)
    assert len(page["images"]) == rows


@pytest.mark.parametrize(("offset", "rows"), [(3399, 1), (3400, 0), (999999, 0)])
def test_an_offset_at_or_beyond_the_total(ask: Ask, big: str, offset: int, rows: int) -> None:
    status, page = ask(f"/{big}/image-predictions", offset=offset)
    assert status == 200
    assert (page["offset"], page["totalImages"], len(page["images"])) == (offset, 3400, rows)


def test_pages_of_any_size_join_to_the_same_rows(ask: Ask, big: str) -> None:
    whole = [
        row
        for start in range(0, 3400, 1000)
        for row in ask(f"/{big}/image-predictions", offset=start, limit=1000)[1]["images"]
    ]
    for offset, limit in ((2370, 20), (3050, 20), (2379, 1), (2380, 1), (0, 1)):
        page = ask(f"/{big}/image-predictions", offset=offset, limit=limit)[1]
        assert page["images"] == whole[offset : offset + limit]


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("split", ["all", "TEST", "", "validation"])
def test_split_is_checked_where_it_counts(ask: Ask, big: str, panel: str, split: str) -> None:
    status, body = ask(f"/{big}/{panel}", split=split)
    knows_split = panel in {"performance-by-class", "confusion-matrix", "image-predictions"}
    if knows_split and not (split == "all" and panel != "performance-by-class"):
        assert (status, body["error"]) == (400, "invalid_split")
    else:
        assert status == 200


@pytest.mark.parametrize("panel", READ_AT_A_CONFIDENCE)
@pytest.mark.parametrize("confidence", ["-1", "101", "20.0", "0.2", "many", "", "²"])
def test_confidence_is_a_whole_percent(ask: Ask, big: str, panel: str, confidence: str) -> None:
    status, body = ask(f"/{big}/{panel}", confidence=confidence)
    assert (status, body["error"]) == (400, "invalid_confidence")


@pytest.mark.parametrize("panel", READ_AT_A_CONFIDENCE)
def test_only_some_confidences_have_a_report(ask: Ask, big: str, panel: str) -> None:
    assert ask(f"/{big}/{panel}", confidence=50)[0] == 200
    for confidence in (0, 51, 100):
        status, body = ask(f"/{big}/{panel}", confidence=confidence)
        assert (status, body["error"]) == (404, "report_not_found")


def test_the_canonical_report_is_20_or_the_optimum(ask: Ask, world: World, big: str) -> None:
    first = world.evaluations[0].eval_id
    assert ask(f"/{first}/confusion-matrix")[1]["confidenceThreshold"] == 0.2
    best = ask(f"/{big}/confidence-sweep")[1]["splits"]["test"]["optimalThreshold"]
    assert ask(f"/{big}/confusion-matrix")[1]["confidenceThreshold"] == best


@pytest.mark.parametrize("state", ["running", "failed"])
@pytest.mark.parametrize("panel", PANELS)
def test_panels_of_an_evaluation_that_is_not_done(ask: Ask, world: World, state: str, panel: str) -> None:
    eval_id = world.first(status=state).eval_id
    status, body = ask(f"/{eval_id}/{panel}", confidence=51)
    code = "EVAL_NOT_DONE" if panel == "recommendations" else "model_eval_not_done"
    assert (status, body["error"]) == (409, code)
    status, body = ask(f"/{eval_id}")
    assert status == 200
    assert "summary" not in body


@pytest.mark.parametrize("panel", ["", *(f"/{panel}" for panel in PANELS)])
def test_an_unknown_evaluation(ask: Ask, panel: str) -> None:
    status, body = ask("/AAAAAAAAAAAAAAAAAAAA" + panel)
    assert (status, body["error"]) == (404, "model_eval_not_found")


def test_order_of_the_checks(ask: Ask, ask_raw: Ask, served: StandIn, world: World) -> None:
    unknown = "/AAAAAAAAAAAAAAAAAAAA/confusion-matrix"
    running = world.first(status="running").eval_id
    assert ask_raw(f"/nowhere/model-evals{unknown}", split="x")[0] == 401
    status, body = ask_raw(f"/nowhere/model-evals{unknown}", split="x", bearer=served.api_key)
    assert (status, body["error"]["type"]) == (404, "GraphMethodException")
    assert ask(unknown, split="x")[1]["error"] == "invalid_split"
    assert ask(unknown, confidence=51)[1]["error"] == "model_eval_not_found"
    assert ask(f"/{running}/confusion-matrix", confidence=51)[1]["error"] == "model_eval_not_done"


def test_a_done_evaluation_may_lack_a_panel() -> None:
    world = World(evaluations=[EvaluationSpec(missing_panels=("confidence-sweep",))])
    with StandIn(world).in_thread() as s:
        base = f"/{s.workspace}/model-evals/{world.eval_ids[0]}"
        from urllib.error import HTTPError
        from urllib.request import urlopen

        with pytest.raises(HTTPError) as refused:
            urlopen(f"{s.url}{base}/confidence-sweep?api_key={s.api_key}")
        with refused.value as error:
            assert error.code == 409
        with urlopen(f"{s.url}{base}/map-results?api_key={s.api_key}") as reply:
            assert reply.status == 200


def test_keys(ask_raw: Ask, served: StandIn) -> None:
    path = f"/{served.workspace}/model-evals"
    assert ask_raw(path, bearer=served.api_key)[0] == 200
    assert ask_raw(path, api_key=served.api_key)[0] == 200
    status, body = ask_raw(path, api_key="a-wrong-key")
    assert status == 401
    assert body["error"] == {
        "message": "This API key does not exist (or has been revoked).",
        "status": 401,
        "type": "OAuthException",
        "hint": "You may retrieve your API key via the Roboflow Dashboard.",
        "key": "a-wrong-key",
    }
    assert ask_raw(path, bearer="a-wrong-key")[1] == body
    status, body = ask_raw(path)
    assert status == 401
    assert "key" not in body["error"]
    status, body = ask_raw(path, bearer=served.unscoped_key)
    assert (status, body) == (404, {"error": {"type": "GraphMethodException", "message": "scope missing"}})


def test_another_workspace(ask_raw: Ask, served: StandIn) -> None:
    status, body = ask_raw("/elsewhere/model-evals", bearer=served.api_key)
    assert status == 404
    assert body["error"]["type"] == "GraphMethodException"
    assert 'Workspace with ID "elsewhere" does not exist' in body["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_root_names_the_workspace(ask_raw: Ask, served: StandIn, method: str) -> None:
    assert ask_raw("/", method=method, api_key=served.api_key) == (200, {"workspace": served.workspace})
    assert ask_raw("/", method=method)[0] == 401


@pytest.mark.parametrize("path", ["/x", "/demo-workspace/model-evals/id/no-such-panel", "/a/b/c/d/e/f"])
def test_unknown_routes(ask_raw: Ask, served: StandIn, path: str) -> None:
    status, body = ask_raw(path, bearer=served.api_key)
    assert (status, body["error"]["type"]) == (404, "GraphMethodException")


def test_nothing_is_written(ask_raw: Ask, served: StandIn) -> None:
    status, body = ask_raw(f"/{served.workspace}/model-evals", method="POST", bearer=served.api_key)
    assert (status, body["error"]["type"]) == (404, "GraphMethodException")


def test_identity_header_on_some_panels_and_not_on_others(ask: Ask, world: World, big: str) -> None:
    first = world.evaluations[0]
    for panel in PANELS:
        body = ask(f"/{first.eval_id}/{panel}")[1]
        assert list(body)[:4] == ["evalId", "project", "versionId", "modelId"]
        assert body["evalId"] == first.eval_id
        assert "evalId" not in ask(f"/{big}/{panel}")[1]


def test_legacy_shape(ask: Ask, world: World) -> None:
    legacy = next(evaluation for evaluation in world.evaluations if evaluation.spec.legacy)
    body = ask(f"/{legacy.eval_id}")[1]
    assert body["id"] == legacy.eval_id
    assert "evalId" not in body
    assert "mIoU" not in body["summary"]
    assert "taskType" not in ask(f"/{legacy.eval_id}/map-results")[1]


def test_task_types_shape_the_panels(ask: Ask, world: World) -> None:
    semantic = world.first(task_type="semantic-segmentation").eval_id
    rows = ask(f"/{semantic}/performance-by-class")[1]["classes"]
    assert list(rows[0]) == ["classID", "className", "iou", "precision", "recall", "f1", "optimalThreshold"]
    assert rows[0]["optimalThreshold"] == 0.0
    assert max(max(row) for row in ask(f"/{semantic}/confusion-matrix", split="all")[1]["matrix"]) > 2**31
    unknown = world.first(task_type="keypoint-detection").eval_id
    rows = ask(f"/{unknown}/performance-by-class")[1]["classes"]
    assert list(rows[0]) == ["className", "precision", "recall", "f1", "optimalThreshold"]
    assert ask(f"/{unknown}")[1]["summary"]["mAP"] is None
    first = ask(f"/{world.evaluations[0].eval_id}/map-results")[1]["splits"]["test"]
    assert first["byObjectSize"]["large"] is None
    assert first["perClass"]["music-note"]["map50"] is None
    older = ask(f"/{world.first(project='leaf-disease-seg').eval_id}/map-results")[1]["splits"]["test"]
    assert "byObjectSize" not in older


def test_odd_rows_are_odd_only_there(ask: Ask, world: World) -> None:
    odd = ask(f"/{world.first(project='odd-rows').eval_id}/image-predictions")[1]["images"]
    assert any(row["cluster"] is None for row in odd)
    assert any(row["cluster"] is not None and "embedding2D" not in row["cluster"] for row in odd)
    assert odd[0]["imageId"] == odd[1]["imageId"]
    assert odd[0]["imageName"] != odd[1]["imageName"]
    usual = ask(f"/{world.evaluations[0].eval_id}/image-predictions", limit=1000)[1]["images"]
    assert all(len(row["cluster"]["embedding2D"]) == 2 for row in usual)
    assert any(not row["imageName"].isascii() for row in usual)
    assert any('"' in row["imageName"] for row in usual)


def test_compare(ask: Ask, world: World) -> None:
    status, body = ask("/compare", project="chess-pieces-fmhpz", version=4)
    assert status == 200
    assert body["frontierMetric"] == "mAP5095"
    assert [model["evaluationId"] for model in body["models"]] == list(world.eval_ids[:2])
    assert all(model["onFrontier"] for model in body["models"])
    summary = ask(f"/{world.eval_ids[0]}")[1]["summary"]
    metrics = body["models"][0]["metrics"]
    assert list(metrics) == ["mAP", "mIoU", "precision", "recall", "f1", "mAP5095", "mAP75"]
    assert {name: metrics[name] for name in summary} == summary
    old = ask("/compare", project="chess-pieces-fmhpz", version=3)[1]["models"][0]
    assert (old["medianLatencyMs"], old["onFrontier"], old["exclusionReason"]) == (None, False, "latency_unavailable")
    semantic = ask("/compare", project="road-scenes", version=5)[1]
    assert (semantic["frontierMetric"], semantic["models"][0]["metrics"]["mAP"]) == ("mIoU", None)
    unknown = ask("/compare", project="hand-poses", version=1)[1]
    assert unknown["models"][0]["exclusionReason"] == "unsupported_project_type"
    assert ask("/compare", project="no-such", version=1) == (404, {"error": "Project not found"})
    assert ask("/compare")[0] == 400
    assert ask("/compare", project="chess-pieces-fmhpz", version=4, frontierMetric="mIoU")[0] == 400
