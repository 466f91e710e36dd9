"""What the documents leave open, one test or group for each point: the client must survive every reading.

Most run against a server of scripted bodies, the rest against the stand-in; all over a connection.
"""

import logging
import math
import pickle
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
import pytest

from roboflow_evals_async import (
    AccessDeniedError,
    APIError,
    AuthenticationError,
    DecodeError,
    EvalNotDoneError,
    EvalNotFoundError,
    EvalsClient,
    EvalsError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    PaginationDriftError,
    RateLimitedError,
    ReportNotFoundError,
    ServerError,
    TruncatedBodyError,
    logging_listener,
)
from roboflow_evals_async.roboflow import endpoints
from roboflow_evals_async.roboflow.payloads import Split
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

from .server import KEY, Answer, Scripted, answering, document

ID = "huUF720inUcymARwqAGK"
Call = Callable[[EvalsClient], Awaitable[Any]]

PANELS: dict[str, Call] = {
    "map-results": lambda client: client.map_results(ID),
    "confidence-sweep": lambda client: client.confidence_sweep(ID),
    "performance-by-class": lambda client: client.performance_by_class(ID),
    "confusion-matrix": lambda client: client.confusion_matrix(ID),
    "vector-analysis": lambda client: client.vector_analysis(ID),
    "image-predictions": lambda client: client.send(endpoints.image_predictions(ID).request(0, 1000)),
    "recommendations": lambda client: client.recommendations(ID),
}
EXAMPLES = {
    "map-results": "map_results",
    "confidence-sweep": "confidence_sweep",
    "performance-by-class": "seed_performance_by_class",
    "confusion-matrix": "confusion_matrix",
    "vector-analysis": "vector_analysis",
    "image-predictions": "seed_image_predictions",
    "recommendations": "recommendations",
}
every_panel = pytest.mark.parametrize("panel", PANELS)


def client_of(stand_in: StandIn, **options: Any) -> EvalsClient:
    """A client of the stand-in that makes one try."""
    options = {"api_key": stand_in.api_key, "workspace": stand_in.workspace, "max_attempts": 1, **options}
    return EvalsClient(base_url=stand_in.url, **options)


async def refused(answer: Any, call: Call = PANELS["map-results"], **options: Any) -> tuple[EvalsError, Scripted]:
    """The error that an answer becomes, and the server that gave it."""
    async with answering(answer, echo=False, **options) as (client, server):
        with pytest.raises(EvalsError) as caught:
            await call(client)
    return caught.value, server


def error_body(code: str, message: str = "No.") -> dict[str, str]:
    """The handlers' own envelope."""
    return {"error": code, "message": message}


def image(number: int, **changes: Any) -> dict[str, Any]:
    """A row of image-predictions."""
    row = document("seed_image_predictions")["images"][0]
    return {**row, "imageId": f"i{number}", "imageName": f"{number}.jpg", **changes}


