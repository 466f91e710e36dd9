"""An answer becomes the error that its body names; errors travel, read well, and show no key."""

import copy
import inspect
import pickle
import traceback

import pytest

from roboflow_evals_async.core import errors
from roboflow_evals_async.core.errors import (
    AccessDeniedError,
    APIError,
    AttemptTimeoutError,
    AuthenticationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    EvalNotDoneError,
    EvalNotFoundError,
    EvalsError,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    NotTrainedError,
    PaginationDriftError,
    RateLimitedError,
    ReportNotFoundError,
    ServerError,
    TransportError,
    TruncatedBodyError,
    error_from_reply,
)
from roboflow_evals_async.core.key import Key

KEY = "s3cret-key-abcdef"

# status, body, class, code, what the message must hold
ENVELOPES = {
    "E1 eval not found": (
        404,
        b'{"error":"model_eval_not_found","message":"No such evaluation."}',
        EvalNotFoundError,
        "model_eval_not_found",
        "No such evaluation.",
    ),
    "E1 report not found": (
        404,
        b'{"error":"report_not_found","message":"No report."}',
        ReportNotFoundError,
        "report_not_found",
        "No report.",
    ),
    "E1 not done": (
        409,
        b'{"error":"model_eval_not_done","message":"Running."}',
        EvalNotDoneError,
        "model_eval_not_done",
        "Running.",
    ),
    "E1 not done, other spelling": (
        409,
        b'{"error":"EVAL_NOT_DONE","message":"x"}',
        EvalNotDoneError,
        "EVAL_NOT_DONE",
        "x",
    ),
    "E1 confidence": (
        400,
        b'{"error":"invalid_confidence","message":"Bad."}',
        InvalidRequestError,
        "invalid_confidence",
        "Bad.",
    ),
    "E1 unknown code": (400, b'{"error":"invalid_status","message":"m"}', InvalidRequestError, "invalid_status", "m"),
    "E1 code alone": (
        404,
        b'{"error":"report_not_found"}',
        ReportNotFoundError,
        "report_not_found",
        "the server answered 404",
    ),
    "E2 text": (403, b'{"error":"Access denied"}', AccessDeniedError, None, "Access denied"),
    "E2 not found": (404, b'{"error":"Project not found"}', NotFoundError, None, "Project not found"),
    "E3 key": (
        401,
        b'{"error":{"message":"Revoked.","status":401,"type":"OAuthException","hint":"h","key":"s3cret-key-abcdef"}}',
        AuthenticationError,
        "OAuthException",
        "Revoked.",
    ),
    "E3 scope": (
        404,
        b'{"error":{"type":"GraphMethodException","message":"scope missing"}}',
        AccessDeniedError,
        "GraphMethodException",
        "scope missing",
    ),
    "E4 message": (404, b'{"message":"Nothing here."}', NotFoundError, None, "Nothing here."),
    "E5 HTML": (502, b"\n<html>Bad Gateway</html>", ServerError, None, "the server answered 502 with an HTML page"),
    "E5 empty": (500, b"", ServerError, None, "the server answered 500 with no explanation"),
    "A": (
        404,
        b'{"error":{"code":"RESOURCE_NOT_FOUND","message":"Gone.","timestamp":"2024-01-15T10:30:00Z"}}',
        NotFoundError,
        "RESOURCE_NOT_FOUND",
        "Gone.",
    ),
    "A details": (
        400,
        b'{"error":{"code":"VALIDATION_ERROR","message":"Invalid.","details":{"field":"dataset_split","reason":"no"}}}',
        InvalidRequestError,
        "VALIDATION_ERROR",
        "Invalid.: dataset_split: no",
    ),
    "A expired": (
        401,
        b'{"error":{"code":"AUTH_EXPIRED","message":"Expired."}}',
        AuthenticationError,
        "AUTH_EXPIRED",
        "Expired.",
    ),
    "A rate": (
        429,
        b'{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"Slow."}}',
        RateLimitedError,
        "RATE_LIMIT_EXCEEDED",
        "Slow.",
    ),
    "A untrained": (
        422,
        b'{"error":{"code":"SOMETHING","message":"No version."}}',
        NotTrainedError,
        "SOMETHING",
        "No version.",
    ),
    "B": (
        403,
        b'{"success":false,"error":{"code":"organization_access_denied","message":"No."}}',
        AccessDeniedError,
        "organization_access_denied",
        "No.",
    ),
    "detail text": (422, b'{"detail":"Not trained."}', NotTrainedError, None, "Not trained."),
    "detail list": (
        422,
        b'{"detail":[{"loc":["query","dataset_split"],"msg":"bad value","type":"enum"}]}',
        NotTrainedError,
        None,
        "dataset_split: bad value",
    ),
    "detail list of texts": (422, b'{"detail":["x"]}', NotTrainedError, None, "no explanation"),
    "plain text": (
        503,
        b"upstream   connect\nerror",
        ServerError,
        None,
        "the server answered 503: upstream connect error",
    ),
    "JSON array": (400, b"[1]", InvalidRequestError, None, "no explanation"),
    "JSON without a text": (400, b'{"oops":1}', InvalidRequestError, None, "no explanation"),
    "numbers for texts": (400, b'{"error":{"code":7,"message":8}}', InvalidRequestError, None, "no explanation"),
    "nested deep": (500, b"[" * 100_000, ServerError, None, "no explanation"),
    "broken UTF-8": (500, b"\xff\xfe", ServerError, None, "the server answered 500: "),
    "402": (402, b'{"error":"No credits left"}', APIError, None, "No credits left"),
    "423": (423, b"{}", APIError, None, "no explanation"),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_every_documented_body_names_its_error(name: str) -> None:
    status, body, cls, code, text = ENVELOPES[name]
    error = error_from_reply(status, {}, body, asked="map-results of 'x'", scrub=Key(KEY).scrub)
    assert type(error) is cls
    assert error.status == status
    assert error.code == code
    assert error.message.startswith("map-results of 'x': ")
    assert text in error.message


@pytest.mark.parametrize(
    ("status", "code", "cls"),
    [
        (404, "rate_limited", RateLimitedError),
        (500, "model_eval_not_found", EvalNotFoundError),
        (400, "unauthenticated", AuthenticationError),
        (422, "VALIDATION_ERROR", InvalidRequestError),
        (503, "forbidden", AccessDeniedError),
    ],
)
def test_the_code_in_the_body_decides_before_the_status(status: int, code: str, cls: type[APIError]) -> None:
    error = error_from_reply(status, {}, f'{{"error":"{code}","message":"m"}}'.encode())
    assert type(error) is cls
    assert error.status == status


def test_the_meanings_of_404_are_told_apart() -> None:
    def ask(message: str) -> APIError:
        body = f'{{"error":{{"type":"GraphMethodException","message":"{message}"}}}}'
        return error_from_reply(404, {}, body.encode())

    scope, workspace, route = (
        ask("scope missing"),
        ask("Workspace with ID 'x' does not exist"),
        ask("Unsupported request."),
    )
    assert [type(error) for error in (scope, workspace, route)] == [AccessDeniedError] * 3
    assert [error.reason for error in (scope, workspace, route)] == ["scope", "workspace", "route"]  # type: ignore[attr-defined]
    assert len({scope.hint, workspace.hint, route.hint, AccessDeniedError.hint}) == 4
    assert type(error_from_reply(404, {}, b"{}")) is NotFoundError
    nested = error_from_reply(404, {}, b'{"error":{"code":"model_eval_not_found","type":"x","message":"m"}}')
    assert type(nested) is EvalNotFoundError


def test_the_echoed_key_is_nowhere_in_the_error() -> None:
    body = f'{{"error":{{"message":"Key {KEY} at ?api_key={KEY}&x=1","type":"OAuthException {KEY}","key":"{KEY}"}}}}'
    try:
        raise error_from_reply(401, {"X-Other": KEY}, body.encode(), scrub=Key(KEY).scrub)
    except APIError as caught:
        error = caught
    shown = [str(error), repr(error), repr(error.args), repr(vars(error)), "".join(traceback.format_exception(error))]
    assert not any(KEY in text for text in shown)
    assert KEY.encode() not in pickle.dumps(error)
    assert "***" in error.message
    assert "x=1" in error.message


def test_a_key_in_an_address_is_removed_even_if_it_is_another_one() -> None:
    error = error_from_reply(500, {}, b'{"message":"GET /?API_KEY=other-key failed"}')
    assert "other-key" not in str(error)


def test_a_long_text_is_cut_and_the_key_is_removed_before_the_cut() -> None:
    error = error_from_reply(500, {}, b'{"message":"' + b"x" * 495 + KEY.encode() + b'"}', scrub=Key(KEY).scrub)
    assert len(error.message) <= 500
    assert KEY[:5] not in error.message


@pytest.mark.parametrize("header", ["x-request-id", "cf-ray", "x-cloud-trace-context"])
def test_the_id_of_the_request_is_kept(header: str) -> None:
    assert error_from_reply(500, {header: "r-1"}, b"").request_id == "r-1"
    assert error_from_reply(500, {}, b"").request_id is None


def test_the_servers_wait_is_kept_where_it_means_something() -> None:
    for status in (429, 503):
        error = error_from_reply(status, {}, b"", retry_after=7.0)
        assert isinstance(error, RateLimitedError | ServerError)
        assert error.retry_after == 7.0
    assert not hasattr(error_from_reply(400, {}, b"", retry_after=7.0), "retry_after")


def subclasses(cls: type[EvalsError]) -> list[type[EvalsError]]:
    return [cls, *(below for child in cls.__subclasses__() for below in subclasses(child))]


CLASSES = [cls for cls in subclasses(EvalsError) if cls.__module__ == errors.__name__]

# A value of its own for every keyword that an error takes: a new keyword must be added here.
VALUES = {
    "hint": "Do this.",
    "field": "confidence",
    "wait": 12.5,
    "path": "$.images[3]",
    "offset": 2000,
    "drift": ("total", 10, 9),
    "url": "https://api.example.com/x",
    "retryable": False,
    "status": 418,
    "code": "teapot",
    "request_id": "r-1",
}


def made(cls: type[EvalsError]) -> EvalsError:
    keywords = [name for name, kind in inspect.signature(cls).parameters.items() if kind.kind is kind.KEYWORD_ONLY]
    error = cls("It went wrong.", **{name: VALUES[name] for name in keywords})
    assert all(getattr(error, name) == VALUES[name] for name in keywords)
    error.attempts = 3
    error.checkpoint = "a-checkpoint"
    if isinstance(error, RateLimitedError | ServerError):
        error.retry_after = 9.0
    if isinstance(error, AccessDeniedError):
        error.reason = "workspace"
    return error


def test_all_classes_are_found() -> None:
    assert {EvalsError, PaginationDriftError, ReportNotFoundError, AttemptTimeoutError} <= set(CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_travels_whole(cls: type[EvalsError]) -> None:
    error = made(cls)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is cls
        assert twin.args == error.args
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_says_first_what_went_wrong_and_last_what_to_do(cls: type[EvalsError]) -> None:
    text, hint = str(made(cls)), made(cls).hint
    assert hint
    assert text.startswith("It went wrong.")

    assert text.endswith(hint)


# The roots stand for what has no advice of its own; the other three get theirs from whoever raises them.
WITHOUT_HINT = {
    EvalsError,
    APIError,
    TransportError,
    errors.ConfigError,
    errors.ClientStateError,
    InvalidArgumentError,
}


def test_every_class_has_advice_or_is_known_to_have_none() -> None:
    assert {cls for cls in CLASSES if not cls.hint} == WITHOUT_HINT


def test_an_error_without_advice_ends_with_its_message() -> None:
    assert str(EvalsError("Broken.")) == "Broken."
    assert str(APIError("Broken.", status=418)) == "Broken. (HTTP 418)"


def test_timeouts_are_timeouts_to_the_standard_library_too() -> None:
    assert issubclass(AttemptTimeoutError, TimeoutError)
    assert issubclass(DeadlineExceededError, TimeoutError)


def test_where_a_body_did_not_fit_is_kept() -> None:
    error = DecodeError("x", path="$.a", offset=5)
    assert (error.path, error.offset) == ("$.a", 5)


def test_a_failed_connection_can_be_beyond_help() -> None:
    assert ConnectionFailedError("x").retryable
    assert not ConnectionFailedError("x", retryable=False).retryable
    assert TruncatedBodyError("x").retryable


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    body = b'{"error": "model_eval_not_found", "message": "gone\\u001b[2Jfor\\u0000ever"}'
    error = error_from_reply(404, {}, body)
    assert str(error).isprintable()
    assert "gone" in error.message
    assert "ever" in error.message
