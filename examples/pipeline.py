"""An asyncio pipeline fed by a walk, with back-pressure: a slow consumer holds the reading back.

The images of an evaluation are read ahead, screened, and handed to a worker through a bounded queue. When the worker is
slow the queue fills, the reader waits, and no further page is fetched.

    python examples/pipeline.py            on the embedded stand-in server
"""

import asyncio

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.roboflow.payloads import ImagePrediction
from roboflow_evals_async.testing import StandIn

# More would only be memory: the worker takes one at a time, and the read-ahead has pages in hand.
QUEUE_SIZE = 100


async def read(client: EvalsClient, eval_id: str, queue: asyncio.Queue[ImagePrediction | None]) -> None:
    """Put the images with missed objects on the queue, then None for the end."""
    async with client.image_predictions(eval_id).prefetch(pages=4) as images:
        async for image in images:
            if image.stats.false_negatives:
                await queue.put(image)
    await queue.put(None)


async def review(queue: asyncio.Queue[ImagePrediction | None]) -> tuple[int, int]:
    """Take images until the end; return how many, and how many objects they miss."""
    images = missed = 0
    while (image := await queue.get()) is not None:
        images += 1
        missed += image.stats.false_negatives or 0
        await asyncio.sleep(0)  # a real worker would fetch the image, or file it for labelling
    return images, missed


async def main() -> None:
    """Run the pipeline over the first evaluation that is done."""
    async with (
        StandIn() as server,
        EvalsClient(api_key=server.api_key, workspace=server.workspace, base_url=server.url) as client,
    ):
        done = await client.evals(status="done")
        queue: asyncio.Queue[ImagePrediction | None] = asyncio.Queue(QUEUE_SIZE)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read(client, done[0].eval_id, queue))
            counted = tasks.create_task(review(queue))
    images, missed = counted.result()
    print(f"{images} images miss {missed} objects")


if __name__ == "__main__":
    asyncio.run(main())
