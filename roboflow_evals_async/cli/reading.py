"""Reading commands: one request, one panel; and the list, which may take more. Several at once: `several`."""

from collections.abc import Callable
from typing import Any, TypeVar

from ..core.errors import DecodeError
from ..core.request import Request
from ..rivergen import endpoints as rivergen_endpoints
from ..roboflow import endpoints
from ..roboflow.listing import EvalListing, Filters
from ..roboflow.listing import list_evals as list_matching
from ..roboflow.payloads import EvalRows
from . import panels, raw
from .context import Context
from .grid import Part, plural
from .limits import whole
from .output import Output, word

T = TypeVar("T")

# For each command: the request that its arguments make, and how the reply is shown.
PANELS: dict[str, tuple[Callable[..., Request[Any]], Callable[[Any], list[Part]]]] = {
    "get": (endpoints.eval_, panels.evaluation),
    "map-results": (endpoints.map_results, panels.map_results),
    "confidence-sweep": (endpoints.confidence_sweep, panels.confidence_sweep),
    "performance-by-class": (endpoints.performance_by_class, panels.performance_by_class),
    "confusion-matrix": (endpoints.confusion_matrix, panels.confusion_matrix),
    "vector-analysis": (endpoints.vector_analysis, panels.vector_analysis),
    "recommendations": (endpoints.recommendations, panels.recommendations),
    "compare": (endpoints.compare, panels.comparison),
}


async def show_panel(context: Context, name: str, *args: Any, **arguments: Any) -> None:
    """Ask for a panel and print it. Arguments are checked before a key is looked for."""
    make, show = PANELS[name]
    if "confidence" in arguments:
        arguments["confidence"] = whole(arguments["confidence"], "confidence")
    request = make(*args, **arguments)
    async with context.client() as client:
        body = await client.send_raw(request)
    if context.output.json:
        context.output.document(body)
    else:
        context.output.show(show(decoded(request, body)))


def decoded(request: Request[T], body: bytes) -> T:
    """Read a body that `--json` prints unread. Raises what reading it raises, with a word on that."""
    try:
        return request.reply.decode(body)
    except DecodeError as error:
        if error.path is not None:  # else it is no JSON object, or hardly one
            error.add_note("--json prints what the server sent.")
        raise


async def show_summary(
    context: Context, model_id: str, *, token: str | None, version_id: str | None, dataset_split: Any
) -> None:
    """Ask RiverGen for a summary and print it."""
    request = rivergen_endpoints.performance_summary(model_id, version_id=version_id, dataset_split=dataset_split)
    async with context.rivergen(token) as client:
        body = await client.send_raw(request)
    # Decoded in any case: the reply refuses the numbers of another version or split.
    summary = request.reply.decode(body)
    if context.output.json:
        context.output.document(body)
    else:
        context.output.show(panels.performance_summary(summary))


async def list_evals(
    context: Context,
    *,
    project: str | None,
    version: str | None,
    model: str | None,
    status: str | None,
    limit: str | None,
) -> None:
    """List what matches, and say what could not be reached."""
    served: dict[str, bytes] = {}
    most = whole(limit, "limit")
    endpoints.evals(status=status)  # a bad status is refused before a key is looked for

    async with context.client() as client:

        async def send(request: Request[T], /, *, end: float | None = None) -> T:
            """Keep each row as it was served, beside its struct."""
            body = await client.send_raw(request, end=end)
            reply = request.reply.decode(body)
            assert isinstance(reply, EvalRows)
            for evaluation, row in zip(reply.evals, raw.rows(body, "evals"), strict=True):
                served[evaluation.eval_id] = row
            return reply

        listing = await list_matching(send, Filters(project, version, model), status=status, limit=most)

    if context.output.json:
        context.output.document(b"[" + b",".join(served[evaluation.eval_id] for evaluation in listing) + b"]")
    elif context.output.quiet:
        for evaluation in listing:
            context.output.line(word(evaluation.eval_id))
    elif listing:
        context.output.show([panels.listing(listing.evals)])
        context.output.note(plural(len(listing), "evaluation"))
    else:
        context.output.note("No evaluation matches.")
    if most is None:
        incomplete(listing, context.output)


def incomplete(listing: EvalListing, output: Output) -> None:
    """Say what the list could not reach, if anything."""
    if not listing.complete:
        output.warning(f"The list is not complete: {'; '.join(listing.unreached)}. Name a project to see more.")
