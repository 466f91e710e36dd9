"""How replies of older and odd servers are rewritten into the documented shapes: pure functions over plain values.

They run on the tolerant road of `core.reply` only, and take any value for any field: what does not fit is left for the
conversion to refuse. Each rule names the spelling that it mends.
"""

from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]


def identity(document: Document) -> Document:
    """`id` for `evalId`, `projectId` for `project`, and ids that are numbers."""
    mended = dict(document)
    for old, new in (("id", "evalId"), ("projectId", "project")):
        if mended.get(new) is None and mended.get(old) is not None:
            mended[new] = mended[old]
    for name in ("evalId", "project", "versionId", "modelId"):
        if isinstance(mended.get(name), int | float):
            mended[name] = f"{mended[name]:.0f}"
    return mended


def listing(document: Document) -> Document:
    """Every row as in `identity`. A reply without rows is no list, and is left as it is."""
    if not isinstance(document.get("evals"), list):
        return document
    return {**document, "evals": [identity(row) for row in _objects(document["evals"])]}


def map_results(document: Document) -> Document:
    """Spellings of mean IoU, and classes as a list in place of an object by name."""
    mended = identity(document)
    if isinstance(document.get("splits"), dict):
        mended["splits"] = {name: _split_metrics(split) for name, split in _members(document["splits"])}
    return mended


def _split_metrics(split: Document) -> Document:
    mended = _without_null_sizes(_first_of(split, "mIoU", "miou", "meanIoU", "mean_iou"))
    classes = split.get("perClass")
    if isinstance(classes, list):
        classes = {str(entry.get("className", "")): entry for entry in _objects(classes)}
    mended["perClass"] = {
        name: _without_null_sizes(_first_of(scores, "iou", "IoU", "mIoU", "miou")) for name, scores in _members(classes)
    }
    return mended


def _without_null_sizes(scores: Document) -> Document:
    """No sizes at all stand as null; left so, all nulls would be dropped, and with them the sizes without objects."""
    return {name: value for name, value in scores.items() if name != "byObjectSize" or value is not None}


def _first_of(scores: Document, name: str, *others: str) -> Document:
    spelled = next((spelling for spelling in (name, *others) if scores.get(spelling) is not None), None)
    return dict(scores) if spelled is None else {**scores, name: scores[spelled]}


def image_predictions(document: Document) -> Document:
    """A cluster that is a bare id, an embedding that is not two numbers."""
    mended = identity(document)
    if isinstance(document.get("images"), list):
        mended["images"] = [_image(image) for image in _objects(document["images"])]
    return mended


def _image(image: Document) -> Document:
    cluster = image.get("cluster")
    if isinstance(cluster, int | float):
        return {**image, "cluster": {"id": cluster}}
    if isinstance(cluster, dict) and not _is_point(cluster.get("embedding2D")):
        return {**image, "cluster": {"id": cluster.get("id")}}
    return image


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(number, int | float) for number in value)


def recommendations(document: Document) -> Document:
    """A bare list of items; and no word on whether they were generated, where there are some."""
    mended = identity(document)
    content = mended.pop("recommendations", None)
    if content is not None:
        mended["recommendations"] = {"items": _objects(content)} if isinstance(content, list) else content
    if mended.get("generated") is None and {"generated", "recommendations"} & document.keys():
        mended["generated"] = content is not None
    return mended


def _objects(value: Any) -> list[Document]:
    entries: Iterable[Any] = value if isinstance(value, list) else ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _members(value: Any) -> list[tuple[str, Document]]:
    members = value.items() if isinstance(value, dict) else ()
    return [(name, member) for name, member in members if isinstance(member, dict)]
