"""Where a walk stands, as a value and as a short text."""

import base64
import binascii
from typing import Self
from zlib import crc32

import msgspec

from ..core.errors import InvalidArgumentError

# Names the encoding, so that a later one can be told from it.
_PREFIX = "rfe1."


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """Where a walk stands: `offset` is the next row not yet delivered, `stop` the row to stop before (None: the end).

    `query` names what is walked and `total` the server's number of rows when it was made. `str()` of it is a short
    text; `Checkpoint.decode` reads it back.
    """

    query: str
    offset: int
    stop: int | None
    total: int | None

    def encode(self) -> str:
        """Return a short text of letters, digits, `-`, `_` and `.`."""
        data = msgspec.msgpack.encode(self)
        checked = data + crc32(data).to_bytes(4, "big")
        return _PREFIX + base64.urlsafe_b64encode(checked).decode().rstrip("=")

    __str__ = encode

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote. Raises `InvalidArgumentError` for any other text."""
        try:
            if not text.startswith(_PREFIX):
                raise ValueError
            encoded = text.removeprefix(_PREFIX)
            # Padding was dropped to keep the text short: base64 comes in fours.
            checked = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            found = msgspec.msgpack.decode(checked[:-4], type=cls)
            # Only the letters that were printed are good: that holds the checksum, and the spare bits of the last
            # letter, which base64 passes over.
            if found.encode() != text:
                raise ValueError
            return found
        except (ValueError, binascii.Error):
            raise InvalidArgumentError(
                "The checkpoint cannot be read.", field="resume", hint="Pass it exactly as it was printed."
            ) from None
