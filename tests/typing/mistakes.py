"""Two mistakes that mypy must find, or the check of `api.py` is blind."""

from typing import assert_type

from roboflow_evals_async import EvalsClient


async def wrong(client: EvalsClient) -> None:
    assert_type(await client.workspace(), bytes)
    await client.eval("x")  # type: ignore[arg-type]
