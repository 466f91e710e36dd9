"""A 200 that holds something else than was asked for is an error, never an empty or a foreign panel."""

from typing import Any

import pytest

from roboflow_evals_async import DecodeError, EvalsClient

from .server import answering, document

ID = "huUF720inUcymARwqAGK"

CALLS: dict[str, Any] = {
    "eval": lambda c: c.eval(ID),
    "evals": lambda c: c.evals(),
    "map_results": lambda c: c.map_results(ID),
    "confidence_sweep": lambda c: c.confidence_sweep(ID),
    "performance_by_class": lambda c: c.performance_by_class(ID),
    "confusion_matrix": lambda c: c.confusion_matrix(ID),
    "vector_analysis": lambda c: c.vector_analysis(ID),
    "recommendations": lambda c: c.recommendations(ID),
    "compare": lambda c: c.compare(project="p", version=1),
    "image_predictions": lambda c: c.image_predictions(ID).collect(),
}


@pytest.mark.parametrize("body", [{}, {"error": "internal"}, {"error": {"message": "m"}}, {"message": "maintenance"}])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_200_without_its_content_is_no_empty_panel(call: Any, body: Any) -> None:
    async with answering(body, echo=False) as (client, _):
        with pytest.raises(DecodeError, match="missing required field"):
            await call(client)


@pytest.mark.parametrize("call", [CALLS["eval"], CALLS["map_results"]], ids=["eval", "map_results"])
async def test_another_evaluation_is_refused(call: Any) -> None:
    body = {**document("seed_get_done"), "evalId": "another", "splits": {}}
    async with answering(body, echo=False) as (client, _):
        with pytest.raises(DecodeError, match="eval_id 'another', not 'huUF"):
            await call(client)


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda c: c.performance_by_class(ID, split="valid"), document("seed_performance_by_class")),
        (lambda c: c.confusion_matrix(ID, split="all"), document("confusion_matrix")),
        (lambda c: c.image_predictions(ID, split="valid").collect(), document("seed_image_predictions")),
    ],
    ids=["performance_by_class", "confusion_matrix", "image_predictions"],
)
async def test_another_split_is_refused(call: Any, body: Any) -> None:
    async with answering(body, echo=False) as (client, _):
        with pytest.raises(DecodeError, match="split 'test', not '"):
            await call(client)


async def test_half_a_character_becomes_a_question_mark() -> None:
    body = b'{"evalId": "%s", "project": "cut\\ud83d"}' % ID.encode()
    async with answering(body) as (client, _):
        assert (await client.eval(ID)).project == "cut?"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
async def test_a_number_beyond_any_float_is_none(number: str) -> None:
    body = f'{{"evalId": "{ID}", "summary": {{"mAP": {number}}}}}'.encode()
    async with answering(body) as (client, _):
        found = await client.eval(ID)
    assert found.summary is not None
    assert found.summary.map50 is None


async def test_a_base_url_that_is_no_text_is_refused() -> None:
    with pytest.raises(Exception, match="base URL"):
        EvalsClient(api_key="k", workspace="w", base_url=5)  # type: ignore[arg-type]


async def test_rows_without_a_name_cannot_repeat() -> None:
    rows = [{"imageId": None, "split": "test"}] * 3
    body = {"split": "test", "totalImages": 3, "offset": 0, "limit": 1000, "images": rows}
    async with answering(body) as (client, _):
        assert len(await client.image_predictions(ID, split="test").collect()) == 3