def images_page(*images: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A page of image-predictions, the only one."""
    page = {**document("seed_image_predictions"), "totalImages": len(images), "offset": 0, "limit": 1000}
    return {**page, "images": list(images), **changes}


# -- 1, 2: not done ----------------------------------------------------------------------------------------------------


@every_panel
@pytest.mark.parametrize("code", ["model_eval_not_done", "EVAL_NOT_DONE", "eval_not_done", "Model_Eval_Not_Done"])
async def test_01_not_done_is_spelled_in_two_ways_and_any_case(panel: str, code: str) -> None:
    """The code decides before the status does; and an answer is no reason to try again."""
    for status in (409, 400):
        error, server = await refused(Answer(error_body(code), status), PANELS[panel], max_attempts=4)
        assert type(error) is EvalNotDoneError
        assert (error.status, error.code, error.attempts) == (status, code, 1)
        assert len(server.targets) == 1


@pytest.mark.parametrize("body", [b"", b"<html>Conflict</html>", {"message": "Not yet."}, error_body("something_new")])
async def test_01_a_409_without_a_known_code_is_not_done_too(body: Any) -> None:
    error, _ = await refused(Answer(body, 409))
    assert type(error) is EvalNotDoneError


async def test_02_409_has_two_meanings_that_the_status_tells_apart() -> None:
    """The client never waits on a 409 by itself; `eval` has no 409 and says which of the two it is."""
    specs = [
        EvaluationSpec(missing_panels=("confidence-sweep",)),
        *(EvaluationSpec(status=s) for s in ("running", "failed")),
    ]
    async with StandIn(World(evaluations=specs)) as stand_in, client_of(stand_in, max_attempts=4) as client:
        for eval_id, status in zip(stand_in.world.eval_ids, ("done", "running", "failed"), strict=True):
            stand_in.requests.clear()
            with pytest.raises(EvalNotDoneError, match="Look at its status"):
                await client.confidence_sweep(eval_id)
            assert len(stand_in.requests) == 1
            assert (await client.eval(eval_id)).status == status


# -- 3, 4, 5: errors ---------------------------------------------------------------------------------------------------

ENVELOPES = {
    "E1": (error_body("invalid_split", "Pick one."), "invalid_split", "Pick one."),
    "E2": ({"error": "Access denied"}, None, "Access denied"),
    "E2 a word": ({"error": "forbidden"}, "forbidden", "the server answered"),
    "E3": ({"error": {"message": "Gone.", "type": "SomeException", "hint": "?"}}, "SomeException", "Gone."),
    "E3 empty": ({"error": {}}, None, "no explanation"),
    "E4": ({"message": "Something."}, None, "Something."),
    "E5 html": (b"<html>Bad Gateway</html>", None, "an HTML page"),
    "E5 long html": (b" <!doctype html>" + b"<p>Trouble</p>" * 900, None, "an HTML page"),
    "E5 text": (b"upstream connect error", None, "upstream connect error"),
    "E5 nothing": (b"", None, "no explanation"),
    "a list": ([1, 2], None, "no explanation"),
    "a number": (b"17", None, "the server answered"),
    "nulls": ({"error": None, "message": None}, None, "no explanation"),
    "not even text": (b"\xff\xfe\x00", None, "the server answered"),
    "deep": (b"[" * 100_000, None, "no explanation"),
}


@pytest.mark.parametrize(("body", "code", "text"), ENVELOPES.values(), ids=ENVELOPES.keys())
@pytest.mark.parametrize("status", [400, 403, 404, 500, 418])
async def test_03_every_error_envelope_is_read(body: Any, code: str | None, text: str, status: int) -> None:
    error, _ = await refused(Answer(body, status))
    assert isinstance(error, APIError)
    assert error.status == status
    assert error.code == code
    assert text in str(error)
    assert str(error).startswith(f"map-results of '{ID}': ")
    assert len(str(error)) < 800, "no page of HTML in a log"


MISSING = {
    "no such evaluation": (error_body("model_eval_not_found"), EvalNotFoundError, None),
    "no such report": (error_body("report_not_found"), ReportNotFoundError, None),
    "scope missing": (
        {"error": {"type": "GraphMethodException", "message": "scope missing"}},
        AccessDeniedError,
        "scope",
    ),
    "another workspace": (
        {
            "error": {
                "message": 'Unsupported get request. Workspace with ID "X" does not exist or cannot be loaded.',
                "type": "GraphMethodException",
            }
        },
        AccessDeniedError,
        "workspace",
    ),
    "no such route": (
        {"error": {"message": "Unsupported request. `GET /x` does not exist.", "type": "GraphMethodException"}},
        AccessDeniedError,
        "route",
    ),
    "a text": ({"error": "Project not found"}, NotFoundError, None),
    "a proxy": (b"<html>404</html>", NotFoundError, None),
}


@pytest.mark.parametrize(("body", "error_type", "reason"), MISSING.values(), ids=MISSING.keys())
async def test_04_a_404_has_four_meanings(body: Any, error_type: type[APIError], reason: str | None) -> None:
    error, server = await refused(Answer(body, 404), max_attempts=4)
    assert type(error) is error_type
    assert getattr(error, "reason", None) == reason
    assert len(server.targets) == 1


async def test_04_a_missing_entitlement_may_be_a_403() -> None:
    for body in ({"error": "Access denied"}, error_body("forbidden", "Comparison access denied"), b"<html>"):
        error, _ = await refused(Answer(body, 403))
        assert isinstance(error, AccessDeniedError)
        assert error.reason == "permission"


async def test_04_the_stand_ins_four_404s() -> None:
    async with StandIn(World(evaluations=[EvaluationSpec()])) as stand_in:
        (eval_id,) = stand_in.world.eval_ids
        async with client_of(stand_in) as client:
            with pytest.raises(EvalNotFoundError):
                await client.map_results("nobody")
            with pytest.raises(ReportNotFoundError):
                await client.confusion_matrix(eval_id, confidence=33)
        for options, reason in (({"api_key": stand_in.unscoped_key}, "scope"), ({"workspace": "other"}, "workspace")):
            async with client_of(stand_in, **options) as client:
                with pytest.raises(AccessDeniedError) as caught:
                    await client.map_results(eval_id)
            assert caught.value.reason == reason


async def test_05_401_body_contains_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Nor may a traceback, a pickle, a log or the address show it."""
    caplog.set_level(logging.DEBUG)
    body = {
        "error": {
            "message": f"The API key {KEY} does not exist; see https://example.com/?api_key={KEY}&x=1.",
            "status": 401,
            "type": "OAuthException",
            "key": KEY,
        }
    }
    error, _ = await refused(Answer(body, 401), on_event=logging_listener(logging.getLogger("evals")))
    assert isinstance(error, AuthenticationError)
    assert "***" in str(error)
    assert "AttemptFailed" in caplog.text
    shown = [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error)), caplog.text]
    shown.append(pickle.dumps(error).decode("latin-1"))
    assert not any(KEY in text for text in shown)
    assert error.url.endswith(f"/model-evals/{ID}/map-results")


# -- 6, 7, 8, 9: confidence and split ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "fraction"), [(0.2, 0.2), (0, 0.0), (0.0, 0.0), (1, 1.0), (1.0, 1.0), (30, 0.3), (100, 1.0), (None, None)]
)
@pytest.mark.parametrize("panel", ["confusion-matrix", "image-predictions"])
async def test_06_the_threshold_of_a_panel_is_a_fraction(panel: str, said: float | None, fraction: float) -> None:
    """Above 1 it can only be a percent; exactly 1 is read as the documents say: a fraction."""
    async with answering({**document(EXAMPLES[panel]), "confidenceThreshold": said}) as (client, _):
        assert (await PANELS[panel](client)).confidence_threshold == fraction


