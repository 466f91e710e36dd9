"""The error tree, and how an HTTP answer becomes an error.

    EvalsError
    ├── ConfigError                 no key, no workspace, an unreadable configuration file
    ├── ClientStateError            a closed client, or one that belongs to another event loop
    ├── InvalidArgumentError        refused before anything was sent; `.field` names the argument
    ├── APIError                    the server said no: `.status .code .message .request_id .attempts .url`
    │   ├── AuthenticationError     401
    │   ├── AccessDeniedError       403, and the 404s that hide missing rights; `.reason`
    │   ├── NotFoundError           404
    │   │   ├── EvalNotFoundError
    │   │   └── ReportNotFoundError
    │   ├── EvalNotDoneError        409
    │   │   └── EvalFailedError     waited for, and it has failed
    │   ├── InvalidRequestError     400
    │   ├── NotTrainedError         422
    │   ├── RateLimitedError        429; `.retry_after` seconds
    │   └── ServerError             5xx
    ├── TransportError              no whole answer arrived
    │   ├── ConnectionFailedError
    │   ├── AttemptTimeoutError
    │   └── TruncatedBodyError
    ├── DeadlineExceededError       the wall clock given by `deadline=` ran out, or would
    ├── DecodeError                 a 200 whose body is not what the API documents; `.path .offset`
    └── PaginationDriftError        the server changed its rows under a walk

Errors hold plain data and no live objects, so they pickle and copy. `str()` begins with what went wrong and ends
with what to do. The code in the body decides before the status does: one status carries several meanings.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import msgspec

AccessReason = Literal["permission", "scope", "workspace", "route"]


class EvalsError(Exception):
    """Root of all errors of this library. `attempts` counts the tries made (0: nothing was sent).

    `checkpoint` is set on errors raised out of a walk: give it to `image_predictions(..., resume=…)` to go on.
    """

    hint: str = ""
    attempts: int = 0
    checkpoint: Any = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def scrubbed(self, scrub: Callable[[str], str]) -> Self:
        """Return this error with its message scrubbed: texts of the server may hold the key."""
        self.message = scrub(self.message)
        self.args = (self.message,)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls cls(*args) and so loses keyword-only arguments: errors must cross process borders.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[EvalsError], args: tuple[Any, ...], state: dict[str, Any]) -> EvalsError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(EvalsError):
    """No key, no workspace, a bad base URL or an unreadable configuration file: nothing was sent."""


class ClientStateError(EvalsError):
    """The client is closed, or belongs to another event loop."""


class InvalidArgumentError(EvalsError):
    """An argument was refused before anything was sent. `field` is its name."""

    def __init__(self, message: str, *, field: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class DeadlineExceededError(EvalsError, TimeoutError):
    """The deadline passed, or the next wait could not fit into it. `wait` is that wait in seconds, or None."""

    hint = "Give a longer deadline, or none."

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class DecodeError(EvalsError):
    """A reply that is not what the API documents.

    `path` is where in the document (`$.images[417].cluster`) and `offset` the row at which its page began, each
    None where it does not apply.
    """

    hint = "If the server is right, please report this; the raw body can be had by send_raw()."

    def __init__(
        self, message: str, *, path: str | None = None, offset: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.offset = offset


class PaginationDriftError(EvalsError):
    """The server's rows changed under a walk. `drift` has the figures; `checkpoint` goes on before the bad page."""

    hint = "Was the evaluation re-run? Start the walk again, or pass on_drift='warn' to take the rows as they come."

    def __init__(self, message: str, *, drift: Any = None) -> None:
        super().__init__(message)
        self.drift = drift


