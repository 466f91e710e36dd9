"""A million rows held must cost the garbage collector nothing: none of them is tracked."""

import gc

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.testing import EvaluationSpec, StandIn, World

from .server import answering, document


async def test_no_row_of_a_collected_walk_is_tracked() -> None:
    world = World(evaluations=[EvaluationSpec(images={"train": 40, "test": 20}, odd_rows=True)])
    (eval_id,) = world.eval_ids
    async with (
        StandIn(world) as stand_in,
        EvalsClient(api_key=stand_in.api_key, workspace=stand_in.workspace, base_url=stand_in.url) as client,
    ):
        rows = await client.image_predictions(eval_id, page_size=25).collect()
    gc.collect()
    parts = [part for row in rows for part in (row, row.stats, row.cluster, row.confusion, *row.confusion)]
    parts += [row.cluster.embedding for row in rows if row.cluster is not None]
    assert len(rows) == 60
    assert len(parts) > 5 * 60
    assert not [part for part in parts if gc.is_tracked(part)]


async def test_nor_is_one_that_came_down_the_tolerant_road() -> None:
    page = {**document("seed_image_predictions"), "totalImages": 1, "versionId": 4}
    async with answering(page) as (client, _):
        (row,) = await client.image_predictions("some-id").collect()
    gc.collect()
    assert row.cluster is not None
    assert not [
        part for part in (row, row.stats, row.cluster, row.cluster.embedding, row.confusion[0]) if gc.is_tracked(part)
    ]
