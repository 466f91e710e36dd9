"""The items of the recommendations panel, derived from a confusion table. Pure functions.

Types and triggers are those of Roboflow's published improvement notes; the fields inside an item are
documented nowhere, so they are a plausible choice: type, severity, title, message, and the class or pair that
is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median

from .panels import Cells

_FEW_INSTANCES = 30  # published: fewer than max(30, 0.05 * sqrt(all instances))
_ROOT_SHARE = 0.05
_MEDIAN_SHARE = 0.25  # published: or under 25 % of the median class
_FEW_PREDICTIONS = 30  # published: at least 30 predictions and 30 false positives ...
_LOW_PRECISION = 0.65  # ... and precision below 65 %
_SMALL_TEST = 50  # published: a test split of fewer than 50 images
_HIGH_SHARE = 0.2  # own choice: a finding that touches a fifth of what it is counted in is severe


def advise(
    classes: Sequence[str], cells: Cells, instances: Sequence[int], images: Mapping[str, int]
) -> list[dict[str, object]]:
    """Items for one split's confusion; `instances` per class and `images` per split are of the whole data set."""
    items = [*_missed(classes, cells), *_confused(classes, cells)]
    items += _imbalanced(classes, instances)
    items += _overconfident(classes, cells)
    test = images.get("test", 0)
    if test < _SMALL_TEST:
        message = f"The test split holds {test} images; with fewer than {_SMALL_TEST} its metrics are unsteady."
        items.append(_item("dataset_health", "medium", "Small test split", message, count=test))
    return items


def _item(kind: str, severity: str, title: str, message: str, **details: object) -> dict[str, object]:
    return {"type": kind, "severity": severity, "title": title, "message": message, **details}


def _severity(part: int, whole: int) -> str:
    return "high" if whole and part / whole >= _HIGH_SHARE else "medium"


def _missed(classes: Sequence[str], cells: Cells) -> list[dict[str, object]]:
    background = len(classes)
    missed = [
        sum(count for (actual, predicted), count in cells.items() if actual == index and predicted != index)
        for index in range(background)
    ]
    worst = max(range(background), key=missed.__getitem__)
    if not missed[worst]:
        return []
    total = sum(count for (actual, _), count in cells.items() if actual == worst)
    name, count = classes[worst], missed[worst]
    message = f"{count} of {total} instances of {name} were not found under their own name."
    title = f"Missed detections of {name}"
    severity = _severity(count, total)
    return [_item("missed_detection", severity, title, message, className=name, count=count)]


def _confused(classes: Sequence[str], cells: Cells) -> list[dict[str, object]]:
    background = len(classes)
    pairs = {cell: count for cell, count in cells.items() if background not in cell and cell[0] != cell[1]}
    if not pairs:
        return []
    (actual, predicted), count = max(pairs.items(), key=lambda entry: entry[1])
    total = sum(number for (there, _), number in cells.items() if there == actual)
    there, said = classes[actual], classes[predicted]
    message = f"{there} was taken for {said} {count} times."
    details = {"actualClass": there, "predictedClass": said, "count": count}
    return [_item("wrong_class", _severity(count, total), f"{there} taken for {said}", message, **details)]


def _imbalanced(classes: Sequence[str], instances: Sequence[int]) -> list[dict[str, object]]:
    floor = max(_FEW_INSTANCES, _ROOT_SHARE * sqrt(sum(instances)), _MEDIAN_SHARE * median(instances))
    return [
        _item(
            "class_imbalance",
            "high" if count == 0 else "medium",
            f"Few instances of {name}",
            f"{name} has {count} instances in the data set; {floor:.0f} or more are wanted.",
            className=name,
            count=count,
        )
        for name, count in zip(classes, instances, strict=True)
        if count < floor
    ]


def _overconfident(classes: Sequence[str], cells: Cells) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    for index, name in enumerate(classes):
        said = sum(count for (_, predicted), count in cells.items() if predicted == index)
        wrong = said - cells.get((index, index), 0)
        if said >= _FEW_PREDICTIONS and wrong >= _FEW_PREDICTIONS and (said - wrong) / said < _LOW_PRECISION:
            message = f"{wrong} of {said} predictions of {name} are false."
            title = f"Too many false {name}"
            items.append(_item("overconfident_fp", _severity(wrong, said), title, message, className=name, count=wrong))
    return items
