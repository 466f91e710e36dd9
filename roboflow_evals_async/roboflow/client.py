"""EvalsClient: one method an endpoint."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import aiohttp
import anyio

from ..core.client import Client
from ..core.errors import DeadlineExceededError
from ..core.events import Listener
from ..core.fanout import FanOut, Ids
from ..core.gate import Gate
from ..core.key import KeyProvider
from ..core.options import DEFAULT_MAX_BODY, DEFAULT_TIMEOUT, Options
from ..core.request import Request, seconds, segment
from ..core.session import Session
from ..paging.checkpoint import Checkpoint
from ..paging.cursor import OnDrift, plan_walk
from ..paging.walk import Walk
from . import endpoints, many
from .config import resolve
from .endpoints import MAX_PAGE_SIZE, SplitName, SplitOrAll
from .listing import EvalListing, Filters, list_evals
from .many import PANELS, PanelName, Result, Snapshot, WalkedPage
from .payloads import (
    Comparison,
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

T = TypeVar("T")


class _Place:
    """The workspace: shared by a client and its views, so that calls made at once ask for it once."""

    def __init__(self, slug: str | None) -> None:
        self.slug: str | None = None
        self.path = ""
        self.asking = anyio.Lock()
        if slug is not None:
            self.settle(slug)

    def settle(self, slug: str) -> str:
        self.path = f"/{segment(slug, 'workspace')}"
        self.slug = slug
        return slug


class EvalsClient(Client):
    """Reads Roboflow Model Evaluations. Make one in each event loop, and use it for everything there.

    What is not given is taken from the environment (`ROBOFLOW_API_KEY`, `RF_WORKSPACE` or `ROBOFLOW_WORKSPACE`,
    `API_URL`, `ROBOFLOW_REGION`), then from the official SDK's file, then from the defaults. `api_key` may be an async
    callable that returns the present key. `timeout` (seconds) limits connecting and each silence of the server,
    `deadline` (seconds; None: none) a whole call with its tries and waits, `max_attempts` the tries of a call,
    `max_concurrency` the requests under way at once, `rate` the requests a second (None: no limit), `max_body` (bytes)
    a reply. A `gate` that is handed in takes the place of these two limits, and can be shared with other clients. An
    aiohttp `session` that is handed in is used and never closed. `on_event` receives the structs of `core.events`;
    `trace_configs` go to aiohttp.

    Every method raises `InvalidArgumentError` before sending, `APIError` for what the server refuses,
    `TransportError` when no whole answer came after all tries, `DecodeError` for a reply that is not what the API
    documents, `DeadlineExceededError`; panels of an evaluation that is not done raise `EvalNotDoneError`.
    """

    def __init__(
        self,
        *,
        api_key: str | KeyProvider | None = None,
        workspace: str | None = None,
        base_url: str | None = None,
        region: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        deadline: float | None = None,
        max_attempts: int = 4,
        max_concurrency: int = 8,
        rate: float | None = None,
        gate: Gate | None = None,
        max_body: int = DEFAULT_MAX_BODY,
        session: aiohttp.ClientSession | None = None,
        on_event: Listener | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        config = resolve(api_key=api_key, workspace=workspace, base_url=base_url, region=region)
        self._place = _Place(config.workspace)
        options = Options().changed(timeout=timeout, deadline=deadline, max_attempts=max_attempts, max_body=max_body)
        super().__init__(
            Session(
                config.base_url,
                config.key,
                gate=gate or Gate(max_concurrency, rate=rate),
                session=session,
                on_event=on_event,
                trace_configs=trace_configs,
            ),
            options,
        )

    async def workspace(self) -> str:
        """Return the workspace's slug; if none was configured, the server is asked, once, whose key this is."""
        return await self._found(self._until(None))

    async def _found(self, end: float | None) -> str:
        place = self._place
        with anyio.CancelScope(deadline=float("inf") if end is None else end):
            async with place.asking:
                if place.slug is not None:
                    return place.slug
                info = await self._session.send(endpoints.key_info(), self._options, end=end)
                return place.settle(info.workspace)
        raise DeadlineExceededError("The key's workspace: not found when the deadline passed.")

    async def _placed(self, request: Request[T], end: float | None) -> Request[T]:
        if self._place.slug is None:
            await self._found(end)
        return request.within(self._place.path)

    async def evals(
        self,
        *,
        project: str | None = None,
        version: str | int | None = None,
        model: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> EvalListing:
        """List evaluations, newest first: of a project (slug), a version (number), an internal model id, a status.

        The filters may be combined. Without `limit` all that can be reached are listed; see `EvalListing.complete`.
        """
        filters = Filters(project, None if version is None else str(version), model)
        return await list_evals(self.send, filters, status=status, limit=limit)

    async def eval(self, eval_id: str) -> ModelEval:
        """Return one evaluation, of any status; its summary if it is done. Raises `EvalNotFoundError`."""
        return await self.send(endpoints.eval_(eval_id))

    async def map_results(self, eval_id: str) -> MapResults:
        """Return mAP or mIoU per split, class and object size."""
        return await self.send(endpoints.map_results(eval_id))

    async def confidence_sweep(self, eval_id: str) -> ConfidenceSweep:
        """Return precision, recall and F1 by confidence threshold, per split and class."""
        return await self.send(endpoints.confidence_sweep(eval_id))

    async def performance_by_class(self, eval_id: str, *, split: SplitName = "test") -> PerformanceByClass:
        """Return the classes of one split: "train", "valid" or "test"."""
        return await self.send(endpoints.performance_by_class(eval_id, split=split))

    async def confusion_matrix(
        self, eval_id: str, *, split: SplitOrAll = "test", confidence: int | None = None
    ) -> ConfusionMatrix:
        """Return what was taken for what in a split, or in "all" added up.

        `confidence` is a whole percent; None reads the default report, whose threshold the reply tells. Raises
        `ReportNotFoundError` for a confidence that is not stored.
        """
        return await self.send(endpoints.confusion_matrix(eval_id, split=split, confidence=confidence))

    async def vector_analysis(self, eval_id: str, *, confidence: int | None = None) -> VectorAnalysis:
        """Return the clusters of the images of all splits; `confidence` as in `confusion_matrix`."""
        return await self.send(endpoints.vector_analysis(eval_id, confidence=confidence))

    async def recommendations(self, eval_id: str) -> Recommendations:
        """Return the suggestions for improving the model; `.generated` is False if none were made."""
        return await self.send(endpoints.recommendations(eval_id))

    async def compare(self, *, project: str, version: int | str, frontier_metric: str | None = None) -> Comparison:
        """Return the trained models of a version, by accuracy and latency (newer servers only)."""
        return await self.send(endpoints.compare(project=project, version=version, frontier_metric=frontier_metric))

    def image_predictions(
        self,
        eval_id: str,
        *,
        split: SplitOrAll = "all",
        confidence: int | None = None,
        page_size: int = MAX_PAGE_SIZE,
        start: int = 0,
        max_items: int | None = None,
        on_drift: OnDrift = "raise",
        resume: Checkpoint | str | None = None,
        deadline: float | None = None,
    ) -> Walk[ImagePrediction, ImagePredictionsPage]:
        """Return a walk over the images of an evaluation; nothing is sent before it is awaited or iterated.

        `page_size` is in rows, 1000 by default and at most: the server reads one large file for every page. `start` is
        the first row, `max_items` how many rows at most; it never shrinks a page. `on_drift` says what happens when the
        server's rows change under the walk: "raise" `PaginationDriftError`, "warn" in the report and go on, or
        "restart" while nothing was delivered. `resume` is the checkpoint of an earlier walk of the same query.
        `deadline` (seconds) is one clock over the whole walk, from its first request on.
        """
        query = endpoints.image_predictions(eval_id, split=split, confidence=confidence)
        plan = plan_walk(query, page_size=page_size, start=start, max_items=max_items, on_drift=on_drift, resume=resume)
        if deadline is not None:
            seconds(deadline, "deadline")
        return Walk(query, plan, self.send, self.fetch, self._session.on_event, deadline)

    async def wait_done(self, eval_id: str, *, timeout: float | None = None) -> ModelEval:
        """Wait until an evaluation is done, and return it. First polls are a second apart, later ones half a minute.

        Raises `EvalFailedError` as soon as it has failed, `DeadlineExceededError` after `timeout` seconds (None: waits
        as long as it takes). With a timeout, polls that fail for now (see "Retries" in the README) are polls in vain.
        An evaluation that is done is returned even if a panel is missing: that panel then raises
        `EvalNotDoneError`, and no waiting would bring it.
        """
        patience = float("inf") if timeout is None else seconds(timeout, "timeout")
        with anyio.CancelScope(deadline=anyio.current_time() + patience):
            return await many.wait_done(self, eval_id, self._session.on_event, patient=timeout is not None)
        raise DeadlineExceededError(f"evaluation {eval_id!r} was not done within {timeout:g} s.")

    async def snapshot(self, eval_id: str, *, split: SplitName = "test", confidence: int | None = None) -> Snapshot:
        """Return all panels of an evaluation but the images, fetched at once; a panel that failed is in `.errors`.

        Raises only if the evaluation itself cannot be had.
        """
        return await many.snapshot(self, eval_id, split, confidence)

    def fetch_all(
        self,
        ids: Ids,
        panels: Iterable[PanelName] = PANELS,
        *,
        split: SplitName = "test",
        confidence: int | None = None,
        max_evals: int = 4,
    ) -> FanOut[Result]:
        """Fetch panels of many evaluations: `async with client.fetch_all(ids) as results: async for r in results: …`.

        Each result has `eval_id`, `panel`, and `value` or `error`: one failure never takes the others along. `ids` is
        any iterable or async iterable, taken one by one; `max_evals` evaluations are under way at a time.
        """
        return many.fetch_all(self, ids, panels, split=split, confidence=confidence, max_evals=max_evals)

    def walk_all(
        self,
        ids: Ids,
        *,
        split: SplitOrAll = "all",
        confidence: int | None = None,
        page_size: int = MAX_PAGE_SIZE,
        on_drift: OnDrift = "raise",
        max_evals: int = 4,
    ) -> FanOut[WalkedPage]:
        """Walk many evaluations side by side, a page of each in turn, so that a large one does not hold the others up.

        `async with client.walk_all(ids) as pages: async for eval_id, page in pages: …`. The pages of one evaluation
        come in order. A walk that fails gives its error in place of a page, with its checkpoint, and ends.
        """

        def walk(eval_id: str) -> Walk[ImagePrediction, ImagePredictionsPage]:
            return self.image_predictions(
                eval_id, split=split, confidence=confidence, page_size=page_size, on_drift=on_drift
            )

        return many.walk_all(ids, walk, max_evals=max_evals)
