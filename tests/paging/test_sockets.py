"""The same over real sockets: the client's walk against the stand-in, whole and with faults."""

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from roboflow_evals_async import (
    ConnectionFailedError,
    DecodeError,
    EvalNotDoneError,
    EvalsClient,
    InvalidArgumentError,
    PaginationDriftError,
    ServerError,
    TruncatedBodyError,
)
from roboflow_evals_async.roboflow.payloads import ImagePrediction
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

IMAGES = {"train": 61, "valid": 13, "test": 26}
WORLD = World(evaluations=[EvaluationSpec(images=IMAGES), EvaluationSpec(status="running")])
EVAL_ID, RUNNING = WORLD.eval_ids
PAGES = "/image-predictions"


@pytest.fixture
def served() -> Iterator[StandIn]:
    with StandIn(WORLD).in_thread() as stand_in:
        yield stand_in


def client_of(stand_in: StandIn, **options: Any) -> EvalsClient:
    """A client that makes one try, so that no test waits."""
    options = {"max_attempts": 1, **options}
    return EvalsClient(api_key=stand_in.api_key, workspace=stand_in.workspace, base_url=stand_in.url, **options)


def offsets(stand_in: StandIn) -> list[int]:
    """The offsets asked for so far."""
    return [int(request.query["offset"]) for request in stand_in.requests]


def names(rows: list[ImagePrediction]) -> list[str | None]:
    """What rows are told apart by."""
    return [row.image_name for row in rows]


async def whole(stand_in: StandIn) -> list[str | None]:
    """All rows, read without a walk: one raw page."""
    async with client_of(stand_in) as client:
        page = await client.image_predictions(EVAL_ID)
    stand_in.requests.clear()
    assert len(page.items) == page.total == sum(IMAGES.values())
    return names(list(page.items))


@pytest.mark.parametrize("page_size", [1, 7, 50, 99, 100, 101, 1000])
async def test_every_page_size_gives_the_same_rows(served: StandIn, page_size: int) -> None:
    expected = await whole(served)
    async with client_of(served) as client:
        assert names(await client.image_predictions(EVAL_ID, page_size=page_size).collect()) == expected
    assert offsets(served) == list(range(0, 100, page_size))
    assert {request.query["limit"] for request in served.requests} == {str(page_size)}


async def test_splits_add_up_to_all(served: StandIn) -> None:
    expected = await whole(served)
    async with client_of(served) as client:
        rows = []
        for split in ("train", "valid", "test"):
            walk = client.image_predictions(EVAL_ID, split=split, page_size=10)
            part = await walk.collect()
            assert len(part) == await walk.total() == IMAGES[split]
            rows += part
    assert names(rows) == expected


async def test_a_walk_resumed_with_another_page_size_in_another_client(served: StandIn) -> None:
    expected = await whole(served)
    got: list[str | None] = []
    resume = None
    for page_size, count in ((10, 3), (33, 40), (1, 2), (1000, 100)):
        async with client_of(served) as client:
            rows = aiter(client.image_predictions(EVAL_ID, page_size=page_size, resume=resume))
            got += [row.image_name for _ in range(count) if (row := await anext(rows, None)) is not None]
            resume = str(rows.checkpoint)
    assert got == expected
    assert rows.report.complete


async def test_a_checkpoint_holds_for_its_evaluation_split_and_confidence_only(served: StandIn) -> None:
    async with client_of(served) as client:
        checkpoint = client.image_predictions(EVAL_ID, split="test", confidence=50).pages().checkpoint
        for eval_id, split, confidence in ((EVAL_ID, "all", 50), (EVAL_ID, "test", 20), (RUNNING, "test", 50)):
            with pytest.raises(InvalidArgumentError, match="another query"):
                client.image_predictions(eval_id, split=split, confidence=confidence, resume=checkpoint)
        assert client.image_predictions(EVAL_ID, split="test", confidence=50, resume=str(checkpoint))


