"""Runs exports in forked children that can be killed; imports the library once, so that a child costs milliseconds.

Reads one JSON object a line: {"url", "key", "workspace", "ids", "out", "rows_per_part", "die_at"}. Prints the child's
pid, and when it has ended, its status as `waitpid` gives it. `die_at` n kills the child by its own hand in place of its
nth call to the disk.
"""

import asyncio
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.export import disk, export, plan
from roboflow_evals_async.export import run as run  # imported before the fork


async def work(job: dict[str, Any]) -> bool:
    async with EvalsClient(api_key=job["key"], workspace=job["workspace"], base_url=job["url"]) as client:
        return (await export(client, job["ids"], job["out"])).complete


def mortal(die_at: int) -> None:
    left = die_at

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    class Mortal(io.FileIO):
        def write(self, data: Any, /) -> int:
            count()
            return super().write(data)

    replace, unlink = Path.replace, Path.unlink

    def counted_fsync(_: int) -> None:
        count()

    def counted_replace(self: Path, target: Path) -> Path:
        count()
        return replace(self, target)

    def counted_unlink(self: Path, missing_ok: bool = False) -> None:
        count()
        unlink(self, missing_ok)

    disk.FileIO = Mortal  # type: ignore[misc]
    os.fsync = counted_fsync
    Path.replace = counted_replace  # type: ignore[method-assign,assignment]
    Path.unlink = counted_unlink  # type: ignore[method-assign]


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            plan.ROWS_PER_PART = job["rows_per_part"]
            os.fsync = lambda _: None  # a kill takes nothing from the system's cache: only the time would be lost
            if job["die_at"]:
                mortal(job["die_at"])
            os._exit(0 if asyncio.run(work(job)) else 1)
        tell(pid)
        tell(os.waitpid(pid, 0)[1])


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
