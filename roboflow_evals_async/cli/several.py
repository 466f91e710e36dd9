"""A panel of several evaluations: asked for side by side, printed in the order in which they were named."""

import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import anyio

from ..core.errors import AuthenticationError, EvalsError, InvalidArgumentError
from .arguments import STDIN
from .context import Context
from .exits import Exit, conclude
from .grid import Part
from .limits import whole
from .output import Output
from .raw import compact
from .reading import PANELS, decoded, show_panel

T = TypeVar("T")

# One line of JSON, or what is drawn.
Result = bytes | list[Part] | EvalsError

# Any id will do to see whether the other arguments are good.
_SOME_ID = "x"

# What a pipe holds on most systems: larger pieces never come.
_PIECE = 64 * 1024


class Printer:
    """Prints the panel of one evaluation after the other, and knows how it ended."""

    def __init__(self, output: Output, name: str) -> None:
        self._output = output
        self._name = name
        self._shown = 0
        self._failed: set[Exit] = set()

    def __call__(self, eval_id: str, result: Result) -> None:
        """Print a result, or what is wrong with it."""
        output = self._output
        if isinstance(result, EvalsError):
            self._failed.add(conclude(result, output, eval_id=eval_id))
            return
        if isinstance(result, bytes):
            output.bytes(result + b"\n")
        else:
            if self._shown:
                output.line("")
            if self._name != "get":  # which tells the id itself
                output.heading(f"Evaluation {eval_id}")
            output.show(result)
        output.flush()  # ids may come slowly
        self._shown += 1

    def code(self) -> Exit:
        """Return the exit code: that of the failures where all failed alike."""
        if not self._shown and not self._failed:
            self._output.note("There was no id on stdin.")
        if not self._shown and len(self._failed) == 1:
            return next(iter(self._failed))
        return Exit.SOME_FAILED if self._failed else Exit.DONE


async def show_panels(context: Context, name: str, eval_ids: Sequence[str], **arguments: Any) -> int:
    """Print a panel of each evaluation; return the exit code."""
    if len(eval_ids) == 1 and eval_ids[0] != STDIN:
        await show_panel(context, name, eval_ids[0], **arguments)
        return Exit.DONE
    make, parts = PANELS[name]
    if "confidence" in arguments:
        arguments["confidence"] = whole(arguments["confidence"], "confidence")
    make(_SOME_ID, **arguments)  # what is wrong for all is said once
    printer = Printer(context.output, name)
    async with context.client() as client:

        async def bring(eval_id: str) -> Result:
            try:
                request = make(eval_id, **arguments)
                body = await client.send_raw(request)
                return compact(body) if context.output.json else parts(decoded(request, body))
            except AuthenticationError:
                raise  # a key that is refused once is refused for all
            except EvalsError as error:
                return error

        await in_order(each(eval_ids), bring, printer, at_once=context.limits.gate.slots)
    return printer.code()


async def in_order(
    ids: AsyncGenerator[str, None],
    work: Callable[[str], Awaitable[T]],
    show: Callable[[str, T], None],
    *,
    at_once: int,
) -> None:
    """Work on so many ids at a time, and show each result when those before it are shown.

    An id is taken only when there is room for it: a result that waits for its turn takes room too, so that neither
    ids nor results pile up. The first error of any part ends the others, and is raised as it is.
    """
    room, failures = anyio.Semaphore(at_once), list[Exception]()

    async def one(eval_id: str, turn: anyio.Event, following: anyio.Event) -> None:
        result = await work(eval_id)
        await turn.wait()
        show(eval_id, result)
        following.set()
        room.release()

    async def all_of_them() -> None:
        turn = anyio.Event()
        turn.set()
        async with aclosing(ids):
            await room.acquire()
            async for eval_id in ids:
                following = anyio.Event()
                group.start_soon(guarded, one, eval_id, turn, following)
                turn = following
                await room.acquire()

    async def guarded(part: Callable[..., Awaitable[None]], *given: Any) -> None:
        try:
            await part(*given)
        except Exception as error:  # noqa: BLE001  (raised below)
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(guarded, all_of_them)
    if failures:
        raise failures[0]


async def each(words: Sequence[str]) -> AsyncGenerator[str, None]:
    """Yield the ids that were named, and those of stdin where it was named, as they come."""
    for word in words:
        if word == STDIN:
            async for eval_id in _typed():
                yield eval_id
        else:
            yield word


async def _typed() -> AsyncIterator[str]:
    """Read the ids on stdin, with white space between. A thread would hold up the end of the program."""
    if sys.stdin is None:
        raise InvalidArgumentError("stdin is closed.", field="eval_id", hint="Pipe ids to it, or name them.")
    try:
        descriptor = sys.stdin.fileno()
    except OSError:  # it has no file
        for eval_id in sys.stdin.read().split():
            yield eval_id
        return
    rest = b""
    while True:
        with suppress(OSError, NotImplementedError):  # it is a file on a disk, which never makes one wait
            await anyio.wait_readable(descriptor)
        piece = os.read(descriptor, _PIECE)
        # The last word of a piece may go on in the next one.
        *words, rest = re.split(rb"\s", rest + piece)
        for word in filter(None, words):
            yield word.decode(errors="replace")
        if not piece:
            break
    if rest:
        yield rest.decode(errors="replace")
