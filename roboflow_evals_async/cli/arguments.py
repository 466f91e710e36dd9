"""The arguments that several commands share, with their help."""

from typing import Annotated, Any

from cyclopts import Parameter

from .context import Context

# Stands for the word `-`, which cyclopts takes for an option; no id has such a form.
STDIN = "@-"

Injected = Annotated[Context, Parameter(parse=False)]


def _named(_type: Any, word: str) -> None:
    if word == STDIN:
        raise ValueError("It takes one id, and reads none from stdin.")


EvalId = Annotated[str, Parameter(validator=_named, help="The evaluation's id, as rfevals list shows it.")]
EvalIds = Annotated[
    str,
    Parameter(
        name="EVAL_ID",
        required=True,
        help="Ids of evaluations; - reads them from stdin, as rfevals list -q prints them.",
    ),
]
Project = Annotated[str | None, Parameter(name=("--project", "-p"))]
Model = Annotated[str | None, Parameter(name=("--model", "-m"))]
Shown = Parameter(show_default=True)
Split = Parameter(name=("--split", "-s"), show_default=True)
Limit = Annotated[str | None, Parameter(name=("--limit", "-n"), metavar="N")]
Offset = Annotated[str | None, Parameter(name=("--offset", "-o"), metavar="N")]
Output = Parameter(name=("--output", "-o"), show_default=True)
Confidence = Annotated[
    str | None,
    Parameter(
        name=("--confidence", "-c"),
        metavar="N",
        help="A stored confidence in whole percent; else the default report's.",
    ),
]
