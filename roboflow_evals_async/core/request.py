"""A request as a value: a quoted path, a query, the reply that it expects; and the checks made before sending."""

from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from .errors import InvalidArgumentError
from .reply import Reply

T = TypeVar("T")

Query = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, Generic[T], frozen=True):
    """One GET. `path` is quoted and begins with a slash; `asked` says in words what is asked for."""

    path: str
    reply: Reply[T]
    query: Query = ()
    asked: str = ""

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def within(self, parent: str) -> "Request[T]":
        """Return the same request below another path, which must be quoted already."""
        return Request(parent + self.path, self.reply, self.query, self.asked)


def query(**parameters: str | int | None) -> Query:
    """Return the parameters that are set, in their order; None means not sent."""
    return tuple((name, str(value)) for name, value in parameters.items() if value is not None)


def segment(value: str, field: str, *, reserved: tuple[str, ...] = ()) -> str:
    """Quote one path segment. Refuses what would name another resource, or nothing.

    Raises `InvalidArgumentError` for an empty or blank text, `.`, `..`, control characters and `reserved` words.
    """
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{field} must be a text, not {type(value).__name__}.", field=field)
    if not value.strip():
        raise InvalidArgumentError(f"{field} is empty.", field=field, hint="Give its id.")
    if value in {".", "..", *reserved}:
        raise InvalidArgumentError(f"{field} cannot be {value!r}: the word is reserved in addresses.", field=field)
    if not value.isprintable():
        raise InvalidArgumentError(f"{field} has a character that cannot be printed: {value!r}.", field=field)
    return quote(value, safe="")


def choice(value: str, field: str, allowed: tuple[str, ...]) -> str:
    """Return the value if it is one of the allowed ones; raises `InvalidArgumentError` otherwise."""
    if value not in allowed:
        names = ", ".join(allowed)
        raise InvalidArgumentError(f"{field} is {value!r}.", field=field, hint=f"Use one of: {names}.")
    return value


def integer(value: object, field: str, low: int, high: int | None = None) -> int:
    """Return the value if it is a whole number in [low, high]; raises `InvalidArgumentError` otherwise."""
    # bool is an int to Python, but True is nobody's confidence.
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        span = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise InvalidArgumentError(f"{field} is {value!r}.", field=field, hint=f"Give a whole number {span}.")
    return value


def seconds(value: float, field: str) -> float:
    """Return a number of seconds above 0; raises `InvalidArgumentError` for anything else."""
    # `not >` also refuses NaN.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidArgumentError(f"{field} is {value!r}.", field=field, hint="Give a number of seconds above 0.")
    return float(value)
