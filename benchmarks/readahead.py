"""Read-ahead at 50 ms a page against the ideal, against the same by hand, and the official SDK doing the same walk."""

import asyncio
import math
from collections import deque

import aiohttp
import msgspec

from benchmarks.harness import Figure, Server, in_turn, official, pin, ratios, stand_in, wall_of
from benchmarks.walk import bare_loop
from roboflow_evals_async import EvalsClient
from roboflow_evals_async.roboflow.payloads import ImagePredictionsPage

PAGES = 100
LATENCY = 0.05

# The jobs take seconds each, and their spread is small: five rounds show it.
ROUNDS = 5


async def run() -> list[Figure]:
    """Wall time of 100 pages of 1000 images, sequential and with 8 and 16 in flight."""
    pin(0)
    with stand_in({"test": PAGES * 1000}, latency=LATENCY) as server:
        async with (
            EvalsClient(
                api_key=server.api_key, workspace=server.workspace, base_url=server.url, max_concurrency=16
            ) as client,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {server.api_key}"}) as http,
        ):
            (ev,) = await client.evals()
            decoder = msgspec.json.Decoder(ImagePredictionsPage)

            async def sequential() -> None:
                async for _ in client.image_predictions(ev.eval_id).pages():
                    pass

            async def ahead(pages: int, *, adaptive: bool) -> None:
                async with client.image_predictions(ev.eval_id).prefetch(pages, adaptive=adaptive) as images:
                    async for _ in images.pages():
                        pass

            took = await in_turn(
                {
                    "bare loop": lambda: bare_loop(http, server, ev.eval_id, decoder),
                    "sequential": sequential,
                    "bare 16": lambda: bare_window(http, server, ev.eval_id, decoder, 16),
                    "8": lambda: ahead(8, adaptive=False),
                    "16": lambda: ahead(16, adaptive=False),
                    "16 adaptive": lambda: ahead(16, adaptive=True),
                },
                wall_of,
                ROUNDS,
            )
        loop, version = official(server, "pages", 1, [ev.eval_id])
        pool, _ = official(server, "pages", 16, [ev.eval_id])

    def against_ideal(name: str, in_flight: int) -> list[float]:
        return [seconds / (math.ceil(PAGES / in_flight) * LATENCY) for seconds in took[name]]

    return [
        Figure.of("sequential / ideal, 100 pages at 50 ms", against_ideal("sequential", 1), "x", most=1.07),
        Figure.of("sequential / bare loop", ratios(took["sequential"], took["bare loop"]), "x"),
        Figure.of("G6 read-ahead of 8 / ideal", against_ideal("8", 8), "x", most=1.12),
        Figure.of("G6 read-ahead of 16 / ideal", against_ideal("16", 16), "x", most=1.12),
        Figure.of("bare window of 16, total known / ideal", against_ideal("bare 16", 16), "x"),
        Figure.of("read-ahead of 16, adaptive / ideal", against_ideal("16 adaptive", 16), "x"),
        Figure.of("read-ahead of 16", took["16"], "s"),
        Figure.of(f"roboflow {version}, loop", [loop], "s"),
        Figure.of(f"roboflow {version}, 16 threads", [pool], "s"),
        Figure.of("G5 roboflow loop / read-ahead of 8", ratios([loop] * ROUNDS, took["8"]), "x", least=9),
        Figure.of("G5 roboflow loop / read-ahead of 16", ratios([loop] * ROUNDS, took["16"]), "x", least=16),
    ]


async def bare_window(
    http: aiohttp.ClientSession,
    server: Server,
    eval_id: str,
    decoder: msgspec.json.Decoder[ImagePredictionsPage],
    size: int,
) -> None:
    """Fetch all pages by hand, `size` at a time and in order, as one can who knows beforehand how many there are."""
    url = f"{server.url}/{server.workspace}/model-evals/{eval_id}/image-predictions"

    async def fetch(number: int) -> bytes:
        async with http.get(url, params={"split": "all", "limit": 1000, "offset": 1000 * number}) as response:
            return await response.read()

    ahead = deque(asyncio.create_task(fetch(number)) for number in range(size))
    for number in range(size, PAGES + size):
        body = await ahead.popleft()
        if number < PAGES:
            ahead.append(asyncio.create_task(fetch(number)))
        assert decoder.decode(body).images
