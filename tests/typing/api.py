"""What type checkers must say about the public interface. Not run: mypy reads it (see test_types.py)."""

from typing import Any, assert_type

from roboflow_evals_async import (
    AccessDeniedError,
    APIError,
    AuthenticationError,
    Checkpoint,
    ConfigError,
    DeadlineExceededError,
    DecodeError,
    EvalNotDoneError,
    EvalsClient,
    EvalsError,
    InvalidArgumentError,
    NotFoundError,
    Page,
    PaginationDriftError,
    RateLimitedError,
    ReportNotFoundError,
    ServerError,
    TransportError,
    Walk,
    WalkReport,
)
from roboflow_evals_async.core.request import Request
from roboflow_evals_async.roboflow import endpoints
from roboflow_evals_async.roboflow.listing import EvalListing
from roboflow_evals_async.roboflow.payloads import (
    Cell,
    Cluster,
    Comparison,
    ConfidenceSweep,
    ConfusionMatrix,
    ImagePrediction,
    ImagePredictionsPage,
    MapResults,
    MapScores,
    ModelEval,
    PerformanceByClass,
    Point,
    Recommendations,
    Split,
    Summary,
    SweepPoint,
    VectorAnalysis,
)


async def endpoints_give_their_structs(client: EvalsClient) -> None:
    assert_type(await client.evals(status="done"), EvalListing)
    assert_type(await client.eval("x"), ModelEval)
    assert_type(await client.map_results("x"), MapResults)
    assert_type(await client.confidence_sweep("x"), ConfidenceSweep)
    assert_type(await client.performance_by_class("x", split="valid"), PerformanceByClass)
    assert_type(await client.confusion_matrix("x", split="all", confidence=20), ConfusionMatrix)
    assert_type(await client.vector_analysis("x", confidence=None), VectorAnalysis)
    assert_type(await client.recommendations("x"), Recommendations)
    assert_type(await client.compare(project="p", version=1), Comparison)
    assert_type(await client.workspace(), str)


async def a_walk_gives_rows_pages_and_lists(client: EvalsClient) -> None:
    walk = client.image_predictions("x", split="all", max_items=10, on_drift="warn", resume="rfe1.x")
    assert_type(walk, Walk[ImagePrediction, ImagePredictionsPage])
    async for image in walk:
        assert_type(image, ImagePrediction)
        assert_type(image.split, Split | None)
        assert_type(image.cluster, Cluster | None)
        assert_type(image.confusion, tuple[Cell, ...])
        if image.cluster is not None:
            assert_type(image.cluster.embedding, Point | None)
    async for page in walk.pages():
        assert_type(page, Page[ImagePrediction, ImagePredictionsPage])
        assert_type(page.items, tuple[ImagePrediction, ...])
        assert_type(page.total, int | None)
        assert_type(page.reply.confidence_threshold, float | None)
    assert_type(await walk, Page[ImagePrediction, ImagePredictionsPage])
    assert_type(await walk.collect(), list[ImagePrediction])
    assert_type(await walk.total(), int | None)
    rows = aiter(walk)
    assert_type(rows.checkpoint, Checkpoint)
    assert_type(rows.report, WalkReport)
    assert_type(str(rows.checkpoint), str)
    assert_type(Checkpoint.decode("rfe1.x"), Checkpoint)
    assert_type(rows.report.complete, bool)


async def clients_and_views(client: EvalsClient) -> None:
    assert_type(client.with_options(timeout=5, max_attempts=1), EvalsClient)
    async with EvalsClient(api_key="k", workspace="w") as entered:
        assert_type(entered, EvalsClient)
    assert_type(endpoints.map_results("x"), Request[MapResults])
    assert_type(await client.send(endpoints.map_results("x")), MapResults)
    assert_type(await client.send_raw(endpoints.map_results("x")), bytes)

    async def rotating() -> str:
        return "k"

    EvalsClient(api_key=rotating)


def payloads(
    listing: EvalListing, ev: ModelEval, found: MapResults, matrix: ConfusionMatrix, sweep: ConfidenceSweep
) -> None:
    assert_type(listing[0], ModelEval)
    assert_type(listing[:2], tuple[ModelEval, ...])
    assert_type(len(listing), int)
    assert_type([each.eval_id for each in listing], list[str])
    assert_type(listing.complete, bool)
    assert_type(ev.project, str | None)
    assert_type(ev.summary, Summary | None)
    assert_type(found.splits["test"].by_object_size, dict[str, MapScores | None])
    assert_type(found.splits["test"].map50, float | None)
    assert_type(matrix.matrix, tuple[tuple[int, ...], ...])
    assert_type(matrix.background, int | None)
    assert_type(sweep.splits["test"].points, tuple[SweepPoint, ...])


def errors(error: EvalsError) -> None:
    assert_type(error.attempts, int)
    assert_type(error.hint, str)
    if isinstance(error, APIError):
        assert_type(error.status, int)
        assert_type(error.code, str | None)
        assert_type(error.request_id, str | None)
        assert_type(error.url, str)
        assert_type(error.message, str)
    if isinstance(error, RateLimitedError | ServerError):
        assert_type(error.retry_after, float | None)
    if isinstance(error, InvalidArgumentError):
        assert_type(error.field, str)
    if isinstance(error, DecodeError):
        assert_type(error.path, str | None)
        assert_type(error.offset, int | None)
    if isinstance(error, DeadlineExceededError):
        assert_type(error.wait, float | None)
    for kind in (AuthenticationError, AccessDeniedError, NotFoundError, ReportNotFoundError, EvalNotDoneError):
        parent: type[APIError] = kind
        assert issubclass(parent, APIError)
    for other in (ConfigError, PaginationDriftError, TransportError):
        root: type[EvalsError] = other
        assert issubclass(root, EvalsError)


async def wrong_uses(client: EvalsClient, ev: ModelEval, walk: Walk[ImagePrediction, ImagePredictionsPage]) -> None:
    await client.performance_by_class("x", split="all")  # type: ignore[arg-type]
    await client.confusion_matrix("x", split="val")  # type: ignore[arg-type]
    await client.confusion_matrix("x", confidence="20")  # type: ignore[arg-type]
    await client.confusion_matrix("x", confidence=20.5)  # type: ignore[arg-type]
    await client.confusion_matrix("x", "test")  # type: ignore[call-arg]
    await client.eval(17)  # type: ignore[arg-type]
    await client.eval()  # type: ignore[call-arg]
    await client.evals("p")  # type: ignore[call-arg]
    client.image_predictions("x", limit=5)  # type: ignore[call-arg]
    client.image_predictions("x", page_size=None)  # type: ignore[arg-type]
    client.image_predictions("x", on_drift="ignore")  # type: ignore[arg-type]
    EvalsClient("key")  # type: ignore[call-arg]
    EvalsClient(api_key=lambda: 5)  # type: ignore[arg-type,return-value]
    client.with_options(retries=3)  # type: ignore[call-arg]
    ev.status = "done"  # type: ignore[misc]
    assert ev.summary.precision  # type: ignore[union-attr]
    _: list[Any] = walk.collect()  # type: ignore[assignment]
    async for page in walk:
        assert page.items  # type: ignore[attr-defined]
    async with walk:  # type: ignore[attr-defined]
        pass