async def test_06_recommendations_say_percent_and_their_field_is_called_so() -> None:
    async with answering(document("recommendations")) as (client, _):
        assert (await client.recommendations(ID)).recommendations.summary.confidence_percent == 37


async def test_06_the_parameter_is_a_whole_percent() -> None:
    async with answering(document("confusion_matrix")) as (client, server):
        await client.confusion_matrix(ID, confidence=1)
        assert server.targets[-1].endswith("?split=test&confidence=1")
        with pytest.raises(InvalidArgumentError):
            await client.confusion_matrix(ID, confidence=0.37)  # type: ignore[arg-type]
    assert len(server.targets) == 1


@pytest.mark.parametrize("default", [20, 50])
async def test_07_the_default_confidence_is_read_from_the_reply(default: int) -> None:
    """The documents say 20 and "optimal": nothing is assumed, nothing is sent; a pinned one goes to all panels."""
    world = World(evaluations=[EvaluationSpec(default_confidence=default)])
    async with StandIn(world) as stand_in, client_of(stand_in) as client:
        (eval_id,) = world.eval_ids
        assert (await client.confusion_matrix(eval_id)).confidence_threshold == default / 100
        assert (await client.image_predictions(eval_id)).reply.confidence_threshold == default / 100
        await client.vector_analysis(eval_id)
        assert all("confidence" not in request.query for request in stand_in.requests)
        stand_in.requests.clear()
        await client.confusion_matrix(eval_id, confidence=50)
        await client.vector_analysis(eval_id, confidence=50)
        await client.image_predictions(eval_id, confidence=50)
        assert [request.query["confidence"] for request in stand_in.requests] == ["50"] * 3


async def test_08_a_confidence_that_is_not_stored_is_not_probed_for() -> None:
    world = World(evaluations=[EvaluationSpec()])
    async with StandIn(world) as stand_in, client_of(stand_in, max_attempts=4) as client:
        (eval_id,) = world.eval_ids
        for call in (
            lambda: client.confusion_matrix(eval_id, confidence=33),
            lambda: client.vector_analysis(eval_id, confidence=33),
            lambda: client.image_predictions(eval_id, confidence=33).collect(),
        ):
            stand_in.requests.clear()
            with pytest.raises(ReportNotFoundError, match="leave `confidence` out to read the default report"):
                await call()
            assert len(stand_in.requests) == 1


async def test_09_the_split_is_always_sent() -> None:
    async with answering(images_page(image(0))) as (client, server):
        await client.image_predictions(ID)
        await client.image_predictions(ID).collect()
        await client.image_predictions(ID).total()
    assert all("split=all" in target for target in server.targets)
    assert len(server.targets) == 3


# -- 10, 11, 12, 13: identity and shape --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"evalId": "e1", "project": "p1"},
        {"id": "e1", "projectId": "p1"},
        {"evalId": "e1", "id": "other", "project": "p1", "projectId": "other"},
        {"evalId": None, "id": "e1", "project": None, "projectId": "p1"},
    ],
)
async def test_10_id_and_project_are_spelled_in_two_ways(row: dict[str, Any]) -> None:
    async with answering(row) as (client, _):
        found = await client.eval("e1")
    assert (found.eval_id, found.project) == ("e1", "p1")
    async with answering({"evals": [row]}) as (client, _):
        assert [(ev.eval_id, ev.project) for ev in await client.evals()] == [("e1", "p1")]


async def test_10_model_ids_and_project_may_be_null_or_absent() -> None:
    rows = [
        {"evalId": "e1", "project": None, "modelId": None, "modelUrl": None},
        {"evalId": "e2"},
        {"evalId": "e3", "modelId": "m3", "modelUrl": "ws/m3"},
    ]
    async with answering({"evals": rows}) as (client, _):
        found = {ev.eval_id: (ev.project, ev.model_id, ev.model_url) for ev in await client.evals()}
    assert found == {"e1": (None,) * 3, "e2": (None,) * 3, "e3": (None, "m3", "ws/m3")}


async def test_10_a_row_without_any_id_is_refused_by_its_place() -> None:
    async with answering({"evals": [{"evalId": "e1"}, {"status": "done"}]}) as (client, _):
        with pytest.raises(DecodeError) as caught:
            await client.evals()
    assert caught.value.path == "$.evals[1]"


@every_panel
async def test_11_the_identity_header_may_be_there_or_not(panel: str) -> None:
    header = {"evalId": ID, "project": "chess", "versionId": "4", "modelId": "m1"}
    for head, expected in (
        (header, tuple(header.values())),
        ({}, (None,) * 4),
        (dict.fromkeys(header), (None,) * 4),
        ({**header, "versionId": 4}, tuple(header.values())),
    ):
        async with answering({**head, **document(EXAMPLES[panel])}) as (client, _):
            found = await PANELS[panel](client)
        assert (found.eval_id, found.project, found.version_id, found.model_id) == expected


