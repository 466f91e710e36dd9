"""Several panels and several evaluations at once; waiting until an evaluation is done. One failure is one value."""

from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, get_args

import anyio
import msgspec

from ..core.client import Client
from ..core.errors import EvalFailedError, EvalsError
from ..core.events import Listener, Polled
from ..core.fanout import Emit, FanOut, Ids
from ..core.request import Request, choice
from ..core.retry import is_retryable
from ..core.tasks import gather
from ..paging.cursor import Page
from ..paging.walk import Walk
from . import endpoints
from .endpoints import SplitName
from .payloads import (
    ConfidenceSweep,
    ConfusionMatrix,
    ImagePrediction,
    ImagePredictionsPage,
    MapResults,
    ModelEval,
    PerformanceByClass,
    Recommendations,
    VectorAnalysis,
)

MakeWalk = Callable[[str], Walk[ImagePrediction, ImagePredictionsPage]]

PanelName = Literal[
    "eval",
    "map_results",
    "confidence_sweep",
    "performance_by_class",
    "confusion_matrix",
    "vector_analysis",
    "recommendations",
]
PANELS: tuple[PanelName, ...] = get_args(PanelName)

Panel = (
    ModelEval | MapResults | ConfidenceSweep | PerformanceByClass | ConfusionMatrix | VectorAnalysis | Recommendations
)

# An evaluation takes minutes to hours: polls begin quickly, for the short ones, and slow down to two a minute.
_FIRST_POLL = 1.0
_POLL_GROWTH = 1.5
_LONGEST_POLL = 30.0


class Result(msgspec.Struct, frozen=True):
    """One panel of one evaluation: either `value` or `error` is None."""

    eval_id: str
    panel: PanelName
    value: Panel | None
    error: EvalsError | None


class Snapshot(msgspec.Struct, frozen=True):
    """All panels of an evaluation but the images. A panel that could not be had is None, and `errors` says why."""

    eval: ModelEval
    map_results: MapResults | None
    confidence_sweep: ConfidenceSweep | None
    performance_by_class: PerformanceByClass | None
    confusion_matrix: ConfusionMatrix | None
    vector_analysis: VectorAnalysis | None
    recommendations: Recommendations | None
    errors: dict[str, EvalsError]


def panel_request(panel: PanelName, eval_id: str, split: SplitName, confidence: int | None) -> Request[Any]:
    """Return the request of one panel; raises `InvalidArgumentError` for an unknown one."""
    match choice(panel, "panels", PANELS):
        case "eval":
            return endpoints.eval_(eval_id)
        case "map_results":
            return endpoints.map_results(eval_id)
        case "confidence_sweep":
            return endpoints.confidence_sweep(eval_id)
        case "performance_by_class":
            return endpoints.performance_by_class(eval_id, split=split)
        case "confusion_matrix":
            return endpoints.confusion_matrix(eval_id, split=split, confidence=confidence)
        case "vector_analysis":
            return endpoints.vector_analysis(eval_id, confidence=confidence)
        case _:
            return endpoints.recommendations(eval_id)


async def fetch_panel(
    client: Client, panel: PanelName, eval_id: str, split: SplitName, confidence: int | None
) -> Result:
    """Fetch one panel; a failure is a value."""
    try:
        value = await client.send(panel_request(panel, eval_id, split, confidence))
    except EvalsError as error:
        return Result(eval_id, panel, None, error)
    return Result(eval_id, panel, value, None)


async def snapshot(client: Client, eval_id: str, split: SplitName, confidence: int | None) -> Snapshot:
    """Fetch all panels at once. Raises if the evaluation itself cannot be had."""
    results = await gather([partial(fetch_panel, client, panel, eval_id, split, confidence) for panel in PANELS])
    failed = {result.panel: result.error for result in results if result.error is not None}
    if "eval" in failed:
        raise failed["eval"]
    return Snapshot(**{result.panel: result.value for result in results}, errors=failed)  # type: ignore[arg-type]


def fetch_all(
    client: Client,
    ids: Ids,
    panels: Iterable[PanelName],
    *,
    split: SplitName,
    confidence: int | None,
    max_evals: int,
) -> FanOut[Result]:
    """Fetch panels of many evaluations, those of one evaluation together."""
    wanted = tuple(panels)
    for panel in wanted:
        choice(panel, "panels", PANELS)

    async def work(eval_id: str, emit: Emit[Result]) -> None:
        async def bring(panel: PanelName) -> None:
            await emit(await fetch_panel(client, panel, eval_id, split, confidence))

        await gather([partial(bring, panel) for panel in wanted])

    return FanOut(ids, work, at_once=max_evals)


WalkedPage = tuple[str, Page[ImagePrediction, ImagePredictionsPage] | EvalsError]


def walk_all(ids: Ids, walk: MakeWalk, *, max_evals: int) -> FanOut[WalkedPage]:
    """Walk several evaluations side by side, a page of each in turn. A walk that fails gives its error, and ends."""

    async def work(eval_id: str, emit: Emit[WalkedPage]) -> None:
        try:
            async with aclosing(walk(eval_id).pages()) as pages:
                async for page in pages:
                    await emit((eval_id, page))
        except EvalsError as error:
            await emit((eval_id, error))

    return FanOut(ids, work, at_once=max_evals)


async def wait_done(client: Client, eval_id: str, tell: Listener | None, *, patient: bool) -> ModelEval:
    """Ask for the evaluation until it is done. Raises `EvalFailedError` as soon as it has failed.

    If `patient`, polls that another try may mend do not end the waiting: the caller's clock will.
    """
    pause, begun = _FIRST_POLL, anyio.current_time()
    while True:
        try:
            ev = await client.send(endpoints.eval_(eval_id))
        except EvalsError as error:
            if not (patient and is_retryable(error)):
                raise
        else:
            if tell is not None:
                tell(Polled(eval_id, ev.status, anyio.current_time() - begun))
            if ev.status == "done":
                return ev
            if ev.status == "failed":
                raise EvalFailedError(f"evaluation {eval_id!r} has failed.", status=200)
            # A status that is not known yet may be a step on the way: only the caller's patience ends the waiting.
        await anyio.sleep(pause)
        pause = min(_LONGEST_POLL, pause * _POLL_GROWTH)
