"""The commands, each as thin as its arguments. What stands in their docstrings is their help.

Nothing heavy is imported before a command runs, so that help comes at once.
"""

from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from .context import Context

# Stands for the word `-`, which cyclopts takes for an option; no id has such a form.
STDIN = "@-"

Injected = Annotated[Context, Parameter(parse=False)]

EvalId = Annotated[str, Parameter(help="The evaluation's id, as rfevals list shows it.")]
Project = Annotated[str | None, Parameter(name=("--project", "-p"))]
Model = Annotated[str | None, Parameter(name=("--model", "-m"))]
Shown = Parameter(show_default=True)
Split = Parameter(name=("--split", "-s"), show_default=True)
Limit = Annotated[str | None, Parameter(name=("--limit", "-n"))]
Offset = Annotated[str | None, Parameter(name=("--offset", "-o"))]
Output = Parameter(name=("--output", "-o"), show_default=True)
Confidence = Annotated[
    str | None,
    Parameter(name=("--confidence", "-c"), help="A stored confidence in whole percent; else the default report's."),
]


async def list_(
    *,
    project: Project = None,
    version: str | None = None,
    model: Model = None,
    status: Annotated[str | None, Parameter(name=("--status", "-s"))] = None,
    limit: Limit = None,
    context: Injected,
) -> None:
    """List the evaluations of the workspace, newest first.

    The filters may be combined. Without --limit, all evaluations that can be reached are listed.

    Parameters
    ----------
    project
        Only this project's (slug).
    version
        Only this version's (number).
    model
        Only this model's (the internal id that the list shows).
    status
        Only running, done or failed ones.
    limit
        At most so many.
    """
    from .reading import list_evals

    await list_evals(context, project=project, version=version, model=model, status=status, limit=limit)


async def get(eval_id: EvalId, /, *, context: Injected) -> None:
    """Show one evaluation: its project and version, its status and headline metrics."""
    await _panel(context, "get", eval_id)


async def map_results(eval_id: EvalId, /, *, context: Injected) -> None:
    """Show mAP (or mIoU) by split, object size and class."""
    await _panel(context, "map-results", eval_id)


async def confidence_sweep(eval_id: EvalId, /, *, context: Injected) -> None:
    """Show precision, recall and F1 by confidence threshold, and the best thresholds."""
    await _panel(context, "confidence-sweep", eval_id)


async def performance_by_class(eval_id: EvalId, /, *, split: Annotated[str, Split] = "test", context: Injected) -> None:
    """Show precision, recall, F1 and mAP (or IoU) of each class.

    Parameters
    ----------
    split
        train, valid or test.
    """
    await _panel(context, "performance-by-class", eval_id, split=split)


async def confusion_matrix(
    eval_id: EvalId, /, *, split: Annotated[str, Split] = "test", confidence: Confidence = None, context: Injected
) -> None:
    """Show which class was taken for which, and what was missed or invented.

    Parameters
    ----------
    split
        train, valid, test, or all added up.
    """
    await _panel(context, "confusion-matrix", eval_id, split=split, confidence=confidence)


async def vector_analysis(eval_id: EvalId, /, *, confidence: Confidence = None, context: Injected) -> None:
    """Show the clusters of similar images, the worst ones first."""
    await _panel(context, "vector-analysis", eval_id, confidence=confidence)


async def image_predictions(
    eval_id: EvalId,
    /,
    *,
    split: Annotated[str, Split] = "all",
    confidence: Confidence = None,
    limit: Limit = None,
    offset: Offset = None,
    context: Injected,
) -> None:
    """Show what was found, invented and missed in each image.

    All images are read, page by page; with --json each is one line. With --limit or --offset it is one page, and
    --json prints that page's object.

    Parameters
    ----------
    split
        train, valid, test or all.
    limit
        Read one page of so many images, 1 to 1000 (200 if only --offset is given).
    offset
        Read one page that begins with this image, counted from 0.
    """
    from .images import show_images

    await show_images(context, eval_id, split=split, confidence=confidence, limit=limit, offset=offset)


async def recommendations(eval_id: EvalId, /, *, context: Injected) -> None:
    """Show the suggestions for improving the model."""
    await _panel(context, "recommendations", eval_id)