@pytest.mark.parametrize(
    "task_type", ["absent", None, "classification", "keypoint-detection", "semantic-segmentation-2"]
)
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("map_results", "detection"),
        ("map_results_segmentation", "segmentation"),
        ("seed_performance_by_class", "detection"),
        ("seed_performance_by_class_segmentation", "segmentation"),
    ],
)
async def test_12_an_absent_or_unknown_task_type_is_told_by_the_fields(
    name: str, shape: str, task_type: str | None
) -> None:
    body = document(name)
    del body["taskType"]
    if task_type != "absent":
        body["taskType"] = task_type
    async with answering(body) as (client, _):
        found = await (client.map_results(ID) if name.startswith("map") else client.performance_by_class(ID))
    assert found.shape == shape
    assert found.task_type == (None if task_type == "absent" else task_type)


async def test_12_classification_has_neither_map_nor_iou() -> None:
    body = {"classes": [{"className": "cat", "precision": 0.5, "recall": 0.5, "f1": 0.5, "optimalThreshold": 0.4}]}
    async with answering({**body, "taskType": "classification"}) as (client, _):
        found = await client.performance_by_class(ID)
    assert found.shape == "other"
    assert found.classes[0].f1 == 0.5
    async with answering({"splits": {}}) as (client, _):
        assert (await client.map_results(ID)).shape == "other"


@pytest.mark.parametrize("mean", ["mIoU", "miou", "meanIoU", "mean_iou"])
@pytest.mark.parametrize("of_class", ["iou", "IoU", "mIoU", "miou"])
@pytest.mark.parametrize("as_list", [True, False])
async def test_13_map_results_of_segmentation_in_any_spelling(mean: str, of_class: str, as_list: bool) -> None:
    scores = {of_class: 0.7, "classID": 3, "optimalThreshold": 0.0}
    per_class = [{"className": "multi", **scores}] if as_list else {"multi": scores}
    body = {"taskType": "semantic-segmentation", "splits": {"test": {mean: 0.8, "perClass": per_class}}}
    async with answering(body) as (client, _):
        test = (await client.map_results(ID)).splits["test"]
    assert test.miou == 0.8
    assert test.per_class["multi"].iou == 0.7
    assert (test.per_class["multi"].class_id, test.per_class["multi"].optimal_threshold) == (3, 0.0)


# -- 14, 15, 16, 17: numbers -------------------------------------------------------------------------------------------


def nulled(value: Any) -> Any:
    """A document in which every leaf of an object is null."""
    if isinstance(value, dict):
        return {key: nulled(item) for key, item in value.items()}
    return (
        [nulled(item) for item in value] if isinstance(value, list) and value and isinstance(value[0], dict) else None
    )


@every_panel
async def test_14_nulls_are_taken_for_absent_everywhere(panel: str) -> None:
    """But for a page's rows, the ids of clusters, and the axes of a matrix, which cannot be guessed."""
    body = nulled(document(EXAMPLES[panel]))
    for number, cluster in enumerate(body.get("clusters", [])):
        cluster["id"] = number
    if panel == "confusion-matrix":
        body |= {"classes": [], "matrix": []}
    async with answering(body) as (client, _):
        found = await PANELS[panel](client)
    match panel:
        case "map-results":
            test = found.splits["test"]
            assert test.map50 is None
            assert test.by_object_size["small"].map50 is None
            assert test.by_object_size["large"] is None
            assert test.per_class["Car-rims"].map75 is None
        case "confidence-sweep":
            assert found.splits["test"].optimal_threshold is None
            assert found.splits["test"].per_threshold["0.37"].f1 is None
        case "performance-by-class":
            assert [scores.precision for scores in found.classes] == [None, None]
        case "confusion-matrix":
            assert found.classes == found.matrix == ()
        case "vector-analysis":
            assert found.clusters[0].num_images is None
            assert found.clustering.metrics.silhouette_score is None
        case "image-predictions":
            assert found.images[0].stats.true_positives is None
            assert found.images[0].confusion == ()
        case _:
            assert found.recommendations.summary.count is None


async def test_14_size_buckets_splits_and_distributions_may_be_missing() -> None:
    body = {
        "splits": {
            "train": {"map50": 0.5, "byObjectSize": None, "perClass": {"a": {"map50": None}}},
            "test": {"map50": 0.5, "byObjectSize": {"small": None, "large": {"map50": 0.1}}},
        }
    }
    async with answering(body) as (client, _):
        splits = (await client.map_results(ID)).splits
    assert set(splits) == {"train", "test"}
    assert splits["train"].by_object_size == {}
    assert splits["train"].per_class["a"].map50 is None
    assert splits["test"].by_object_size["small"] is None
    assert splits["test"].by_object_size["large"].map50 == 0.1
    assert splits["test"].per_class == {}
    async with answering({"clusters": [{"id": 0, "splitDistribution": {"train": 2}}, {"id": 1}]}) as (client, _):
        clusters = (await client.vector_analysis(ID)).clusters
    assert [cluster.split_distribution for cluster in clusters] == [{"train": 2}, {}]


