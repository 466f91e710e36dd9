"""The command `rfevals`."""

import gc
import sys
from collections.abc import Sequence
from importlib.util import find_spec


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (None: those of the process) and return its exit code."""
    # Asked before importing, so that a fault inside an installed package keeps its own words.
    if not (_is_installed("cyclopts") and _is_installed("rich")):
        print("rfevals needs two more packages: pip install 'roboflow-evals-async[cli]'", file=sys.stderr)  # noqa: T201
        return 1
    # Importing and reading the command line makes objects that stay: collecting among them is a tenth of --help's time.
    # The collector comes back when a command begins to run.
    gc.disable()
    try:
        from .app import run

        return run(sys.argv[1:] if argv is None else list(argv))
    finally:
        gc.enable()


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False