FAULTS = {
    "a cut body": ([Fault.cut(2000)], TruncatedBodyError),
    "a 503": ([Fault.server_error(503)], ServerError),
    # aiohttp itself asks once more when a kept connection turns out to be gone.
    "a reset connection": ([Fault.connection_reset()] * 2, ConnectionFailedError),
    "a login page": ([Fault.not_json()], DecodeError),
    "another total": ([Fault.changed_total(101)], PaginationDriftError),
}


@pytest.mark.parametrize(("faults", "error"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("by_rows", [True, False])
async def test_a_fault_in_the_middle_is_raised_and_the_iterator_goes_on(
    served: StandIn, faults: list[Fault], error: type[Exception], by_rows: bool
) -> None:
    expected = await whole(served)
    served.faults.script(PAGES, None, None, *faults)
    got: list[ImagePrediction] = []
    caught: list[Any] = []
    async with client_of(served) as client:
        walk = client.image_predictions(EVAL_ID, page_size=20)
        iterator: Any = aiter(walk) if by_rows else walk.pages()
        while not iterator.report.complete:
            try:
                item = await anext(iterator)
            except error as raised:
                caught.append(raised)
                continue
            got.extend([item] if by_rows else item.items)
    assert names(got) == expected
    assert [raised.checkpoint.offset for raised in caught] == [40]
    assert offsets(served) == [0, 20, *[40] * len(faults), 40, 60, 80]


async def test_a_fault_that_another_try_heals_is_not_seen(served: StandIn) -> None:
    expected = await whole(served)
    healed = [Fault.server_error(503, retry_after=0), Fault.rate_limited(0)]
    served.faults.script(PAGES, None, *healed, None)
    async with client_of(served, max_attempts=3) as client:
        with anyio.fail_after(20):
            rows = await client.image_predictions(EVAL_ID, page_size=50).collect()
    assert names(rows) == expected
    assert offsets(served) == [0, 50, 50, 50]


def repeated(body: bytes) -> bytes:
    """The page with its first row in place of its second."""
    page = json.loads(body)
    page["images"][1] = page["images"][0]
    return json.dumps(page).encode()


async def test_with_warn_the_report_has_what_drifted(served: StandIn) -> None:
    served.faults.script(PAGES, None, Fault.rewritten(repeated))
    async with client_of(served) as client:
        pages = client.image_predictions(EVAL_ID, page_size=20, on_drift="warn").pages()
        rows = [row async for page in pages for row in page.items]
    assert len(rows) == 100
    assert [str(drift) for drift in pages.report.drift] == ["1 rows came a second time on the page from row 20"]


async def test_with_restart_collect_outlives_a_re_run(served: StandIn) -> None:
    expected = await whole(served)
    served.faults.script(PAGES, None, None, Fault.changed_total(90))
    async with client_of(served) as client:
        rows = await client.image_predictions(EVAL_ID, page_size=20, on_drift="restart").collect()
    assert names(rows) == expected
    assert offsets(served) == [0, 20, 40, 0, 20, 40, 60, 80]


async def test_a_server_that_clamps_the_page_is_walked_by_its_own_step(served: StandIn) -> None:
    expected = await whole(served)

    def clamped(body: bytes) -> bytes:
        page = json.loads(body)
        page["limit"] = min(page["limit"], 30)
        page["images"] = page["images"][:30]
        return json.dumps(page).encode()

    served.faults.always(PAGES, Fault.rewritten(clamped))
    async with client_of(served) as client:
        assert names(await client.image_predictions(EVAL_ID).collect()) == expected
    assert offsets(served) == [0, 30, 60, 90]


async def test_an_evaluation_that_is_not_done_says_so_with_a_checkpoint(served: StandIn) -> None:
    async with client_of(served) as client:
        with pytest.raises(EvalNotDoneError) as caught:
            await anext(aiter(client.image_predictions(RUNNING)))
    assert caught.value.checkpoint.offset == 0