async def test_15_integers_stand_for_floats_and_floats_for_integers() -> None:
    async with answering(images_page(image(0, augmentations=2.0, stats={"truePositives": 2.0, "f1": 1}))) as (
        client,
        _,
    ):
        (found,) = await client.image_predictions(ID).collect()
    assert (found.augmentations, found.stats.true_positives) == (2, 2)
    assert isinstance(found.stats.true_positives, int)
    assert isinstance(found.stats.f1, float)


@every_panel
@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
async def test_15_nan_and_infinity_are_null(panel: str, word: bytes) -> None:
    """They come from Python pipelines, are no JSON, and say nothing: None, never a number to average."""
    body = msgspec.json.encode(document(EXAMPLES[panel])).replace(b"0.85,", word + b",", 1)
    body = body.replace(b"0.222", word).replace(b"0.2,", word + b",").replace(b"0.462", word)
    assert word in body
    async with answering(body) as (client, _):
        found = await PANELS[panel](client)
    numbers = [value for value in leaves(msgspec.to_builtins(found)) if isinstance(value, float)]
    assert all(math.isfinite(number) for number in numbers)


def leaves(value: Any) -> list[Any]:
    """All values in a document that are not containers."""
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list | tuple) else [value]


async def test_16_an_optimal_threshold_of_zero_is_a_value() -> None:
    async with answering(document("seed_performance_by_class_segmentation")) as (client, _):
        assert (await client.performance_by_class(ID)).classes[0].optimal_threshold == 0.0
    async with answering({"splits": {"test": {"optimalThreshold": 0}, "valid": {}}}) as (client, _):
        splits = (await client.confidence_sweep(ID)).splits
    assert splits["test"].optimal_threshold == 0.0
    assert splits["valid"].optimal_threshold is None


async def test_17_sweep_keys_are_sorted_as_numbers_whatever_their_form() -> None:
    keys = ["0.5", "0.05", "1", "0.100", "1e-5", ".25", "none", "0"]
    body = {"splits": {"test": {"perThreshold": {key: {"f1": 0.1} for key in keys}}}}
    async with answering(body) as (client, _):
        sweep = (await client.confidence_sweep(ID)).splits["test"]
    assert [point.threshold for point in sweep.points] == [0.0, 0.00001, 0.05, 0.1, 0.25, 0.5, 1.0]
    assert list(sweep.per_threshold) == keys, "as the server spells and orders them"


# -- 18, 19, 20: classes and matrix ------------------------------------------------------------------------------------

NAMES = ("=cmd()", "+1", "-x", "@a", "a/b", "a.b", " blank ", "Cat", "cat", "ümläut 猫", "", "a\nb", '"', "background")


async def test_18_class_names_are_kept_letter_by_letter() -> None:
    per_class = {name: {"map50": number / 100} for number, name in enumerate(NAMES)}
    async with answering({"splits": {"test": {"perClass": per_class}}}) as (client, _):
        found = (await client.map_results(ID)).splits["test"].per_class
    assert {name: scores.map50 for name, scores in found.items()} == {n: s["map50"] for n, s in per_class.items()}
    async with answering({"classes": [{"className": name} for name in NAMES]}) as (client, _):
        assert tuple(scores.class_name for scores in (await client.performance_by_class(ID)).classes) == NAMES


@pytest.mark.parametrize(
    ("classes", "background"),
    [
        (["a", "b", "background"], 2),
        (["background", "a", "b"], 0),
        (["a", "background", "b"], 1),
        (["a", "b", "c"], None),
        (["background", "a", "background"], 2),
        ([], None),
    ],
)
async def test_19_background_may_stand_anywhere_or_be_absent(classes: list[str], background: int | None) -> None:
    size = len(classes)
    body = {"classes": classes, "matrix": [[row * size + column for column in range(size)] for row in range(size)]}
    async with answering(body) as (client, _):
        matrix = await client.confusion_matrix(ID)
    assert matrix.background == background
    if "a" in classes:
        place = classes.index("a")
        assert matrix.count("a", "a") == place * size + place


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1, 2], [3]], [[1, 2], [3, 4, 5]], [], [[1, 2], [3, 4], [5, 6]]])
async def test_19_a_broken_matrix_is_refused(matrix: list[list[int]]) -> None:
    error, _ = await refused({"classes": ["a", "background"], "matrix": matrix}, PANELS["confusion-matrix"])
    assert isinstance(error, DecodeError)
    assert "for 2 classes" in str(error)


@pytest.mark.parametrize("count", [2**31, 2**53 + 1, 2**63 - 1])
async def test_20_pixel_counts_are_whole_and_large(count: int) -> None:
    async with answering({"classes": ["a"], "matrix": [[count]]}) as (client, _):
        assert (await client.confusion_matrix(ID)).matrix == ((count,),)
    row = image(0, stats={"truePositives": count}, confusion=[[0, 0, count]])
    async with answering(images_page(row)) as (client, _):
        (found,) = await client.image_predictions(ID).collect()
    assert found.stats.true_positives == found.confusion[0].count == count


# -- 21, 22: clusters and recommendations ------------------------------------------------------------------------------

