"""Many evaluations at once: the weakest class of each, without one failure stopping the others.

python examples/many_evaluations.py    on the embedded stand-in server
"""

import asyncio

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.roboflow.payloads import PerformanceByClass
from roboflow_evals_async.testing import StandIn


async def main() -> None:
    """Print a line for each evaluation, running and failed ones included."""
    async with (
        StandIn() as server,
        EvalsClient(api_key=server.api_key, workspace=server.workspace, base_url=server.url) as client,
    ):
        ids = [ev.eval_id for ev in await client.evals()]
        async with client.fetch_all(ids, ["performance_by_class"], max_evals=8) as results:
            async for result in results:
                if isinstance(result.value, PerformanceByClass):
                    # A class without instances in the split has no recall worth comparing.
                    scored = [c for c in result.value.classes if c.f1]
                    weakest = min(scored, key=lambda c: c.f1 or 0.0)
                    print(f"{result.eval_id}  weakest class {weakest.class_name!r}: F1 {weakest.f1:.1%}")
                else:
                    print(f"{result.eval_id}  {result.error}")


if __name__ == "__main__":
    asyncio.run(main())
