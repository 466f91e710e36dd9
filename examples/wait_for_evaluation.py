"""Waiting for an evaluation, then reading everything about it in one go.

python examples/wait_for_evaluation.py    on the embedded stand-in server
"""

import asyncio

from roboflow_evals_async import DeadlineExceededError, EvalsClient
from roboflow_evals_async.core.events import Event, Polled
from roboflow_evals_async.testing import StandIn

# So long is a nightly job willing to wait; the demonstration has less patience.
PATIENCE_SECONDS = 0.2


def show(event: Event) -> None:
    """Print each poll."""
    if isinstance(event, Polled):
        print(f"{event.eval_id} is {event.status}")


async def main() -> None:
    """Wait for a running evaluation in vain, then for one that is done."""
    async with (
        StandIn() as server,
        EvalsClient(api_key=server.api_key, workspace=server.workspace, base_url=server.url, on_event=show) as client,
    ):
        running = await client.evals(status="running")
        try:
            await client.wait_done(running[0].eval_id, timeout=PATIENCE_SECONDS)
        except DeadlineExceededError as error:
            print(error)
        done = await client.evals(status="done")
        ev = await client.wait_done(done[0].eval_id)
        snapshot = await client.snapshot(ev.eval_id)
        print(f"mAP {ev.summary.map50:.1%}" if ev.summary and ev.summary.map50 is not None else "no mAP")
        print(
            f"{len(snapshot.errors)} panels missing, {snapshot.vector_analysis.clustering.n_clusters} clusters"
            if snapshot.vector_analysis
            else "no vector analysis"
        )


if __name__ == "__main__":
    asyncio.run(main())
