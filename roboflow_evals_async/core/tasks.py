"""Running calls together, with plain errors."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

T = TypeVar("T")


async def gather(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run the calls at once and return their results in order; the gate decides how many are sent at a time.

    The first error ends the others and is raised as it is, not inside an exception group.
    """
    results: dict[int, T] = {}
    failure: list[Exception] = []

    async def run(index: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await call()
        except Exception as error:  # noqa: BLE001  (it is raised below)
            failure.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index, call in enumerate(calls):
            group.start_soon(run, index, call)
    if failure:
        raise failure[0]
    return [results[index] for index in range(len(calls))]
