"""JSON as the server sent it: laid out, or taken apart into rows, without reading its values."""

import json
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import msgspec

from ..core.reply import Reply, json_object
from ..core.request import Request
from ..paging.cursor import PageQuery
from ..paging.window import Facts

T = TypeVar("T")
Row = TypeVar("Row")

# Two spaces, as the official command lays its JSON out.
_INDENT = 2

# msgspec: no line breaks and no spaces.
_ONE_LINE = -1


def pretty(body: bytes) -> bytes:
    """Return the document laid out; numbers keep their spelling, and NaN, which is no JSON, becomes null."""
    try:
        return msgspec.json.format(body, indent=_INDENT)
    except ValueError:
        return json.dumps(json_object(body), indent=_INDENT).encode()


def compact(body: bytes) -> bytes:
    """Return the document in one line, under the same rules."""
    try:
        return msgspec.json.format(body, indent=_ONE_LINE)
    except ValueError:
        return json.dumps(json_object(body), separators=(",", ":")).encode()


def rows(body: bytes, name: str) -> list[bytes]:
    """Return the objects in the array `name` of the document, each in one line."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        found = msgspec.json.decode(members[name], type=list[msgspec.Raw])
        lines = [msgspec.json.format(bytes(row), indent=_ONE_LINE) for row in found]
    except (ValueError, KeyError):
        lines = [json.dumps(row, separators=(",", ":")).encode() for row in json_object(body).get(name) or ()]
    return [line for line in lines if line.startswith(b"{")]


@dataclass(frozen=True, slots=True)
class Served(Generic[T]):
    """A reply beside the body that it was read from."""

    reply: T
    body: bytes


class ServedReply(Reply[Served[T]]):
    """How a body becomes a reply that keeps it: both kinds of walk decode by it, once for each page."""

    def __init__(self, inner: Reply[T]) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return f"ServedReply({self._inner!r})"

    def decode(self, body: bytes) -> Served[T]:
        """Return both. Raises what reading the reply raises."""
        return Served(self._inner.decode(body), body)


def served(query: PageQuery[Row, T]) -> PageQuery[Row, Served[T]]:
    """Return the same query, whose pages keep their bodies; its checkpoints are the same."""

    def request(offset: int, limit: int) -> Request[Served[T]]:
        page = query.request(offset, limit)
        return Request(page.path, ServedReply(page.reply), page.query, page.asked)

    def rows_of(page: Served[T]) -> tuple[Row, ...]:
        return query.rows(page.reply)

    def facts(page: Served[T]) -> Facts:
        return query.facts(page.reply)

    # The rest tells of rows and of the query, whatever the pages are.
    kept = msgspec.structs.replace(query, request=request, rows=rows_of, facts=facts)
    return cast("PageQuery[Row, Served[T]]", kept)