class TransportError(EvalsError):
    """No whole answer arrived. `url` has no query string; `retryable` is False where another try cannot help."""

    retryable = True

    def __init__(self, message: str, *, url: str = "", retryable: bool = True, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.url = url
        self.retryable = retryable


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke before the answer began."""

    hint = "Check the network and the base URL."


class AttemptTimeoutError(TransportError, TimeoutError):
    """One try took longer than `timeout` to connect, or between two pieces of the answer."""

    hint = "Give a longer timeout if the server is that slow."


class TruncatedBodyError(TransportError):
    """The answer ended before it was whole."""

    hint = "The server or a proxy cut the answer off; try again."


class APIError(EvalsError):
    """The server answered with an error.

    `status` is the HTTP status, `code` the machine code of the body or None, `message` the server's text,
    `request_id` the server's or proxy's id of the request or None, `url` the address without its query string.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        url: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.url = url

    def __str__(self) -> str:
        code = f" {self.code}" if self.code else ""
        return f"{self.message} (HTTP {self.status}{code}) {self.hint}".rstrip()


class AuthenticationError(APIError):
    """401: the key or token is missing, wrong, revoked or expired."""

    hint = "Check the key or token: it must be private, still valid, and have the right to read model evaluations."


class AccessDeniedError(APIError):
    """403, or a 404 that hides missing rights.

    `reason` is "permission" (403), "scope" (the key lacks it), "workspace" (wrong or not visible) or "route"
    (the server does not know the address).
    """

    hint = "Ask the owner of the workspace or organization for the right to read model evaluations."
    reason: AccessReason = "permission"


class NotFoundError(APIError):
    """404: what was asked for does not exist."""

    hint = "Check the names and ids."


class EvalNotFoundError(NotFoundError):
    """404 `model_eval_not_found`: no such evaluation in this workspace."""

    hint = "List the evaluations of this workspace to see their ids (rfevals list)."


class ReportNotFoundError(NotFoundError):
    """404 `report_not_found`: there is no stored report for this confidence."""

    hint = "Only some confidences are stored: leave `confidence` out to read the default report."


class EvalNotDoneError(APIError):
    """409: the evaluation is running or failed, or is done but this panel's data is missing."""

    hint = "Look at its status: wait if it is running; if it is done, this panel was never made."


class EvalFailedError(EvalNotDoneError):
    """An evaluation that was waited for has failed: its panels will never come. `status` is that of the last poll."""

    hint = "Run it again in the app; the API does not say why it failed."


class InvalidRequestError(APIError):
    """400: the server refused an argument; `code` says which."""

    hint = "Correct the argument that the message names."


class NotTrainedError(APIError):
    """422: the model exists but has no fully trained version."""

    hint = "Wait until a training has completed, or name a trained version."


class RateLimitedError(APIError):
    """429. `retry_after` is the number of seconds that the server asks for, or None where it does not say."""

    hint = "Lower the concurrency or the rate, and try again later."
    retry_after: float | None = None


class ServerError(APIError):
    """5xx: the server or a proxy failed. `retry_after` as in `RateLimitedError`."""

    hint = "Try again later."
    retry_after: float | None = None


# Machine codes of both APIs in lower case (Roboflow: model-evaluations pages; RiverGen: concepts/errors). The
# spellings differ from page to page; each means one thing wherever it appears.
_BY_CODE: dict[str, type[APIError]] = {
    "unauthenticated": AuthenticationError,
    "oauthexception": AuthenticationError,
    "auth_required": AuthenticationError,
    "auth_invalid": AuthenticationError,
    "auth_expired": AuthenticationError,
    "forbidden": AccessDeniedError,
    "permission_denied": AccessDeniedError,
    "model_eval_not_found": EvalNotFoundError,
    "report_not_found": ReportNotFoundError,
    "resource_not_found": NotFoundError,
    "model_eval_not_done": EvalNotDoneError,
    "eval_not_done": EvalNotDoneError,
    "invalid_confidence": InvalidRequestError,
    "invalid_split": InvalidRequestError,
    "invalid_filter_combination": InvalidRequestError,
    "validation_error": InvalidRequestError,
    "rate_limited": RateLimitedError,
    "rate_limit_exceeded": RateLimitedError,
}

_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: AccessDeniedError,
    404: NotFoundError,
    409: EvalNotDoneError,
    422: NotTrainedError,
    429: RateLimitedError,
}

# A server's text is shown up to here: an HTML page of several KB helps nobody.
_MESSAGE_LIMIT = 500

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-cloud-trace-context", "cf-ray")


