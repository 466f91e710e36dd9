"""JSON as the server sent it: laid out, or taken apart into rows, without reading its values."""

import json

import msgspec

from ..core.reply import json_object

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


def rows(body: bytes, name: str) -> list[bytes]:
    """Return the objects in the array `name` of the document, each in one line."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        found = msgspec.json.decode(members[name], type=list[msgspec.Raw])
        lines = [msgspec.json.format(bytes(row), indent=_ONE_LINE) for row in found]
    except (ValueError, KeyError):
        lines = [json.dumps(row, separators=(",", ":")).encode() for row in json_object(body).get(name) or ()]
    return [line for line in lines if line.startswith(b"{")]
