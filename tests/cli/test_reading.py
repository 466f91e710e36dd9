"""The commands that read: their JSON is the served one, their tables hold what matters."""

import io
import json
import sys

import pytest

from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

from .conftest import Ask, Rfevals, settings

PANELS = (
    "map-results", "confidence-sweep", "performance-by-class", "confusion-matrix", "vector-analysis", "recommendations",
)  # fmt: skip


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_as_json_is_the_served_one(rfevals: Rfevals, ask: Ask, world: World, panel: str) -> None:
    for evaluation in world.evaluations:
        if evaluation.spec.status == "done":
            result = rfevals(panel, evaluation.eval_id, "--json")
            assert (result.code, result.err) == (0, "")
            assert result.json == ask(f"/{evaluation.eval_id}/{panel}")


@pytest.mark.parametrize(
    ("argv", "path", "query"),
    [
        (("performance-by-class", "--split", "train"), "performance-by-class", {"split": "train"}),
        (("confusion-matrix", "-s", "all", "-c", "37"), "confusion-matrix", {"split": "all", "confidence": 37}),
        (("vector-analysis", "-c", "50"), "vector-analysis", {"confidence": 50}),
        (("image-predictions", "-n", "7"), "image-predictions", {"limit": 7}),
        (("image-predictions", "-o", "790"), "image-predictions", {"offset": 790}),
        (
            ("image-predictions", "-o", "3", "-n", "4", "-s", "valid", "-c", "50"),
            "image-predictions",
            {"offset": 3, "limit": 4, "split": "valid", "confidence": 50},
        ),
    ],
)
def test_options_reach_the_server(
    rfevals: Rfevals, ask: Ask, detection: str, argv: tuple[str, ...], path: str, query: dict[str, object]
) -> None:
    result = rfevals(argv[0], detection, *argv[1:], "--json")
    assert result.json == ask(f"/{detection}/{path}", **query)


