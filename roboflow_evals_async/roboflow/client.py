"""EvalsClient: one method an endpoint."""

from collections.abc import Sequence
from typing import TypeVar

import aiohttp

from ..core.client import Client
from ..core.events import Listener
from ..core.gate import Gate
from ..core.key import KeyProvider
from ..core.options import DEFAULT_MAX_BODY, DEFAULT_TIMEOUT, Options
from ..core.request import Request, segment
from ..core.session import Session
from ..paging.checkpoint import Checkpoint
from ..paging.cursor import OnDrift, plan_walk
from ..paging.walk import Walk
from . import endpoints
from .config import resolve
from .endpoints import MAX_PAGE_SIZE, SplitName, SplitOrAll
from .listing import EvalListing, Filters, list_evals
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
        self._workspace = config.workspace
        self._path = f"/{segment(config.workspace, 'workspace')}" if config.workspace is not None else None
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
        if self._workspace is None:
            info = await self._session.send(endpoints.key_info(), self._options)
            self._path = f"/{segment(info.workspace, 'workspace')}"
            self._workspace = info.workspace
        return self._workspace

    async def _placed(self, request: Request[T]) -> Request[T]:
        if self._path is None:
            await self.workspace()
        return request.within(self._path or "")

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

    async def compare(self, *, project: str, version: int, frontier_metric: str | None = None) -> Comparison:
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
    ) -> Walk[ImagePrediction, ImagePredictionsPage]:
        """Return a walk over the images of an evaluation; nothing is sent before it is awaited or iterated.

        `page_size` is in rows, 1000 by default and at most: the server reads one large file for every page. `start` is
        the first row, `max_items` how many rows at most; it never shrinks a page. `on_drift` says what happens when the
        server's rows change under the walk: "raise" `PaginationDriftError`, "warn" in the report and go on, or
        "restart" while nothing was delivered. `resume` is the checkpoint of an earlier walk of the same query.
        """
        query = endpoints.image_predictions(eval_id, split=split, confidence=confidence)
        plan = plan_walk(query, page_size=page_size, start=start, max_items=max_items, on_drift=on_drift, resume=resume)
        return Walk(query, plan, self.send, self._session.on_event)
