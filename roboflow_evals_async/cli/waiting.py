"""`wait`: until an evaluation is done, with a word on each poll."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from ..core.events import Event, Listener, Polled
from ..roboflow import endpoints
from . import panels
from .context import Context
from .output import Output, clean


async def wait_until_done(context: Context, eval_id: str) -> None:
    """Wait, at most for the deadline, and show the evaluation as `get` does."""
    request, output = endpoints.eval_(eval_id), context.output
    with _told(output) as say:
        async with context.client(_both(say, context.listener)) as client:
            # The deadline is that of the whole wait; each poll may take what is left of it.
            waiting = client.with_options(deadline=None)
            found = await waiting.wait_done(eval_id, timeout=context.limits.options.deadline)
            # The waiting reads values; what the server sends is asked for where it is printed.
            body = await client.send_raw(request) if output.json else b""
    if output.json:
        output.document(body)
    else:
        output.show(panels.evaluation(found))


def _both(say: Callable[[Polled], None] | None, listener: Listener | None) -> Listener | None:
    if say is None:
        return listener

    def tell(event: Event) -> None:
        if isinstance(event, Polled):
            say(event)
        if listener is not None:
            listener(event)

    return tell


@contextmanager
def _told(output: Output) -> Generator[Callable[[Polled], None] | None]:
    """Give what tells of a poll on stderr: a line each with -v, a line that changes on a terminal, else nothing."""
    if output.verbose:
        yield lambda poll: output.note(f"Evaluation {poll.eval_id} is {poll.status} after {poll.seconds:.0f} s.")
        return
    if not output.shows_progress:
        yield None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(
        *columns, console=output.stderr, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task("Asking")
        yield lambda poll: progress.update(task, description=clean(f"Evaluation {poll.eval_id} is {poll.status}"))
