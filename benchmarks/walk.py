"""The walk against the bare loop: aiohttp get, read and the same decoder, without any of our layers."""

import aiohttp
import msgspec

from benchmarks.harness import Figure, Server, cpu_of, in_turn, pin, ratios, stand_in
from roboflow_evals_async import EvalsClient
from roboflow_evals_async.roboflow.payloads import ImagePredictionsPage

PAGES = 100


async def run() -> list[Figure]:
    """CPU of a walk of 100 pages of 1000 images: by page and by row, against the bare loop."""
    pin(0)
    with stand_in({"test": PAGES * 1000}) as server:
        async with (
            EvalsClient(api_key=server.api_key, workspace=server.workspace, base_url=server.url) as client,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {server.api_key}"}) as http,
        ):
            (ev,) = await client.evals()
            decoder = msgspec.json.Decoder(ImagePredictionsPage)

            async def bare() -> None:
                await bare_loop(http, server, ev.eval_id, decoder)

            async def by_page() -> None:
                rows = 0
                async for page in client.image_predictions(ev.eval_id).pages():
                    for _ in page.items:
                        rows += 1
                assert rows == PAGES * 1000

            async def by_row() -> None:
                rows = 0
                async for _ in client.image_predictions(ev.eval_id):
                    rows += 1
                assert rows == PAGES * 1000

            took = await in_turn({"bare": bare, "page": by_page, "row": by_row}, cpu_of)
    return [
        Figure.of("walk: bare loop", [1000 * seconds / PAGES for seconds in took["bare"]], "ms CPU/page"),
        Figure.of("G1 walk by page / bare loop", ratios(took["page"], took["bare"]), "x", most=1.08),
        Figure.of("G2 walk by row / bare loop", ratios(took["row"], took["bare"]), "x", most=1.15),
    ]


async def bare_loop(
    http: aiohttp.ClientSession, server: Server, eval_id: str, decoder: msgspec.json.Decoder[ImagePredictionsPage]
) -> None:
    """Walk all pages as one would by hand."""
    url = f"{server.url}/{server.workspace}/model-evals/{eval_id}/image-predictions"
    rows = offset = 0
    total = 1
    while offset < total:
        async with http.get(url, params={"split": "all", "limit": 1000, "offset": offset}) as response:
            page = decoder.decode(await response.read())
        total = page.total_images or 0
        offset += 1000
        for _ in page.images:
            rows += 1
    assert rows == total
