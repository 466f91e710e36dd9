"""The command line: global options anywhere on it, and which word is which command."""

import errno
import sys
from functools import partial
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from ..core.version import __version__
from . import commands
from .arguments import STDIN
from .context import Context, Globals
from .output import Output, abandon_stdout, prepare_streams

app = App(
    name="rfevals",
    help="Read model evaluations: Roboflow Model Evaluations and RiverGen Performance Summary.",
    help_epilogue="Try it without a key: rfevals list --demo",
    # The rich formats would load a Markdown parser, which takes longer than everything else together.
    help_format="plaintext",
    version=__version__,
    version_flags=("--version",),
    help_flags=("--help", "-h"),
    default_parameter=Parameter(negative=(), show_default=False),
    suppress_keyboard_interrupt=False,
)
# Groups and commands stand in the order in which they are needed.
_GLOBAL = Group("Global options (before or after the command)", sort_key=len(commands.GROUPS) + 1)
app.meta.group_parameters = _GLOBAL
for flag in ("--help", "--version"):
    app[flag].group = (_GLOBAL,)

rivergen = App(name="rivergen", help="Read RiverGen Model Studio: the performance summary of a model.")
rivergen["--help"].group = (_GLOBAL,)
for name, command in commands.RIVERGEN.items():
    rivergen.command(command, name=name)

for place, (title, found) in enumerate(commands.GROUPS.items()):
    group = Group(title, sort_key=place)
    for rank, (name, command) in enumerate(found.items()):
        app.command(command, name=name, group=group, sort_key=rank)
rivergen.group = (Group("The other API", sort_key=len(commands.GROUPS)),)
app.command(rivergen)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    options: Annotated[Globals, Parameter(name="*")] = Globals(),  # noqa: B008  (it is frozen)
) -> int:
    """Run one command under the global options."""
    words = [STDIN if word == "-" else word for word in tokens]
    command, bound, wants = app.parse_args(words, exit_on_error=False, print_error=False)
    if "context" not in wants:
        command(*bound.args, **bound.kwargs)  # help
        return 0
    from .running import run_until_signalled

    # Only ids may come from stdin: options are meant as they were typed.
    named = {name: "-" if value == STDIN else value for name, value in bound.kwargs.items()}
    context = Context(options)
    with context.logging():
        return run_until_signalled(partial(command, *bound.args, **named, context=context)) or 0


def run(argv: list[str]) -> int:
    """Run the command line and return its exit code; every error ends here."""
    prepare_streams()
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed; /dev/null throws results away")
        code: Any = app.meta(argv, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # so the help's own console ends then; nothing else exits by itself
        abandon_stdout()  # `| head` has seen enough
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        from .exits import conclude

        # The options may be what is wrong, so they are looked up by hand.
        return conclude(error, Output(json="--json" in argv, verbose=2 if "-vv" in argv else 0))
    return int(code or 0)
