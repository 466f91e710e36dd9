"""The stand-in as a process: `python -m benchmarks.server '{"test": 100000}' EVALUATIONS LATENCY`."""

import asyncio
import json
import sys

from benchmarks.harness import pin
from roboflow_evals_async.testing import EvaluationSpec, StandIn, World


async def main() -> None:
    """Serve until the process is ended."""
    pin(-1)
    images, count, latency = json.loads(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    world = World(evaluations=[EvaluationSpec(images=images)] * count)
    async with StandIn(world, latency=latency) as s:
        names = ("url", "api_key", "workspace", "rivergen_token")
        print(json.dumps({name: getattr(s, name) for name in names}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