CLUSTERS: dict[str, tuple[Any, tuple[int | None, tuple[float, float] | None] | None]] = {
    "null": (None, None),
    "a bare id": (4, (4, None)),
    "a bare noise id": (-1, (-1, None)),
    "a bare float": (4.0, (4, None)),
    "noise": ({"id": -1, "embedding2D": [1.5, -2]}, (-1, (1.5, -2.0))),
    "no embedding": ({"id": 3}, (3, None)),
    "null embedding": ({"id": 3, "embedding2D": None}, (3, None)),
    "empty embedding": ({"id": 3, "embedding2D": []}, (3, None)),
    "half an embedding": ({"id": 3, "embedding2D": [1.0]}, (3, None)),
    "nulls in the embedding": ({"id": 3, "embedding2D": [None, None]}, (3, None)),
    "a third coordinate": ({"id": 3, "embedding2D": [1, 2, 3]}, (3, (1.0, 2.0))),
    "no id": ({"embedding2D": [1, 2]}, (None, (1.0, 2.0))),
}


@pytest.mark.parametrize(("said", "expected"), CLUSTERS.values(), ids=CLUSTERS.keys())
async def test_21_the_cluster_of_an_image_has_many_forms(said: Any, expected: Any) -> None:
    async with answering(images_page(image(0, cluster=said), image(1))) as (client, _):
        first, second = await client.image_predictions(ID).collect()
    found = first.cluster
    point = found and found.embedding
    assert (found and (found.id, point and (point.x, point.y))) == expected
    assert second.cluster is not None
    assert second.cluster.embedding is not None, "a row beside an odd one loses nothing"


async def test_21_the_cluster_may_be_absent() -> None:
    row = image(0)
    del row["cluster"]
    async with answering(images_page(row)) as (client, _):
        assert (await client.image_predictions(ID)).items[0].cluster is None


_ITEM = {"type": "wrong_class", "new": {"deep": [1]}}
RECOMMENDATIONS: dict[str, tuple[Any, bool, tuple[Any, ...]]] = {
    "not generated": ({"generated": False}, False, ()),
    "nulls": ({"generated": None, "recommendations": None}, False, ()),
    "an object": ({"generated": True, "recommendations": {"items": [_ITEM]}}, True, (_ITEM,)),
    "a list": ({"recommendations": [_ITEM]}, True, (_ITEM,)),
    "an empty list": ({"generated": True, "recommendations": []}, True, ()),
    "absent": ({"generated": True}, True, ()),
    "a null": ({"generated": True, "recommendations": None}, True, ()),
    "no items": ({"generated": True, "recommendations": {"summary": {}}}, True, ()),
    "a wrong count": (
        {"generated": True, "recommendations": {"summary": {"count": 7}, "items": [_ITEM]}},
        True,
        (_ITEM,),
    ),
}


@pytest.mark.parametrize(("body", "generated", "items"), RECOMMENDATIONS.values(), ids=RECOMMENDATIONS.keys())
async def test_22_recommendations_in_every_shape(body: Any, generated: bool, items: tuple[Any, ...]) -> None:
    async with answering(body) as (client, _):
        found = await client.recommendations(ID)
    assert found.generated == generated
    assert found.items == items


# -- 23, 24, 25: list and pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "sent"),
    [
        ({"project": "a"}, "project=a"),
        ({"version": 4}, "version=4"),
        ({"version": "4"}, "version=4"),
        ({"model": "m"}, "model=m"),
        ({"project": "a", "version": 4}, "project=a"),
        ({"model": "m", "project": "a", "version": 4}, "model=m"),
        ({"model": "m", "version": 4}, "model=m"),
    ],
)
async def test_23_never_more_than_one_filter_is_sent(filters: dict[str, Any], sent: str) -> None:
    """The page says both "most specific wins" and "refused"; a version crosses projects: the rest is matched here."""
    rows = [
        {"evalId": f"{project}{version}", "project": project, "versionId": version, "modelId": "m"}
        for project in ("a", "b")
        for version in ("3", "4")
    ]
    async with answering({"evals": rows}) as (client, server):
        found = await client.evals(status="done", **filters)
    (target,) = server.targets
    assert target == f"/demo-workspace/model-evals?{sent}&status=done&limit=200"
    matched = {name: str(value) for name, value in filters.items() if not sent.startswith(name)}
    expected = {"version": {"4"}, "project": {"a"}}
    for name, seen in (("version", {ev.version_id for ev in found}), ("project", {ev.project for ev in found})):
        assert seen == (expected[name] if name in matched else {"version": {"3", "4"}, "project": {"a", "b"}}[name])


@pytest.mark.parametrize("limit", [0, -1, 1001, 2.5, "10"])
async def test_24_a_page_size_out_of_range_is_refused_here(limit: Any) -> None:
    """What the server does with it is not documented."""
    async with answering(images_page()) as (client, server):
        with pytest.raises(InvalidArgumentError) as caught:
            client.image_predictions(ID, page_size=limit)
    assert caught.value.field == "page_size"
    assert server.targets == []


