"""Traces for OpenTelemetry, from the client's events: a span for each walk, page and attempt.

    EvalsClient(on_event=tracing_listener())

    evals.walk                  from its first request to its last row; parent: the span that is current there
      evals.page                from its first request to its delivery
        GET                     one attempt, with its waiting for a slot

An attempt outside a walk is a child of the span that is current where the call is made. Attributes are named as in
https://opentelemetry.io/docs/specs/semconv/http/http-spans/ where that page has a name, else `evals.…`; no key and no
query string is among them. Needs the extra `otel`, which brings the API: what collects and exports the spans is the
program's choice.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING

from .core.errors import ConfigError
from .core.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptFinished,
    AttemptStarted,
    CoolingDown,
    Event,
    Listener,
    PageReady,
    WalkDone,
    WalkStopped,
)
from .core.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

# A walk that is left by a plain `break` tells nobody. Beyond so many open ones, the oldest must have been left so.
_MOST_WALKS = 1000


def tracing_listener(tracer: "Tracer | None" = None) -> Listener:
    """Return a listener, to be passed as `on_event`, that makes spans with the tracer (None: the global provider's).

    Raises `ConfigError` if OpenTelemetry is not installed.
    """
    try:
        from opentelemetry import trace
    except ImportError:
        hint = "Run: pip install 'roboflow-evals-async[otel]'"
        raise ConfigError("OpenTelemetry is not installed.", hint=hint) from None
    return _Spans(tracer or trace.get_tracer("roboflow_evals_async", __version__)).hear


class _WalkSpan:
    """The span of a walk, and those of its pages that were not delivered yet, the next one first."""

    def __init__(self, span: "Span") -> None:
        self.span = span
        self.pages: dict[int, Span] = {}

    def end(self, error: str | None = None) -> None:
        if error is not None:
            for page in [*self.pages.values()][:1]:
                _fail(page, error)
            _fail(self.span, error)
        for page in self.pages.values():
            page.end()
        self.span.end()


class _Spans:
    """The spans that are open, by the numbers that events carry."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._attempts: dict[int, Span] = {}
        self._walks: OrderedDict[int, _WalkSpan] = OrderedDict()

    def hear(self, event: Event) -> None:
        match event:
            case AttemptStarted():
                self._begin(event)
            case AttemptFinished() | AttemptFailed() | AttemptCancelled():
                span = self._attempts.pop(event.id, None)
                if span is not None:
                    _end(span, event)
            case CoolingDown():
                # The pause before another try lies between two spans; one within a try would look like a slow server.
                if event.id in self._attempts:
                    self._attempts[event.id].add_event("cooling down", {"evals.wait": event.seconds})
            case PageReady():
                self._deliver(event)
            case WalkDone() | WalkStopped():
                walk = self._walks.pop(event.walk, None)
                if walk is not None:
                    walk.span.set_attributes({"evals.rows": event.rows, "evals.pages": event.pages})
                    walk.end(event.error if isinstance(event, WalkStopped) else None)
            case _:
                pass  # a poll is an attempt too

    def _begin(self, event: AttemptStarted) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context

        parent = self._page(event) if event.walk else None
        attributes: dict[str, str | int] = {
            "http.request.method": "GET",
            "url.path": event.path,
            "evals.asked": event.asked,
        }
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        self._attempts[event.id] = self._tracer.start_span(
            "GET",
            context=None if parent is None else set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )

    def _page(self, event: AttemptStarted) -> "Span":
        """Return the span of the attempt's page. The first attempt opens it; the first of a walk, the walk's too."""
        from opentelemetry.trace import set_span_in_context

        walk = self._walks.get(event.walk)
        asked = {"evals.asked": event.asked}
        if walk is None:
            while len(self._walks) >= _MOST_WALKS:
                self._walks.popitem(last=False)[1].end()
            walk = self._walks[event.walk] = _WalkSpan(self._tracer.start_span("evals.walk", attributes=asked))
        page = walk.pages.get(event.page)
        if page is None:
            within = set_span_in_context(walk.span)
            page = walk.pages[event.page] = self._tracer.start_span("evals.page", context=within, attributes=asked)
        return page

    def _deliver(self, event: PageReady) -> None:
        walk = self._walks.get(event.walk)
        page = None if walk is None else walk.pages.pop(event.page, None)
        if page is not None:
            page.set_attributes({"evals.offset": event.offset, "evals.rows": event.rows})
            page.end()


def _end(span: "Span", event: AttemptFinished | AttemptFailed | AttemptCancelled) -> None:
    match event:
        case AttemptFinished():
            span.set_attributes({"http.response.status_code": 200, "evals.body.size": event.size})
        case AttemptFailed():
            if event.status is not None:
                span.set_attribute("http.response.status_code", event.status)
            _fail(span, event.error)
        case AttemptCancelled():
            span.set_attribute("evals.cancelled", True)
    span.end()


def _fail(span: "Span", error: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR))
