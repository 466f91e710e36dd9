"""`image-predictions`: one page, or all of them as they come, in memory that does not grow."""

from typing import Any, TypeVar

from ..core.request import Request, integer
from ..paging.cursor import plan_walk
from ..paging.walk import Walk
from ..roboflow import endpoints
from ..roboflow.endpoints import MAX_PAGE_SIZE
from . import panels, raw
from .context import Context
from .reading import whole

T = TypeVar("T")

# What the server takes where --limit is left out (page per-image-predictions).
_DEFAULT_LIMIT = 200


async def show_images(
    context: Context, eval_id: str, *, split: Any, confidence: str | None, limit: str | None, offset: str | None
) -> None:
    """Print one page if one was asked for, else every image."""
    query = endpoints.image_predictions(eval_id, split=split, confidence=whole(confidence, "confidence"))
    if limit is None and offset is None:
        await _show_all(context, query)
        return
    rows = integer(whole(limit, "limit") or (_DEFAULT_LIMIT if limit is None else 0), "limit", 1, MAX_PAGE_SIZE)
    first = integer(whole(offset, "offset") or 0, "offset", 0)
    request = query.request(first, rows)
    async with context.client() as client:
        body = await client.send_raw(request)
    if context.output.json:
        context.output.document(body)
        return
    page = request.reply.decode(body)
    context.output.show([panels.page_context(page, first), panels.images(page.images)])


async def _show_all(context: Context, query: Any) -> None:
    """Walk all pages with the walk's own checks; as JSON, each row goes out as it was served, in one line."""
    plan = plan_walk(query, page_size=MAX_PAGE_SIZE, start=0, max_items=None, on_drift="raise", resume=None)
    output = context.output
    served: list[bytes] = []
    async with context.client() as client:

        async def send(request: Request[T], /, *, end: float | None = None) -> T:
            """Keep the rows of the page under way as they were served, beside their structs."""
            body = await client.send_raw(request, end=end)
            if output.json:
                served[:] = raw.rows(body, "images")
            return request.reply.decode(body)

        async for page in Walk(query, plan, send).pages():
            if output.json:
                output.bytes(b"".join(row + b"\n" for row in served))
            elif page.offset == 0:
                output.show([panels.page_context(page.reply, None), panels.images(page.items)])
            else:
                output.show([panels.images(page.items)], continued=True)
