"""200 evaluations with 8 requests each at 50 ms, 16 at a time, against the ideal and the official SDK."""

from benchmarks.harness import Figure, in_turn, official, pin, stand_in, wall_of
from roboflow_evals_async import EvalsClient
from roboflow_evals_async.roboflow.many import PANELS

EVALUATIONS = 200
LATENCY = 0.05
SLOTS = 16

# The job takes seconds, and its spread is small: five rounds show it.
ROUNDS = 5


async def run() -> list[Figure]:
    """Wall time of all panels and the first page of images of 200 evaluations."""
    pin(0)
    with stand_in({"test": 20}, evaluations=EVALUATIONS, latency=LATENCY) as server:
        async with EvalsClient(
            api_key=server.api_key, workspace=server.workspace, base_url=server.url, max_concurrency=SLOTS
        ) as client:
            ids = [ev.eval_id for ev in await client.evals()]

            async def panels() -> None:
                async with client.fetch_all(ids, max_evals=SLOTS) as results:
                    found = [result async for result in results]
                assert len(found) == len(ids) * len(PANELS)
                assert not any(result.error for result in found)

            took = await in_turn({"panels": panels}, wall_of, ROUNDS)
        loop, version = official(server, "panels", 1, ids)
        pool, _ = official(server, "panels", 16, ids)
    ideal = EVALUATIONS * len(PANELS) * LATENCY / SLOTS
    # The official job asks for one page of images besides the panels that ours asks for.
    share = len(PANELS) / (len(PANELS) + 1)
    return [
        Figure.of("200 evaluations / ideal, 16 slots", [s / ideal for s in took["panels"]], "x", most=1.3),
        Figure.of("200 evaluations, all panels", took["panels"], "s"),
        Figure.of(f"roboflow {version}, loop", [loop * share], "s"),
        Figure.of(f"roboflow {version}, 16 threads", [pool * share], "s"),
    ]
