"""Evaluations into a folder of plain files: `await export(client, evals, out)`.

The names below are imported when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .disk import ExportError as ExportError
    from .ledger import RerunError as RerunError
    from .run import export as export
    from .sinks import IncompleteError as IncompleteError
    from .summary import EvalSummary as EvalSummary
    from .summary import ExportProgress as ExportProgress
    from .summary import ExportSummary as ExportSummary
    from .summary import UnitError as UnitError

_HOME_OF = {
    "EvalSummary": "summary",
    "ExportError": "disk",
    "ExportProgress": "summary",
    "ExportSummary": "summary",
    "IncompleteError": "sinks",
    "RerunError": "ledger",
    "UnitError": "summary",
    "export": "run",
}

__all__ = [
    "EvalSummary",
    "ExportError",
    "ExportProgress",
    "ExportSummary",
    "IncompleteError",
    "RerunError",
    "UnitError",
    "export",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value  # the next use finds it at once
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
