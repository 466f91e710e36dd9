"""The Model Evaluations API as pure rules: a path and a query in, a status and a body out.

Follows docs.roboflow.com/developer/rest-api/model-evaluations: parameters, defaults, caps and error bodies.
Order of the checks: key, workspace, parameters, evaluation found, done, report found. Where the documents
leave a refusal open, a text that is no number answers 400 and a limit beyond the cap is clamped and echoed as
such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct

from .evaluation import Evaluation
from .spec import SPLITS
from .world import LIST_DEFAULT_LIMIT, LIST_MAXIMUM_LIMIT, World

IMAGES_DEFAULT_LIMIT = 200  # documented
IMAGES_MAXIMUM_LIMIT = 1_000  # documented
PANELS = (
    "map-results",
    "confidence-sweep",
    "performance-by-class",
    "confusion-matrix",
    "vector-analysis",
    "image-predictions",
    "recommendations",
)
STATUSES = ("running", "done", "failed")

_DIGITS = re.compile(r"[0-9]{1,18}")  # ASCII only, and short enough for any 64-bit server
_HIGHEST_CONFIDENCE = 100  # percent


class Answer(Struct, frozen=True):
    """A status and an encoded JSON body."""

    status: HTTPStatus
    body: bytes


class Refusal(Exception):
    """A documented error answer."""

    def __init__(self, status: HTTPStatus, error: object, message: str | None = None) -> None:
        """`error` is a code, a sentence, or the object that the routing in front of the handlers sends."""
        super().__init__(error)
        body = {"error": error} if message is None else {"error": error, "message": message}
        self.answer = Answer(status, msgspec.json.encode(body))


def unauthenticated(key: str | None) -> Answer:
    """401 for a missing or unknown key; it echoes the key, as the real one does."""
    error: dict[str, object] = {
        "message": "This API key does not exist (or has been revoked).",
        "status": 401,
        "type": "OAuthException",
        "hint": "You may retrieve your API key via the Roboflow Dashboard.",
    }
    if key is None:
        error["message"] = "This method requires an API key."
    else:
        error["key"] = key
    return Answer(HTTPStatus.UNAUTHORIZED, msgspec.json.encode({"error": error}))


def scope_missing() -> Answer:
    """404 for a good key without the scope `model-eval:read`: the route looks as if it did not exist."""
    error = {"type": "GraphMethodException", "message": "scope missing"}
    return Answer(HTTPStatus.NOT_FOUND, msgspec.json.encode({"error": error}))


def no_such_route(method: str, path: str) -> Answer:
    """404 of the routing for anything that is not served."""
    message = f"Unsupported request. `{method} {path}` does not exist or cannot be loaded."
    error = {
        "message": message,
        "type": "GraphMethodException",
        "hint": "You can find the API docs at https://docs.roboflow.com",
    }
    return Answer(HTTPStatus.NOT_FOUND, msgspec.json.encode({"error": error}))


def root(world: World) -> Answer:
    """Which workspace the key belongs to."""
    return _found(msgspec.json.encode({"workspace": world.workspace}))


def listing(world: World, workspace: str, query: Mapping[str, str]) -> Answer:
    """`GET /{workspace}/model-evals`."""
    _check_workspace(world, workspace)
    project = query.get("project") or None
    version = query.get("version") or query.get("versionId") or None
    model = query.get("model") or query.get("modelId") or None
    status = query.get("status") or None
    if sum(value is not None for value in (project, version, model)) > 1:
        message = "Filter by at most one of project, version and model."
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_filter_combination", message)
    if status is not None and status not in STATUSES:
        message = f"status must be one of {', '.join(STATUSES)}."
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_status", message)
    limit = _limit(query, LIST_DEFAULT_LIMIT, LIST_MAXIMUM_LIMIT)
    body = world.listing(project=project, version=version, model=model, status=status, limit=limit)
    return _found(msgspec.json.encode(body))


def compare(world: World, workspace: str, query: Mapping[str, str]) -> Answer:
    """`GET /{workspace}/model-evals/compare`."""
    _check_workspace(world, workspace)
    project, version = query.get("project"), query.get("version")
    if not project or not version:
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_request", "project and version are required.")
    metric = query.get("frontierMetric") or None
    try:
        body = world.comparison(project, version, metric)
    except ValueError:
        message = f"{metric} is not available for this project."
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_frontier_metric", message) from None
    if body is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Project not found")
    return _found(msgspec.json.encode(body))


def evaluation(world: World, workspace: str, eval_id: str) -> Answer:
    """`GET /{workspace}/model-evals/{evalId}`, for every status."""
    _check_workspace(world, workspace)
    return _found(_find(world, eval_id).get())


def panel(world: World, workspace: str, eval_id: str, name: str, query: Mapping[str, str]) -> Answer:
    """`GET /{workspace}/model-evals/{evalId}/{panel}` for a name out of `PANELS`."""
    _check_workspace(world, workspace)
    split, confidence, offset, limit = "test", None, 0, IMAGES_DEFAULT_LIMIT
    if name == "performance-by-class":
        split = _split(query, "test", SPLITS)
    elif name == "confusion-matrix":
        split = _split(query, "test", (*SPLITS, "all"))
    elif name == "image-predictions":
        split = _split(query, "all", (*SPLITS, "all"))
        offset = _whole(query, "offset", 0)
        limit = _limit(query, IMAGES_DEFAULT_LIMIT, IMAGES_MAXIMUM_LIMIT)
    if name in {"confusion-matrix", "vector-analysis", "image-predictions"}:
        confidence = _confidence(query)
    found = _find(world, eval_id)
    if found.spec.status != "done" or name in found.spec.missing_panels:
        code = "EVAL_NOT_DONE" if name == "recommendations" else "model_eval_not_done"  # documented spellings
        message = f"The evaluation is {found.spec.status}; this panel's data is not available."
        raise Refusal(HTTPStatus.CONFLICT, code, message)
    if confidence is not None and not found.has_report(confidence):
        message = f"No report at confidence {confidence} exists for this evaluation."
        raise Refusal(HTTPStatus.NOT_FOUND, "report_not_found", message)
    return _found(_panel_body(found, name, split, confidence, offset, limit))


def _panel_body(found: Evaluation, name: str, split: str, confidence: int | None, offset: int, limit: int) -> bytes:
    match name:
        case "map-results":
            return found.map_results()
        case "confidence-sweep":
            return found.confidence_sweep()
        case "performance-by-class":
            return found.performance_by_class(split)
        case "recommendations":
            return found.recommendations()
        case _:
            percent = found.default_confidence if confidence is None else confidence
    match name:
        case "confusion-matrix":
            return found.confusion_matrix(split, percent)
        case "vector-analysis":
            return found.vector_analysis(percent)
        case _:
            return found.image_predictions(split, percent, offset, limit)


def _found(body: bytes) -> Answer:
    return Answer(HTTPStatus.OK, body)


def _check_workspace(world: World, workspace: str) -> None:
    if workspace != world.workspace:
        error = {
            "message": f'Unsupported get request. Workspace with ID "{workspace}" does not exist or cannot be '
            "loaded due to missing permissions.",
            "type": "GraphMethodException",
            "hint": "You can see your active workspace by issuing a GET request to / with your api_key",
        }
        raise Refusal(HTTPStatus.NOT_FOUND, error)


def _find(world: World, eval_id: str) -> Evaluation:
    found = world.find(eval_id)
    if found is None:
        message = "Model evaluation does not exist in this workspace."
        raise Refusal(HTTPStatus.NOT_FOUND, "model_eval_not_found", message)
    return found


def _split(query: Mapping[str, str], default: str, allowed: tuple[str, ...]) -> str:
    split = query.get("split", default)
    if split not in allowed:
        message = f"split must be one of {', '.join(allowed)}."
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_split", message)
    return split


def _confidence(query: Mapping[str, str]) -> int | None:
    text = query.get("confidence")
    if text is None:
        return None
    if not _DIGITS.fullmatch(text) or int(text) > _HIGHEST_CONFIDENCE:
        message = "confidence must be an integer in [0, 100]."
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_confidence", message)
    return int(text)


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"invalid_{name}", f"{name} must be a whole number.")
    return int(text)


def _limit(query: Mapping[str, str], default: int, maximum: int) -> int:
    limit = _whole(query, "limit", default)
    if limit == 0:
        raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_limit", "limit must be at least 1.")
    return min(limit, maximum)
