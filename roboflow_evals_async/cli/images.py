"""`image-predictions`: one page, or all of them as they come, in memory that does not grow."""

import asyncio
import shlex
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from ..core.errors import EvalsError, InvalidArgumentError, PaginationDriftError
from ..core.request import integer
from ..paging.checkpoint import Checkpoint
from ..paging.cursor import Page, plan_walk
from ..paging.walk import Walk
from ..roboflow import endpoints
from ..roboflow.endpoints import MAX_PAGE_SIZE
from ..roboflow.payloads import ImagePrediction, ImagePredictionsPage
from . import panels, raw
from .context import Context
from .limits import whole
from .output import Output
from .reading import decoded
from .running import program

# What the server takes where --limit is left out (page per-image-predictions).
_DEFAULT_LIMIT = 200

ImagePage = Page[ImagePrediction, raw.Served[ImagePredictionsPage]]
ImageWalk = Walk[ImagePrediction, raw.Served[ImagePredictionsPage]]


async def show_images(
    context: Context,
    eval_id: str,
    *,
    split: Any,
    confidence: str | None,
    limit: str | None,
    offset: str | None,
    prefetch: str | None,
    resume: str | None,
) -> None:
    """Print one page if one was asked for, else every image, or every one that an earlier run did not print."""
    query = endpoints.image_predictions(eval_id, split=split, confidence=whole(confidence, "confidence"))
    ahead = integer(whole(prefetch, "prefetch") or 0, "prefetch", 0)
    if limit is not None or offset is not None:
        if resume is not None:
            hint = "Leave them out: the checkpoint knows where to go on."
            raise InvalidArgumentError("--resume goes with neither --limit nor --offset.", field="resume", hint=hint)
        await _show_one(context, query, limit, offset)
        return
    plan = plan_walk(query, page_size=MAX_PAGE_SIZE, start=0, max_items=None, on_drift="raise", resume=resume)

    def going_on(checkpoint: Checkpoint) -> str:
        given = {"--split": split, "--confidence": confidence, "--prefetch": prefetch, "--resume": str(checkpoint)}
        words = [program(), "image-predictions", eval_id]
        words += [word for option, value in given.items() if value is not None for word in (option, value)]
        words += ["--json"] if context.output.json else []
        return shlex.join(words + context.options.carried(deadline=False))

    async with context.client() as client:
        deadline = context.limits.options.deadline
        walk = Walk(raw.served(query), plan, client.send, client.fetch, context.listener, deadline)
        await _show_all(walk, ahead, context.output, going_on)


async def _show_one(context: Context, query: Any, limit: str | None, offset: str | None) -> None:
    rows = integer(whole(limit, "limit") or (_DEFAULT_LIMIT if limit is None else 0), "limit", 1, MAX_PAGE_SIZE)
    first = integer(whole(offset, "offset") or 0, "offset", 0)
    request = query.request(first, rows)
    async with context.client() as client:
        body = await client.send_raw(request)
    if context.output.json:
        context.output.document(body)
        return
    page = decoded(request, body)
    context.output.show([panels.page_context(page, first), panels.images(page.images)])


async def _show_all(walk: ImageWalk, ahead: int, output: Output, going_on: Callable[[Checkpoint], str]) -> None:
    """Walk all pages, with the walk's own checks, and read so many ahead; say how to go on if it stops on its way."""
    begun = False
    async with AsyncExitStack() as stack:
        pages = (await stack.enter_async_context(walk.prefetch(ahead))).pages() if ahead else walk.pages()
        try:
            async for page in pages:
                _show(page, output, continued=begun)
                begun = True
        except EvalsError as error:
            # Before the first row, the same command is all that is needed.
            if begun:
                unless = "If it was not, this" if isinstance(error, PaginationDriftError) else "This"
                error.add_note(f"{unless} goes on where it stopped: {going_on(pages.checkpoint)}")
            raise
        except asyncio.CancelledError:
            if begun:
                output.flush()
                output.advice(f"Stopped; this goes on: {going_on(pages.checkpoint)}")
            raise


def _show(page: ImagePage, output: Output, *, continued: bool) -> None:
    """Print a page: as JSON, each row as it was served, in one line."""
    if output.json:
        # A walk that is to stop early takes a part of its last page.
        rows = raw.rows(page.reply.body, "images")[: len(page.items)]
        output.bytes(b"".join(row + b"\n" for row in rows))
    elif continued:
        output.show([panels.images(page.items)], continued=True)
    else:
        output.show([panels.page_context(page.reply.reply, None), panels.images(page.items)])