async def compare(
    *,
    project: Annotated[str, Parameter(name=("--project", "-p"))],
    version: int,
    frontier_metric: str | None = None,
    context: Injected,
) -> None:
    """Compare the trained models of a version by accuracy and latency.

    Parameters
    ----------
    project
        The project's slug.
    version
        The version's number.
    frontier_metric
        Judge by mAP, mAP5095, mAP75, mIoU, precision, recall or f1; else by the project's own metric.
    """
    await _panel(context, "compare", project=project, version=version, frontier_metric=frontier_metric)


async def summary(
    model_id: Annotated[str, Parameter(help="The model's id (mdl-…).")],
    /,
    *,
    version_id: str | None = None,
    dataset_split: Annotated[str, Shown] = "test",
    token: str | None = None,
    context: Injected,
) -> None:
    """Show the stored scores of a model.

    Parameters
    ----------
    version_id
        Of this version (ver-…); else of the one promoted now.
    dataset_split
        train, validation or test.
    token
        RiverGen's access token; else RIVERGEN_TOKEN.
    """
    from .reading import show_summary

    await show_summary(context, model_id, token=token, version_id=version_id, dataset_split=dataset_split)


async def export(
    *eval_ids: str,
    project: Project = None,
    version: str | None = None,
    model: Model = None,
    status: Annotated[str, Shown] = "done",
    tables: Annotated[str, Shown] = "evals,images",
    split: Annotated[str, Shown] = "all",
    confidence: Confidence = None,
    output: Annotated[str, Output],
    format: Annotated[str, Parameter(name=("--format", "-f"), show_default=True)] = "jsonl",  # noqa: A002
    force: bool = False,
    fail_fast: bool = False,
    context: Injected,
) -> int:
    """Write evaluations to files, one folder a table; the same command again fetches only what is missing.

    Without ids, the evaluations that match the filters are exported. Ctrl-C at any time loses nothing that is
    finished.

    Parameters
    ----------
    eval_ids
        Ids of evaluations, or - to read them from stdin: rfevals list -q | rfevals export - -o out
    project
        Only this project's (slug).
    version
        Only this version's (number).
    model
        Only this model's (internal id).
    status
        Only evaluations of this status.
    tables
        What to write, with commas between: evals (an evaluation a row), images (an image a row).
    split
        Images of train, valid, test or all.
    output
        The folder to write to.
    format
        The format of the files.
    force
        Fetch again what is there already.
    fail_fast
        Stop at the first evaluation that fails, instead of going on with the others.
    """
    from .exporting import Wanted, export_command

    wanted = Wanted(eval_ids or None, project, version, model, status)
    return await export_command(
        context,
        wanted,
        output,
        tables=tables,
        split=split,
        confidence=confidence,
        format=format,
        force=force,
        fail_fast=fail_fast,
    )


async def demo(*, output: Annotated[str, Output] = "demo-export", context: Injected) -> int:
    """Export the evaluations of an embedded stand-in, and show them: no key and no network needed.

    Parameters
    ----------
    output
        The folder to write to.
    """
    from .exporting import demo_command

    return await demo_command(context, output)


async def stand_in(
    *,
    port: Annotated[int, Shown] = 0,
    host: Annotated[str, Shown] = "127.0.0.1",
    latency: Annotated[float, Shown] = 0.0,
    context: Injected,
) -> int:
    """Serve a stand-in for both APIs, with made-up evaluations, until Ctrl-C.

    Parameters
    ----------
    port
        The port to listen on; 0 takes a free one.
    host
        The address to listen on.
    latency
        Seconds by which each answer is delayed.
    """
    from .serving import serve

    return await serve(context, port=port, host=host, latency=latency)


async def _panel(context: Context, name: str, *args: Any, **arguments: Any) -> None:
    from .reading import show_panel

    await show_panel(context, name, *args, **arguments)


Command = Callable[..., Any]

GROUPS: dict[str, dict[str, Command]] = {
    "Reading evaluations": {
        "list": list_,
        "get": get,
        "map-results": map_results,
        "confidence-sweep": confidence_sweep,
        "performance-by-class": performance_by_class,
        "confusion-matrix": confusion_matrix,
        "vector-analysis": vector_analysis,
        "image-predictions": image_predictions,
        "recommendations": recommendations,
        "compare": compare,
    },
    "Writing files": {"export": export},
    "Trying it out": {"demo": demo, "stand-in": stand_in},
}
RIVERGEN: dict[str, Command] = {"summary": summary}