async def test_24_a_smaller_limit_echoed_is_the_step() -> None:
    rows = [image(number) for number in range(5)]
    pages = [images_page(*rows[at : at + 2], totalImages=5, offset=at, limit=2) for at in (0, 2, 4)]
    async with answering(*pages) as (client, server):
        assert len(await client.image_predictions(ID).collect()) == 5
    assert [target.partition("offset=")[2] for target in server.targets] == ["0", "2", "4"]


async def test_24_a_400_for_a_limit_is_an_invalid_request() -> None:
    error, server = await refused(
        Answer(error_body("invalid_limit", "limit must be at most 500."), 400),
        PANELS["image-predictions"],
        max_attempts=4,
    )
    assert isinstance(error, InvalidRequestError)
    assert "at most 500" in str(error)
    assert len(server.targets) == 1


async def test_25_a_changed_total_and_repeated_rows_are_noticed() -> None:
    first = images_page(image(0), image(1), totalImages=4, limit=2)
    for second, kind in (
        (images_page(image(2), image(3), totalImages=5, offset=2, limit=2), "total"),
        (images_page(image(1), image(2), totalImages=4, offset=2, limit=2), "repeat"),
    ):
        async with answering(first, second) as (client, _):
            with pytest.raises(PaginationDriftError) as caught:
                await client.image_predictions(ID, page_size=2).collect()
        assert [drift.kind for drift in caught.value.drift] == [kind]


@pytest.mark.parametrize("image_id", ["same", None])
async def test_25_an_image_id_may_repeat_under_other_names(image_id: str | None) -> None:
    """Augmented copies share their source's id; rows are one and the same only with name and split."""
    rows = [image(number, imageId=image_id) for number in range(4)]
    rows.append(image(0, imageId=image_id, split="train"))
    pages = [images_page(*rows[at : at + 2], totalImages=5, offset=at, limit=2) for at in (0, 2, 4)]
    async with answering(*pages) as (client, _):
        assert len(await client.image_predictions(ID, page_size=2).collect()) == 5


# -- 26, 27: an evaluation's own fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "version"), [("4", "4"), (4, "4"), (4.0, "4"), (None, None), ("4b", "4b")])
async def test_26_a_version_is_a_text_or_a_number(said: Any, version: str | None) -> None:
    async with answering({"evalId": ID, "versionId": said}) as (client, _):
        assert (await client.eval(ID)).version_id == version


@pytest.mark.parametrize(("said", "status"), [("queued", "queued"), ("DONE", "DONE"), (None, ""), ("absent", "")])
async def test_26_a_status_beyond_the_three_is_kept(said: str | None, status: str) -> None:
    body = {"evalId": ID} if said == "absent" else {"evalId": ID, "status": said}
    async with answering(body) as (client, _):
        assert (await client.eval(ID)).status == status


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2026-04-27T20:04:10.904Z", "2026-04-27T20:04:10.904000+00:00"),
        ("2026-04-27T20:04:10Z", "2026-04-27T20:04:10+00:00"),
        ("2026-04-27T20:04:10", "2026-04-27T20:04:10"),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
async def test_26_created_at_has_many_forms(said: str | None, moment: str | None) -> None:
    async with answering({"evalId": ID, "createdAt": said}) as (client, _):
        found = await client.eval(ID)
    assert found.created_at == said
    assert (found.created and found.created.isoformat()) == moment


async def test_27_a_done_evaluation_may_have_no_summary() -> None:
    for body in ({}, {"summary": None}):
        async with answering({"evalId": ID, "status": "done", **body}) as (client, _):
            assert (await client.eval(ID)).summary is None
    async with answering({"evalId": ID, "summary": {"mAP": 1, "precision": None}}) as (client, _):
        summary = (await client.eval(ID)).summary
    assert summary is not None
    assert (summary.map50, summary.miou, summary.precision, summary.recall) == (1.0, None, None, None)


# -- 28: 429 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, none of which is slept."""
    taken: list[float] = []
    really = anyio.sleep

    async def nap(seconds: float) -> None:
        taken.append(seconds)
        await really(0)

    monkeypatch.setattr(anyio, "sleep", nap)
    return taken


@pytest.mark.parametrize("body", [b"", error_body("rate_limited"), {"error": "Version already has a trained model"}])
async def test_28_a_429_without_retry_after_is_tried_a_few_times_and_raised(body: Any, naps: list[float]) -> None:
    """Elsewhere in this API family a 429 is no rate limit: the tries are few, and its text is shown."""
    error, server = await refused(Answer(body, 429), max_attempts=3)
    assert type(error) is RateLimitedError
    assert (error.retry_after, error.attempts) == (None, 3)
    assert len(server.targets) == 3
    assert sum(naps) <= 1.5 + 0.1, "half a second at most, then one: and not a fixed long wait"
    if isinstance(body, dict) and "message" not in body:
        assert "already has a trained model" in str(error)


async def test_28_a_429_with_retry_after_says_how_long() -> None:
    error, _ = await refused(Answer(b"", 429, {"Retry-After": "17"}))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 17


# -- 29: names in addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["", " ", "\t", ".", "..", "compare", "a\nb", "a\x00b", "\x7f", "\ud800", None, 7])
async def test_29_ids_that_would_name_something_else_are_refused(wrong: Any) -> None:
    async with answering({"evalId": ID}) as (client, server):
        with pytest.raises(InvalidArgumentError) as caught:
            await client.eval(wrong)
    assert caught.value.field == "eval_id"
    assert server.targets == []


