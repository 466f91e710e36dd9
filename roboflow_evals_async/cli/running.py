"""Running a command in an event loop, until it ends or a signal ends it."""

import asyncio
import contextlib
import gc
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .exits import Stopped

T = TypeVar("T")


def program() -> str:
    """Return the word to type for this command: its path as it was typed, where the bare name would not be found."""
    return "rfevals" if shutil.which("rfevals") or not sys.argv[0].endswith("rfevals") else sys.argv[0]


def run_until_signalled(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine; SIGINT and SIGTERM cancel it once, so that it ends in order, and end the program the next time.

    Raises `Stopped` if a signal ended it.
    """
    gc.enable()  # off while the command line was read
    received: list[int] = []

    async def supervised() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(signum: int) -> None:
            received.append(signum)
            for handled in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(handled)
            if task is not None:
                task.cancel()

        for signum in (signal.SIGINT, signal.SIGTERM):
            # Windows has no such handlers, and threads may not set any: there Python's own KeyboardInterrupt serves.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(signum, stop, signum)
        return await call()

    try:
        return asyncio.run(supervised())
    except asyncio.CancelledError:
        if not received:
            raise
        raise Stopped(received[0]) from None
