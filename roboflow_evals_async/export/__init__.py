"""Evaluations into a folder of plain files: `await export(client, evals, out)`.

The names below are imported when they are first used, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

from ..core.lazy import importer

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


__getattr__ = importer(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return sorted(__all__)