class Envelope(msgspec.Struct, frozen=True):
    """What an error body says: a machine code, a text, the family of the routing layer; each None if absent."""

    code: str | None = None
    message: str | None = None
    family: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read any of the documented envelopes; a body that is none of them gives an empty envelope."""
        try:
            document = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(document, dict):
            return cls()
        error, message = document.get("error"), document.get("message")
        if isinstance(error, dict):
            text = _join(error.get("message"), _named(error.get("details"), "field", "reason"))
            return cls(_text(error.get("code")), text, _text(error.get("type")))
        detail = document.get("detail")
        if isinstance(detail, list) and detail:
            detail = _named(detail[0], "loc", "msg")
        text = _text(message) or _text(detail)
        if isinstance(error, str) and (text or re.fullmatch(r"[A-Za-z]\w*", error)):
            return cls(error, text)
        return cls(None, text or _text(error))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _named(entry: object, name: str, reason: str) -> str | None:
    """Read which argument was refused, and why: `{field, reason}` of RiverGen, `{loc, msg}` of frameworks."""
    if not isinstance(entry, dict):
        return None
    where = entry.get(name)
    return _join(where[-1] if isinstance(where, list) and where else where, entry.get(reason))


def _join(*parts: object) -> str | None:
    return ": ".join(part for part in parts if isinstance(part, str) and part) or None


def error_from_reply(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    url: str = "",
    asked: str = "",
    scrub: Callable[[str], str] = str,
    retry_after: float | None = None,
) -> APIError:
    """Name the error in an answer that is not 200.

    `url` must come without its query, `asked` says what was asked for ("map-results of 'huUF…'"), `scrub` takes the
    key out of a text: the 401 body echoes it.
    """
    envelope = Envelope.parse(body)
    cls = _BY_CODE.get((envelope.code or envelope.family or "").lower())
    if cls is None:
        cls = _BY_STATUS.get(status, ServerError if status >= 500 else APIError)
    reason: AccessReason = "permission"
    if status == 404 and envelope.family is not None and cls is NotFoundError:
        # The routing layer answers 404 for a missing scope, a foreign workspace and an unknown route alike.
        cls, reason = AccessDeniedError, _masked_reason(envelope.message or "")
    text = _plain(scrub(envelope.message or _fallback(status, body)))[:_MESSAGE_LIMIT]
    error = cls(
        f"{asked}: {text}" if asked else text,
        status=status,
        code=_plain(scrub(envelope.code or envelope.family or ""))[:_MESSAGE_LIMIT] or None,
        request_id=next((_plain(scrub(headers[name])) for name in _REQUEST_ID_HEADERS if name in headers), None),
        url=url,
    )
    if isinstance(error, AccessDeniedError):
        error.reason = reason
        error.hint = _ACCESS_HINTS[reason]
    elif isinstance(error, RateLimitedError | ServerError):
        error.retry_after = retry_after
    return error


_ACCESS_HINTS: dict[AccessReason, str] = {
    "permission": AccessDeniedError.hint,
    "scope": "The key needs the scope model-eval:read.",
    "workspace": "Check the workspace's slug, and that the key belongs to it.",
    "route": "Check the base URL and the workspace; the server does not offer this address to this key.",
}


def _masked_reason(message: str) -> AccessReason:
    lowered = message.lower()
    if "scope" in lowered:
        return "scope"
    return "workspace" if "workspace with id" in lowered else "route"


def _fallback(status: int, body: bytes) -> str:
    start = body.lstrip()[:1]
    if start == b"<":
        return f"the server answered {status} with an HTML page"
    # Plain text, as proxies send it; JSON that says nothing known is of no use to a reader.
    text = "" if start in b'{["' else " ".join(body.decode(errors="replace").split())
    return f"the server answered {status}: {text}" if text else f"the server answered {status} with no explanation"


def _plain(text: str) -> str:
    """Take out keys in addresses, and what a terminal would obey."""
    text = re.sub(r"(?i)(api_key=)[^\s&\"']+", r"\1***", text)
    return "".join(character if character.isprintable() else " " for character in text)
