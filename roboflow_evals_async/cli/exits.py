"""How the command ends: the one table of exit codes, and what is said of an error.

0 to 5 mean what they mean in the official command; the usage code is another one, for there 2 means two things.
"""

import asyncio
import re
import signal
import traceback
from enum import IntEnum
from http import HTTPStatus

import msgspec
from cyclopts import CycloptsError

from ..core import errors
from ..core.retry import is_retryable
from .arguments import STDIN
from .output import Output, clean


class Exit(IntEnum):
    """What the shell sees."""

    DONE = 0
    GENERAL = 1
    AUTH = 2
    NOT_FOUND = 3
    NOT_DONE = 4
    BAD_FILTER = 5
    SOME_FAILED = 6
    GATE_FAILED = 7
    STOPPED_EARLY = 8
    USAGE = 64  # EX_USAGE of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it
    TERMINATED = 143  # 128 + SIGTERM


class Stopped(Exception):
    """A signal ended the command."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit = Exit.TERMINATED if signum == signal.SIGTERM else Exit.INTERRUPTED


# The first line that fits decides.
_EXITS: tuple[tuple[type[BaseException], Exit], ...] = (
    (CycloptsError, Exit.USAGE),
    (errors.ConfigError, Exit.AUTH),
    (errors.AuthenticationError, Exit.AUTH),
    (errors.AccessDeniedError, Exit.AUTH),
    (errors.NotFoundError, Exit.NOT_FOUND),
    (errors.EvalNotDoneError, Exit.NOT_DONE),
    (errors.NotTrainedError, Exit.NOT_DONE),
    (errors.InvalidRequestError, Exit.BAD_FILTER),
    (errors.InvalidArgumentError, Exit.USAGE),
    (errors.DeadlineExceededError, Exit.STOPPED_EARLY),
    (KeyboardInterrupt, Exit.INTERRUPTED),
    (BaseException, Exit.GENERAL),
)

# Arguments that the server could have refused as well: locally or there, the code is the same.
_FILTERS = frozenset({"split", "confidence", "dataset_split", "status", "limit", "offset", "frontier_metric"})

# Arguments that are options here, under the same names.
_OPTIONS = frozenset({"rate", "max_concurrency", "deadline", "timeout", "retries", "prefetch"})

# The library's advice names Python arguments; this is the same for a shell.
_HINTS: tuple[tuple[type[BaseException], str], ...] = (
    (errors.PaginationDriftError, "Was the evaluation run again meanwhile? Then repeat the command."),
    (errors.AttemptTimeoutError, "The server is slow or out of reach: try again later, or with a longer --timeout."),
    (errors.DecodeError, "If the server is right, please report this."),
    (
        errors.ReportNotFoundError,
        "Only some confidences are stored: leave --confidence out for the default report.",
    ),
    (errors.EvalFailedError, errors.EvalFailedError.hint),
    (errors.EvalNotDoneError, "If it is running, rfevals wait waits for it; if it is done, this panel was never made."),
    (errors.RateLimitedError, "Try again later, or with a lower --rate or --max-concurrency."),
    (errors.DeadlineExceededError, "Give a longer --deadline, or none."),
    (errors.EvalsError, ""),
    (CycloptsError, "See rfevals --help."),
)


class ErrorText(msgspec.Struct, frozen=True):
    """An error as `--json` prints it: `code` is the API's, or the kind of error; `status` the HTTP status, or None."""

    message: str
    hint: str
    code: str
    status: int | None
    retryable: bool


def exit_of(error: BaseException) -> Exit:
    """Return the exit code of an error."""
    if isinstance(error, Stopped):
        return error.exit
    if isinstance(error, errors.InvalidArgumentError) and error.field in _FILTERS:
        return Exit.BAD_FILTER
    return next(code for kind, code in _EXITS if isinstance(error, kind))


def text_of(error: BaseException) -> ErrorText:
    """Return what is said of an error: what is wrong, and what to do."""
    hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    code, status = _kind(error), None
    message = clean(str(error)) or type(error).__name__
    if isinstance(error, errors.EvalsError):
        message, hint = clean(error.message), hint or error.hint
        if isinstance(error, errors.DecodeError) and error.path is None:
            hint = "Is the base URL right? It may be a proxy's page."
        if isinstance(error, errors.InvalidArgumentError) and error.field in _OPTIONS:
            message = f"--{error.field.replace('_', '-')}{message.removeprefix(error.field)}"
        if error.attempts > 1:
            message = f"{message.rstrip('.')}, after {error.attempts} tries."
    elif isinstance(error, OSError):
        message = ": ".join(clean(str(part)) for part in (error.filename, error.strerror) if part) or message
    elif isinstance(error, CycloptsError):
        message = message.replace(STDIN, "-")  # as it was typed
    else:
        message, hint = f"Unexpected {type(error).__name__}: {message}", "Please report it; -vv shows where it arose."
    if isinstance(error, errors.APIError):
        code, status = error.code or code, error.status
    return ErrorText(message, hint, code, status, is_retryable(error))


def conclude(error: BaseException, output: Output, *, eval_id: str = "") -> Exit:
    """Say what ended the command, or its work on one evaluation, and return the exit code.

    It is one line on stderr, and for people another for each note on the error, which says how to go on.
    """
    code = exit_of(error)
    if isinstance(error, Stopped | KeyboardInterrupt | asyncio.CancelledError):
        return code
    if output.verbose > 1 and not isinstance(error, errors.EvalsError | CycloptsError | OSError):
        output.raw_error("".join(traceback.format_exception(error)))
    text, notes = text_of(error), [clean(note) for note in getattr(error, "__notes__", ())]
    if output.json:
        text = msgspec.structs.replace(text, hint=" ".join([text.hint, *notes]).strip())
        named = {"evalId": eval_id} if eval_id else {}
        output.raw_error(msgspec.json.encode({**named, "error": text}).decode() + "\n")
        return code
    # A failure that was told by a good answer has a status which says nothing of it.
    refused = text.status is not None and text.status >= HTTPStatus.BAD_REQUEST
    status = f" (HTTP {text.status} {text.code})" if refused else ""
    about = f"{eval_id}: " if eval_id and eval_id not in text.message else ""
    output.error(f"{about}{text.message}{status} {text.hint}".rstrip())
    for note in notes:
        output.advice(note)
    return code


def _kind(error: BaseException) -> str:
    name = "usage" if isinstance(error, CycloptsError) else type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
