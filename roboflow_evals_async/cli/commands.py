"""The commands, each as thin as its arguments. What stands in their docstrings is their help.

Nothing heavy is imported before a command runs, so that help comes at once.
"""

from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from .arguments import (
    Confidence,
    EvalId,
    EvalIds,
    Injected,
    Limit,
    Model,
    Offset,
    Output,
    Project,
    Shown,
    Split,
)
from .context import Context


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


async def get(*eval_ids: EvalIds, context: Injected) -> int:
    """Show evaluations: project and version, status and headline metrics."""
    return await _panels(context, "get", eval_ids)


async def map_results(*eval_ids: EvalIds, context: Injected) -> int:
    """Show mAP (or mIoU) by split, object size and class."""
    return await _panels(context, "map-results", eval_ids)


async def confidence_sweep(*eval_ids: EvalIds, context: Injected) -> int:
    """Show precision, recall and F1 by confidence threshold, and the best thresholds."""
    return await _panels(context, "confidence-sweep", eval_ids)


async def performance_by_class(*eval_ids: EvalIds, split: Annotated[str, Split] = "test", context: Injected) -> int:
    """Show precision, recall, F1 and mAP (or IoU) of each class.

    Parameters
    ----------
    split
        train, valid or test.
    """
    return await _panels(context, "performance-by-class", eval_ids, split=split)


async def confusion_matrix(
    *eval_ids: EvalIds, split: Annotated[str, Split] = "test", confidence: Confidence = None, context: Injected
) -> int:
    """Show which class was taken for which, and what was missed or invented.

    Parameters
    ----------
    split
        train, valid, test, or all added up.
    """
    return await _panels(context, "confusion-matrix", eval_ids, split=split, confidence=confidence)


async def vector_analysis(*eval_ids: EvalIds, confidence: Confidence = None, context: Injected) -> int:
    """Show the clusters of similar images, the worst ones first."""
    return await _panels(context, "vector-analysis", eval_ids, confidence=confidence)


async def image_predictions(
    eval_id: EvalId,
    /,
    *,
    split: Annotated[str, Split] = "all",
    confidence: Confidence = None,
    prefetch: Annotated[str | None, Parameter(metavar="N")] = None,
    resume: Annotated[str | None, Parameter(metavar="CHECKPOINT")] = None,
    limit: Limit = None,
    offset: Offset = None,
    context: Injected,
) -> None:
    """Show what was found, invented and missed in each image.

    All images are read, page by page; with --json each is one line.

    A run that is stopped, by --deadline, Ctrl-C or an error, tells the
    command that goes on with the next image.

    With --limit or --offset it is one page, and --json prints its object.

    Parameters
    ----------
    split
        train, valid, test or all.
    prefetch
        Read so many pages ahead, which is faster; what is printed is the same. Else, or with 0, none.
    resume
        Go on where an earlier run stopped: the checkpoint that it told.
    limit
        Read one page of so many images, 1 to 1000 (200 if only --offset is given).
    offset
        Read one page that begins with this image, counted from 0.
    """
    from .images import show_images

    await show_images(
        context,
        eval_id,
        split=split,
        confidence=confidence,
        limit=limit,
        offset=offset,
        prefetch=prefetch,
        resume=resume,
    )


async def recommendations(*eval_ids: EvalIds, context: Injected) -> int:
    """Show the suggestions for improving the model."""
    return await _panels(context, "recommendations", eval_ids)


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
    from .reading import show_panel

    await show_panel(context, "compare", project=project, version=version, frontier_metric=frontier_metric)


async def wait(eval_id: EvalId, /, *, context: Injected) -> None:
    """Wait until an evaluation is done, and show it as get does.

    It waits as long as it takes, or at most for --deadline seconds, and ends
    at once when the evaluation has failed. On a terminal, or with -v, each
    look at the evaluation is told.
    """
    from .waiting import wait_until_done

    await wait_until_done(context, eval_id)


async def snapshot(
    eval_id: EvalId,
    /,
    *,
    output: Annotated[str | None, Parameter(name=("--output", "-o"), metavar="FILE")] = None,
    split: Annotated[str, Split] = "test",
    confidence: Confidence = None,
    context: Injected,
) -> int:
    """Write all panels of an evaluation, but for its images, as one JSON object.

    Each panel stands under the name of its command, as the API sent it; one
    that cannot be had is null, and errors says why.

    Parameters
    ----------
    output
        The file to write, whole or not at all; else, or with -, stdout.
    split
        train, valid or test, for the panels that are of one split.
    """
    from .snapshot import write_snapshot

    return await write_snapshot(context, eval_id, output, split=split, confidence=confidence)


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
    status: str | None = None,
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
        Only evaluations of this status; else done ones.
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


async def _panels(context: Context, name: str, eval_ids: tuple[str, ...], **arguments: Any) -> int:
    from .several import show_panels

    return await show_panels(context, name, eval_ids, **arguments)


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
        "wait": wait,
    },
    "Writing files": {"snapshot": snapshot, "export": export},
    "Trying it out": {"demo": demo, "stand-in": stand_in},
}
RIVERGEN: dict[str, Command] = {"summary": summary}