async def test_29_special_characters_are_quoted_as_one_segment() -> None:
    """A slash is quoted too: what an id may hold is the server's to say, and quoted it names nothing else."""
    async with answering({"evalId": ID}, workspace="a b/c") as (client, server):
        await client.eval("../x?y#z")
    assert server.targets == ["/a%20b%2Fc/model-evals/..%2Fx%3Fy%23z"]


# -- 30: a 200 that is no answer ---------------------------------------------------------------------------------------

NO_OBJECTS: dict[str, tuple[bytes, type[EvalsError], str]] = {
    "a login page": (b"<!doctype html><html><body>Sign in</body></html>", DecodeError, "an HTML page"),
    "a list": (b"[]", DecodeError, "a JSON list"),
    "a text": (b'"ok"', DecodeError, "a JSON str"),
    "a number": (b"17", DecodeError, "a JSON int"),
    "null": (b"null", DecodeError, "a JSON NoneType"),
    "words": (b"OK then", DecodeError, "no valid JSON"),
    "nothing": (b"", TruncatedBodyError, "ended too early"),
    "blank": (b" \n", TruncatedBodyError, "ended too early"),
    "half": (b'{"evalId": "hu', TruncatedBodyError, "ended too early"),
    "no text": (b'{"evalId": "\xff\xfe"}', DecodeError, "not"),
}


@pytest.mark.parametrize(("body", "error_type", "text"), NO_OBJECTS.values(), ids=NO_OBJECTS.keys())
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.eval(ID),
        lambda client: client.evals(),
        lambda client: client.recommendations(ID),
        lambda client: client.image_predictions(ID).collect(),
    ],
    ids=["eval", "evals", "recommendations", "walk"],
)
async def test_30_a_200_that_is_no_json_object_is_a_clear_error(
    body: bytes, error_type: type[EvalsError], text: str, call: Call
) -> None:
    error, _ = await refused(body, call)
    assert type(error) is error_type
    assert text in str(error)


@pytest.mark.parametrize("name", [name for name in NO_OBJECTS if name != "no text"])
async def test_30_a_raw_body_must_be_an_object_too(name: str) -> None:
    """Its values are not read, so what is wrong inside a text is found by whoever reads it."""
    body, error_type, text = NO_OBJECTS[name]
    error, _ = await refused(body, lambda client: client.send_raw(endpoints.map_results(ID)))
    assert type(error) is error_type
    assert text in str(error)


@pytest.mark.parametrize("body", [{}, {"message": "Please sign in."}, {"error": {"message": "No."}}, {"status": "ok"}])
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.eval(ID),
        lambda client: client.evals(),
        lambda client: client.image_predictions(ID),
        lambda client: client.image_predictions(ID).collect(),
        lambda client: client.image_predictions(ID).total(),
    ],
    ids=["eval", "evals", "page", "walk", "total"],
)
async def test_30_an_object_without_its_rows_is_not_an_empty_answer(body: dict[str, Any], call: Call) -> None:
    """A gateway's `{"message": …}` with status 200 must not read as "no evaluations" or "no images"."""
    error, _ = await refused(body, call)
    assert isinstance(error, DecodeError)


# -- 31: unknown fields ------------------------------------------------------------------------------------------------


BY_NAME = ("splits", "perClass", "perThreshold", "splitDistribution", "byObjectSize", "parameters", "items")


def more(value: Any, fixed: bool = True) -> Any:
    """A document with a field more in every object that has fixed fields; in one by class or split it were data."""
    if isinstance(value, dict):
        grown = {key: more(item, key not in BY_NAME) for key, item in value.items()}
        return {**grown, "xNew": {"deep": [1, None, "two"]}} if fixed else grown
    return [more(item, fixed) for item in value] if isinstance(value, list) else value


@every_panel
async def test_31_unknown_fields_are_passed_over_and_kept_in_the_raw_body(panel: str) -> None:
    body = document(EXAMPLES[panel])
    grown = more(body)
    assert "xNew" in grown
    async with answering(body) as (client, _):
        plain = await PANELS[panel](client)
    async with answering(grown) as (client, _):
        found = await PANELS[panel](client)
        raw = await client.send_raw(endpoints.map_results(ID))
    assert raw == msgspec.json.encode(grown)
    assert found == plain


async def test_31_an_unknown_split_is_kept() -> None:
    async with answering(images_page(image(0, split="holdout"), image(1, split=None))) as (client, _):
        first, second = await client.image_predictions(ID).collect()
    assert first.split == "holdout"
    assert repr(first.split) == "<Split.holdout: 'holdout'>"
    with pytest.raises(ValueError, match="3 is not a valid Split"):
        Split(3)
    assert second.split is None


async def test_a_5xx_page_of_html_is_a_server_error() -> None:
    async with StandIn(World(evaluations=[EvaluationSpec()])) as stand_in, client_of(stand_in) as client:
        stand_in.faults.always("model-evals", Fault.server_error(502))
        with pytest.raises(ServerError, match="an HTML page") as caught:
            await client.evals()
    assert caught.value.status == 502