def test_json_keeps_the_spelling_of_numbers_and_is_laid_out(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    served.faults.script("map-results", Fault.rewritten(lambda _: b'{"splits":{"test":{"map50":0.10,"extra":1e2}}}'))
    assert rfevals("map-results", detection, "--json").out == (
        '{\n  "splits": {\n    "test": {\n      "map50": 0.10,\n      "extra": 1e2\n    }\n  }\n}\n'
    )


def test_json_is_json_even_where_the_server_says_nan(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    served.faults.script("map-results", Fault.rewritten(lambda _: b'{"splits":{"test":{"map50":NaN}}}'))
    assert rfevals("map-results", detection, "--json").json == {"splits": {"test": {"map50": None}}}


def test_get_as_json(rfevals: Rfevals, ask: Ask, world: World) -> None:
    for eval_id in world.eval_ids:
        assert rfevals("get", eval_id, "--json").json == ask(f"/{eval_id}")


def test_list_as_json(rfevals: Rfevals, ask: Ask) -> None:
    served = ask()["evals"]
    assert rfevals("list", "--json").json == served
    assert rfevals("--json", "list", "--limit", "3").json == served[:3]
    assert rfevals("list", "-p", "chess-pieces-fmhpz", "--json").json == ask(project="chess-pieces-fmhpz")["evals"]
    assert rfevals("list", "-s", "running", "--json").json == ask(status="running")["evals"]
    both = rfevals("list", "-p", "chess-pieces-fmhpz", "--version", "3", "--json").json
    assert both == [row for row in served if row["versionId"] == "3" and row["project"] == "chess-pieces-fmhpz"]
    assert rfevals("list", "-p", "no-such-project", "--json").json == []


def test_list_goes_beyond_the_cap_and_says_what_it_cannot_reach(run: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [EvaluationSpec(project="big"), *(EvaluationSpec(status="failed", project="big") for _ in range(210))]
    specs += [EvaluationSpec(project=f"other-{index}") for index in range(30)]
    with StandIn(World(evaluations=specs)).in_thread() as server:
        for name, value in settings(server).items():
            monkeypatch.setenv(name, value)
        listed = run("list", "--json")
        assert len(listed.json) == 231  # 31 done, and 200 of 210 failed
        assert "not complete" in listed.err
        assert "failed evaluations" in listed.err
        named = run("list", "-p", "other-7", "-q")
        assert (len(named.lines), named.err) == (1, "")


def test_list_in_a_pipe_has_whole_ids_in_its_first_column(rfevals: Rfevals, world: World) -> None:
    result = rfevals("list")
    assert [line.split()[0] for line in result.lines] == ["ID", *world.eval_ids]
    assert "13 evaluations" in result.err
    assert rfevals("list", "-q").lines == list(world.eval_ids)
    assert rfevals("list", "-q").err == ""
    assert rfevals("list", "-p", "no-such-project").out == ""


# What starts an escape sequence of a terminal, turns the direction of writing, and is a control of its own.
STEERING = "x\x1b]0;pwn\x07y\nz w\u202e\x9b\x7f\U000e0001é"


def with_id(served: StandIn, detection: str, eval_id: str) -> None:
    name = json.dumps(eval_id, ensure_ascii=False).encode()
    served.faults.script("model-evals", Fault.rewritten(lambda body: body.replace(f'"{detection}"'.encode(), name)))


def test_an_id_is_one_word_whatever_it_is(
    rfevals: Rfevals, served: StandIn, world: World, detection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_id(served, detection, STEERING)
    listed = rfevals("list", "-q").out
    assert listed.split("\n") == [
        r"x\x1b]0;pwn\x07y\nz\x20w\u202e\x9b\x7f\U000e0001é",
        *world.eval_ids[1:],
        "",
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO(listed))
    assert len(rfevals("get", "-", "--json").lines) == len(world.eval_ids) - 1


def test_json_cannot_steer_a_terminal_and_is_as_it_was_in_a_pipe(
    rfevals: Rfevals, served: StandIn, detection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_id(served, detection, STEERING)
    piped = rfevals("list", "--json")
    assert "\u202e\x9b\x7f\U000e0001é" in piped.out
    with_id(served, detection, STEERING)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = rfevals("list", "--json")
    assert shown.out.replace("\n", "").isprintable()
    assert "\\u202e\\u009b\\u007f\\udb40\\udc01é" in shown.out
    assert shown.json == piped.json
    # Errors too, for an id may be in them.
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    failed = rfevals("get", "..", "a\u202eb", "--json")
    assert failed.err.replace("\n", "").isprintable()
    assert json.loads(failed.err.splitlines()[1])["evalId"] == "a\u202eb"


def test_tables_hold_what_matters(rfevals: Rfevals, world: World, detection: str) -> None:
    shown = rfevals("get", detection).out
    assert "chess-pieces-fmhpz" in shown
    assert "78.3%" in shown
    shown = rfevals("map-results", detection).out
    assert all(word in shown for word in ("mAP50-95", "hub cap", "train", "valid", "test", "45.8%"))
    shown = rfevals("confidence-sweep", detection).out
    assert all(word in shown for word in ("best", "27%", "tyre/tread", "80.5%"))
    shown = rfevals("performance-by-class", detection).out
    assert all(word in shown for word in ("Split test", "object-detection-like", "=logo", "Threshold"))
    music = next(line for line in shown.splitlines() if "music-note" in line)
    assert set(music.split()[1:]) == {"-"}  # no instance in the split: the server's zeros are no measurements
    shown = rfevals("confusion-matrix", detection, "--split", "all", "-c", "37").out
    assert all(word in shown for word in ("Split all", "threshold 37%", "background", "(missed)", "(nothing there)"))
    shown = rfevals("vector-analysis", detection).out
    assert all(word in shown for word in ("hdbscan", "6 clusters", "silhouette", "worst first"))
    shown = rfevals("recommendations", detection).out
    assert all(word in shown for word in ("threshold 27%", "missed_detection", "Car-rims"))
    shown = rfevals("compare", "-p", "chess-pieces-fmhpz", "--version", "4").out
    assert all(word in shown for word in ("frontier by mAP5095", "31.4", detection, "yes"))
    assert "none" in rfevals("image-predictions", detection, "-o", "900").out


def test_segmentation_and_unknown_tasks_have_tables_of_their_own(rfevals: Rfevals, world: World) -> None:
    roads = world.first(task_type="semantic-segmentation").eval_id
    assert "IoU" in rfevals("performance-by-class", roads).out
    assert "mIoU" in rfevals("map-results", roads).out
    assert "mIoU" in rfevals("get", roads).out
    hands = world.first(project="hand-poses").eval_id
    assert rfevals("performance-by-class", hands).lines[1].split() == [
        "Class",
        "Precision",
        "Recall",
        "F1",
        "Threshold",
    ]
    ungenerated = world.first(project="solar-panels").eval_id
    assert "No recommendations" in rfevals("recommendations", ungenerated).out


def test_a_matrix_of_many_classes_is_shown_by_its_mistakes(run: Rfevals, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"class {index}" for index in range(40))
    world = World(evaluations=[EvaluationSpec(classes=names, images={"test": 60})])
    with StandIn(world).in_thread() as server:
        for name, value in settings(server).items():
            monkeypatch.setenv(name, value)
        shown = run("confusion-matrix", world.eval_ids[0])
    assert "Most frequent mistakes, 15 of" in shown.out
    assert "Actual, predicted as" not in shown.out


def test_every_kind_of_evaluation_can_be_shown(rfevals: Rfevals, world: World) -> None:
    for evaluation in {evaluation.spec.project: evaluation for evaluation in world.evaluations}.values():
        assert rfevals("get", evaluation.eval_id).code == 0
        if evaluation.spec.status == "done":
            for panel in (*PANELS, "image-predictions"):
                shown = rfevals(panel, evaluation.eval_id, *(["-n", "20"] if panel == "image-predictions" else []))
                assert (shown.code, shown.err) == (0, "")
                assert shown.out


def test_all_images_are_walked_as_json_lines(rfevals: Rfevals, ask: Ask, large: str, served: StandIn) -> None:
    before = len(served.requests)
    result = rfevals("image-predictions", large, "--json")
    asked = [request.query["offset"] for request in served.requests[before:]]
    assert asked == ["0", "1000", "2000", "3000"]
    pages = [ask(f"/{large}/image-predictions", split="all", limit=1000, offset=at) for at in range(0, 3400, 1000)]
    assert [json.loads(line) for line in result.lines] == [row for page in pages for row in page["images"]]
    assert len(result.lines) == 3400


def test_all_images_are_one_table(rfevals: Rfevals, large: str) -> None:
    result = rfevals("image-predictions", large, "--split", "valid")
    assert result.lines[0] == "Split valid · threshold 24% · 680 images"
    assert result.lines[1].split()[0] == "IMAGE"
    assert len(result.lines) == 682
    assert len(rfevals("image-predictions", large).lines) == 3402


def test_a_row_spread_over_lines_comes_out_in_one(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    body = b'{"totalImages": 2, "images": [{"imageId":\n "a", "x": 1.50},\r\n{"imageId": "b\\n"}]}'
    served.faults.script("image-predictions", Fault.rewritten(lambda _: body))
    assert rfevals("image-predictions", detection, "--json").lines == ['{"imageId":"a","x":1.50}', '{"imageId":"b\\n"}']


def test_rows_that_are_no_json_come_out_as_json(rfevals: Rfevals, served: StandIn, detection: str) -> None:
    body = b'{"totalImages": 1, "images": [{"imageId": "a", "stats": {"f1": NaN}}]}'
    served.faults.script("image-predictions", Fault.rewritten(lambda _: body))
    assert rfevals("image-predictions", detection, "--json").lines == ['{"imageId":"a","stats":{"f1":null}}']


def test_a_walk_under_which_the_rows_change_fails(rfevals: Rfevals, served: StandIn, large: str) -> None:
    served.faults.script("image-predictions", None, Fault.changed_total(3000))
    result = rfevals("image-predictions", large, "--json")
    assert result.code == 1
    assert len(result.lines) == 1000
    assert "total changed" in result.error["message"]
    assert "on_drift=" not in result.err


def test_rivergen(rfevals: Rfevals) -> None:
    result = rfevals("rivergen", "summary", "mdl-7f3a19bc92", "--json")
    assert result.json["metrics"]["log_loss"] == 0.1425
    assert result.json["version_id"] == "ver-001a1"
    shown = rfevals("rivergen", "summary", "mdl-7f3a19bc92", "--version-id", "ver-0009f").out
    assert all(word in shown for word in ("ver-0009f", "classification", "91.1%", "0.2046", "lower"))
    shown = rfevals("rivergen", "summary", "mdl-regression", "--dataset-split", "validation").out
    assert "3.31" in shown


def test_a_token_may_be_an_option(rfevals: Rfevals, monkeypatch: pytest.MonkeyPatch, served: StandIn) -> None:
    monkeypatch.delenv("RIVERGEN_TOKEN")
    assert rfevals("rivergen", "summary", "mdl-nulls", "--token", served.rivergen_token).code == 0
    assert rfevals("rivergen", "summary", "mdl-nulls").code == 2
    assert rfevals("rivergen", "summary", "mdl-nulls", "--token", "other").code == 2


@pytest.mark.parametrize("argv", [("list",), ("rivergen", "summary", "mdl-nulls")])
def test_demo_needs_nothing(run: Rfevals, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # the stand-in is in this process, whatever the proxy
    assert run("--demo", *argv).code == 0
    assert run(*argv, "--demo", "--json").code == 0
