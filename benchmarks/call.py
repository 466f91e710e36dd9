"""A small call on the happy path, over bare aiohttp."""

import aiohttp

from benchmarks.harness import Figure, cpu_of, in_turn, pin, stand_in
from roboflow_evals_async import EvalsClient

# Enough calls that the clock's own resolution is far below one of them.
CALLS = 200


async def run() -> list[Figure]:
    """CPU of `client.eval(id)`, less that of the same request by aiohttp alone."""
    pin(0)
    with stand_in({"test": 10}) as server:
        async with (
            EvalsClient(api_key=server.api_key, workspace=server.workspace, base_url=server.url) as client,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {server.api_key}"}) as http,
        ):
            (ev,) = await client.evals()
            url = f"{server.url}/{server.workspace}/model-evals/{ev.eval_id}/performance-by-class?split=test"

            async def bare() -> None:
                for _ in range(CALLS):
                    async with http.get(url) as response:
                        await response.read()

            async def ours() -> None:
                for _ in range(CALLS):
                    await client.performance_by_class(ev.eval_id)

            took = await in_turn({"bare": bare, "ours": ours}, cpu_of)
    extra = [1e6 * (a - b) / CALLS for a, b in zip(took["ours"], took["bare"], strict=True)]
    return [
        Figure.of("call: bare aiohttp", [1e6 * seconds / CALLS for seconds in took["bare"]], "us CPU/call"),
        Figure.of("G10 call: ours over bare aiohttp", extra, "us CPU/call", most=40),
    ]
