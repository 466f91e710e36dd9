"""Scripted faults: which request meets which trouble. Plain data and a matching rule; the stand-in enacts them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct, field


class RecordedRequest(Struct, kw_only=True):
    """One request that the stand-in has seen; the key itself is never kept."""

    method: str
    path: str
    """Decoded path without the query."""
    query: Mapping[str, str]
    """Parameters without `api_key`; the first value of each."""
    auth: str
    """How the key came: `bearer`, `query`, or `none`."""
    time: float
    """Monotonic seconds at arrival."""
    peer: int
    """The client's port: requests with the same one shared a connection."""
    status: int | None = None
    """Status answered; None until then, and for ever if nothing was."""


class Fault(Struct, frozen=True, kw_only=True):
    """What goes wrong with one answer. Without `status` or `garbage`, the good answer is what is tampered with."""

    status: int | None = None
    """Answer this status with `body` instead of the good answer."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Added to the answer, whichever it is."""
    delay: float = 0.0
    """Seconds before answering."""
    cut_after: int | None = None
    """Promise the whole Content-Length, send this many bytes of the body, close the connection."""
    garbage: bool = False
    """Answer 200 with an HTML page, as a proxy's login page does."""
    reset: bool = False
    """Reset the TCP connection instead of answering."""
    stall: bool = False
    """Never answer; the connection stays open."""
    trickle: float | None = None
    """Seconds per byte of body."""
    total: int | None = None
    """Override `totalImages` in image-predictions."""
    close: bool = False
    """Close the kept connection after the answer."""
    rewrite: Callable[[bytes], bytes] | None = None
    """Changes the good answer's body."""

    @classmethod
    def rate_limited(cls, retry_after: float | str | None = None) -> Fault:
        """429; `retry_after` is seconds or an HTTP date, None leaves the header out."""
        body = b'{"error":"rate_limited","message":"Too many requests."}'
        return cls(status=429, body=body, headers=_retry_after(retry_after))

    @classmethod
    def server_error(cls, status: int = 503, retry_after: float | str | None = None) -> Fault:
        """A proxy's 5xx with an HTML body."""
        return cls(
            status=status,
            body=b"<html><head><title>Server error</title></head><body>Try again.</body></html>",
            headers={"Content-Type": "text/html", **_retry_after(retry_after)},
        )

    @classmethod
    def error(cls, status: int, code: str, message: str = "") -> Fault:
        """A JSON error of the model-eval handlers' own shape."""
        return cls(status=status, body=msgspec.json.encode({"error": code, "message": message}))

    @classmethod
    def cut(cls, after: int = 10) -> Fault:
        """A body that ends too early."""
        return cls(cut_after=after)

    @classmethod
    def not_json(cls) -> Fault:
        """200 with an HTML page."""
        return cls(garbage=True)

    @classmethod
    def connection_reset(cls) -> Fault:
        """The connection is reset."""
        return cls(reset=True)

    @classmethod
    def stalled(cls) -> Fault:
        """No answer, ever."""
        return cls(stall=True)

    @classmethod
    def slow(cls, delay: float) -> Fault:
        """The good answer after `delay` seconds."""
        return cls(delay=delay)

    @classmethod
    def changed_total(cls, total: int) -> Fault:
        """A page that names another `totalImages`."""
        return cls(total=total)

    @classmethod
    def rewritten(cls, rewrite: Callable[[bytes], bytes]) -> Fault:
        """The good answer with its body changed."""
        return cls(rewrite=rewrite)


def _retry_after(value: float | str | None) -> dict[str, str]:
    if value is None:
        return {}
    return {"Retry-After": value if isinstance(value, str) else f"{value:g}"}


Match = str | Callable[[RecordedRequest], bool]
"""A text that the path contains, or a predicate on the request."""


class _Rule:
    def __init__(self, match: Match, script: deque[Fault | None] | None, fault: Fault | None) -> None:
        self.match = match
        self.script = script
        self.fault = fault

    def applies(self, request: RecordedRequest) -> bool:
        if self.script is not None and not self.script:
            return False
        return self.match in request.path if isinstance(self.match, str) else self.match(request)

    def take(self) -> Fault | None:
        return self.fault if self.script is None else self.script.popleft()


class Faults:
    """Which request meets which fault: scripts before standing rules, the first that applies decides.

    Scripting is safe from another thread than the stand-in's: rules are only appended, entries only taken
    from the left.
    """

    def __init__(self) -> None:
        """Begin without a rule: every answer is good."""
        self._scripts: list[_Rule] = []
        self._standing: list[_Rule] = []

    def script(self, match: Match, *faults: Fault | None) -> Faults:
        """The nth request that matches meets the nth entry (None: a proper answer); after the last, all is well."""
        self._scripts.append(_Rule(match, deque(faults), None))
        return self

    def always(self, match: Match, fault: Fault) -> Faults:
        """Every request that matches meets the fault, unless a script has something for it."""
        self._standing.append(_Rule(match, None, fault))
        return self

    def clear(self) -> None:
        """Drop all rules."""
        self._scripts.clear()
        self._standing.clear()

    @property
    def pending(self) -> int:
        """Entries of scripts that no request has met yet."""
        return sum(len(rule.script or ()) for rule in self._scripts)

    def take(self, request: RecordedRequest) -> Fault | None:
        """The fault for this request, used up if it was scripted."""
        for rule in (*self._scripts, *self._standing):
            if rule.applies(request):
                return rule.take()
        return None
