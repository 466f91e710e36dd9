"""`snapshot`: all panels of an evaluation in one JSON object, as the server sent them."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..core.errors import EvalsError
from ..core.tasks import gather
from ..export.disk import ExportError, write_file
from ..roboflow.many import PANELS, panel_request
from . import raw
from .context import Context
from .exits import Exit, text_of
from .grid import plural
from .limits import whole


async def write_snapshot(context: Context, eval_id: str, out: str | None, *, split: Any, confidence: str | None) -> int:
    """Fetch all panels at once and write them to a file or stdout; return the exit code.

    Raises only if the evaluation itself cannot be had.
    """
    percent = whole(confidence, "confidence")
    requests = {panel: panel_request(panel, eval_id, split, percent) for panel in PANELS}
    async with context.client() as client:

        async def bring(request: Any) -> bytes | EvalsError:
            try:
                return raw.compact(await client.send_raw(request))
            except EvalsError as error:
                return error

        found = await gather([partial(bring, request) for request in requests.values()])
    # Named as the API's own addresses name them.
    panels = {panel.replace("_", "-"): result for panel, result in zip(requests, found, strict=True)}
    if isinstance(panels["eval"], EvalsError):
        raise panels["eval"]
    failed = {name: result for name, result in panels.items() if isinstance(result, EvalsError)}
    document = raw.pretty(_document(panels, failed)) + b"\n"
    output, came = context.output, len(panels) - len(failed)
    if out is None or out == "-":
        output.bytes(document)
    else:
        _write(Path(out), document)
        output.note(f"{came} of {plural(len(panels), 'panel')} in {out}")
    if not output.json:
        for error in failed.values():
            output.error(text_of(error).message)
    return Exit.SOME_FAILED if failed else Exit.DONE


def _document(panels: dict[str, bytes | EvalsError], failed: dict[str, EvalsError]) -> bytes:
    """Put the panels together; one that is missing is null, and `errors` says why."""
    members: dict[str, Any] = {
        name: None if isinstance(found, EvalsError) else msgspec.Raw(found) for name, found in panels.items()
    }
    texts = {name: text_of(error) for name, error in failed.items()}
    errors = {name: {"message": text.message, "code": text.code, "status": text.status} for name, text in texts.items()}
    return msgspec.json.encode({**members, "errors": errors})


def _write(path: Path, document: bytes) -> None:
    """Put the file in place whole, where a link leads; a pipe or a device is written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(document)
        return
    try:
        write_file(path.resolve(), document)
    except ExportError as error:
        raise ExportError(error.message, hint="Name another file, or mend that one.") from None
