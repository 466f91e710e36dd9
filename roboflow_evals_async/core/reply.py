"""Bytes to struct: one fast road for what the API documents, one tolerant road for what servers really send.

The fast road is msgspec's typed decoder on the bytes. When a body does not fit the shape, the tolerant road reads it as
plain Python values, takes the bare words NaN and Infinity for null, lets the shape's `mend` put older spellings right,
and converts leniently (`2.0` for 2); if that fails, once more without the nulls, so that the fields' defaults hold.
"""

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Generic, TypeVar

import msgspec

from .errors import DecodeError, TruncatedBodyError

T = TypeVar("T")

_NO_API = "Is the base URL that of the API?"

Mend = Callable[[dict[str, Any]], dict[str, Any]]


class Reply(Generic[T]):
    """How a body becomes a `T`.

    `mend` rewrites a document of an older or odd server into the documented shape; with `always` it is applied to
    every body: for shapes whose old spelling would not fail but lose a value.
    """

    def __init__(self, shape: type[T], *, mend: Mend | None = None, always: bool = False) -> None:
        self._shape = shape
        self._decoder = msgspec.json.Decoder(shape)
        self._mend = mend
        self._always = always

    def __repr__(self) -> str:
        return f"Reply({self._shape.__name__})"

    def expecting(self, **asked: str | None) -> "Reply[T]":
        """Return a reply that is refused if a field says another thing than was asked; None says nothing.

        Nobody must read the numbers of another evaluation, split or version for those asked for.
        """
        return _Expecting(self, {name: value for name, value in asked.items() if value is not None})

    def decode(self, body: bytes) -> T:
        """Return the struct. Raises `TruncatedBodyError` for a cut body, `DecodeError` for any other misfit."""
        if not self._always:
            try:
                return self._decoder.decode(body)
            except (ValueError, RecursionError):
                pass  # the tolerant road names the fault, if there is one
        document = json_object(body)
        try:
            return self._tolerant(document)
        except msgspec.ValidationError as error:
            raise _misfit(error) from None
        except (RecursionError, OverflowError):
            raise DecodeError("The body has values nested too deeply, or numbers too large.") from None

    def _tolerant(self, document: dict[str, Any]) -> T:
        try:
            return self._convert(document)
        except msgspec.ValidationError:
            # A null where the shape wants a value stands for "absent": the field's default holds.
            return self._convert(without_nulls(document))

    def _convert(self, document: dict[str, Any]) -> T:
        return msgspec.convert(self._mend(document) if self._mend else document, self._shape, strict=False)


class _Expecting(Reply[T]):
    """A reply that must tell what was asked for."""

    def __init__(self, reply: Reply[T], asked: Mapping[str, str]) -> None:
        self._reply = reply
        self._asked = asked

    def __repr__(self) -> str:
        return repr(self._reply)

    def decode(self, body: bytes) -> T:
        value = self._reply.decode(body)
        for name, asked in self._asked.items():
            found = getattr(value, name)
            if found is not None and found != asked:
                raise DecodeError(f"The server answered for {name} {found!r}, not {asked!r}.", path=f"$.{name}")
        return value


def json_object(body: bytes) -> dict[str, Any]:
    """Read a body as a JSON object, with null for NaN, Infinity and numbers beyond any float.

    Raises `TruncatedBodyError` where the text ends too early, `DecodeError` where it is not a JSON object.
    """
    try:
        document = json.loads(body, parse_constant=_nothing, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        if _is_cut(error):
            raise TruncatedBodyError(f"The body ended too early, after {len(body)} bytes.") from None
        if isinstance(error, json.JSONDecodeError):
            raise DecodeError(f"The body is {_kind(body)}, not a JSON object.", hint=_NO_API) from None
        raise DecodeError("The body is not readable as JSON.", hint=_NO_API) from None
    if not isinstance(document, dict):
        raise DecodeError(f"The body is a JSON {type(document).__name__}, not an object.", hint=_NO_API)
    # Half of a character pair is legal in JSON, and in no text that can be written anywhere.
    return _writable(document) if b"\\ud" in body.lower() else document


def without_nulls(value: Any) -> Any:
    """Drop the null members of objects at every level; nulls in arrays keep their place."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _writable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if isfinite(number) else None


def _nothing(_word: str) -> None:
    return None


# What the end of a cut body can begin: the words of JSON, and what must be followed by a digit.
_CUT_SHORT = ("true", "false", "null", "NaN", "Infinity", "-Infinity", ".", "e+", "e-", "E+", "E-")


def _is_cut(error: Exception) -> bool:
    """Say whether the text is sound up to its end, and only its end is missing."""
    if isinstance(error, UnicodeDecodeError):
        return error.end == len(error.object) and error.reason == "unexpected end of data"
    if not isinstance(error, json.JSONDecodeError):
        return False
    rest = error.doc[error.pos :].rstrip()
    if error.msg.startswith("Invalid \\u"):
        return len(rest) <= len("u0000")
    return error.msg.startswith("Unterminated") or any(word.startswith(rest) for word in _CUT_SHORT)


def _kind(body: bytes) -> str:
    return "an HTML page (a proxy or a login page?)" if body.lstrip()[:1] == b"<" else "no valid JSON"


def _misfit(error: msgspec.ValidationError) -> DecodeError:
    text = str(error)
    found = re.search(r" - at `(.+)`$", text)
    path = found.group(1) if found else "$"
    reason = text[: found.start()] if found else text
    return DecodeError(f"The body is not what the API documents: {reason}, at {path}.", path=path)
