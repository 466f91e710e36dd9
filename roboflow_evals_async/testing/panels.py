"""Panels derived from images: confusion, threshold sweep, average precision, clusters. Pure functions.

Rules of counting, here and in every panel: a true positive lies on the confusion matrix's diagonal, a false
positive is any other prediction (a wrong class as much as a false alarm on the background), a false negative
any other object (a wrong class as much as a miss). Background predicted on background counts for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import hypot, sqrt

from msgspec import Struct

from .outcomes import Image, Outcome

Cells = dict[tuple[int, int], int]
"""Confusion counts by (actual, predicted) class index; only cells above zero."""

THRESHOLDS = 100
"""The documented sweep runs from "0.00" to "0.99" in hundredths."""

UNFOUND_THRESHOLD = 0.5
"""`optimalThreshold` of a class whose F1 is zero everywhere, as in the documented example."""

IOU_LEVELS = tuple(level / 100 for level in range(50, 100, 5))
"""The ten IoU thresholds that map50_95 averages over, as COCO does."""

RECALL_STEPS = 101
"""COCO's interpolation points, 0.00 to 1.00."""


class Counts(Struct, frozen=True):
    """True positives, false positives and false negatives: objects, or pixels in semantic segmentation."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def scores(self) -> tuple[float, float, float]:
        """Precision, recall and F1 as fractions; where nothing could be counted, 0."""
        found, wrong, missed = self.true_positives, self.false_positives, self.false_negatives
        if not found:
            return 0.0, 0.0, 0.0
        return found / (found + wrong), found / (found + missed), 2 * found / (2 * found + wrong + missed)

    @property
    def iou(self) -> float:
        """Intersection over union, a fraction."""
        union = self.true_positives + self.false_positives + self.false_negatives
        return self.true_positives / union if union else 0.0


def confusion_of(outcomes: Iterable[Outcome], percent: int, background: int, *, pixels: bool) -> Cells:
    """Confusion of one image at a threshold in percent; only a count of pixels has true background."""
    cells: Cells = {}
    for outcome in outcomes:
        cell = (outcome.actual, outcome.predicted if outcome.percent >= percent else background)
        if pixels or cell != (background, background):
            cells[cell] = cells.get(cell, 0) + outcome.weight
    return dict(sorted(cells.items()))


def counts_of(cells: Mapping[tuple[int, int], int], background: int) -> Counts:
    """What the cells say over all foreground classes."""
    found = wrong = missed = 0
    for (actual, predicted), count in cells.items():
        if actual == predicted:
            found += count if actual != background else 0
        else:
            wrong += count if predicted != background else 0
            missed += count if actual != background else 0
    return Counts(found, wrong, missed)


class Sweep(Struct, frozen=True):
    """Counts per threshold (index = percent) and the threshold with the best F1, for a split or for one class of it."""

    counts: tuple[Counts, ...]
    best: int | None
    """Percent of the first highest F1; None when F1 is zero everywhere."""

    @property
    def optimal_threshold(self) -> float:
        """Fraction; the placeholder when there is no best one."""
        return UNFOUND_THRESHOLD if self.best is None else self.best / 100

    @property
    def optimal_counts(self) -> Counts:
        """Counts at the best threshold; when there is none, nothing was found there either."""
        return Counts(0, 0, 0) if self.best is None else self.counts[self.best]

    def optimal_metrics(self) -> dict[str, float]:
        """precision, recall and f1 at the best threshold; integer zeros when there is none, as documented."""
        if self.best is None:
            return {"precision": 0, "recall": 0, "f1": 0}
        return metrics(self.counts[self.best])

    def payload(self) -> dict[str, object]:
        """The three members that the documents show for a split and for a class."""
        return {
            "perThreshold": {f"{percent / 100:.2f}": metrics(counts) for percent, counts in enumerate(self.counts)},
            "optimalThreshold": self.optimal_threshold,
            "optimalMetrics": self.optimal_metrics(),
        }


def metrics(counts: Counts) -> dict[str, float]:
    """precision, recall and f1, fractions, under the names the API uses."""
    precision, recall, f1 = counts.scores
    return {"precision": precision, "recall": recall, "f1": f1}


def sweep_classes(images: Sequence[Image], background: int) -> list[Sweep]:
    """One sweep per foreground class of one split."""
    actual = [0] * (background + 1)
    right = [[0] * THRESHOLDS for _ in range(background + 1)]
    said = [[0] * THRESHOLDS for _ in range(background + 1)]
    for image in images:
        for outcome in image.outcomes:
            weight = outcome.weight * image.copies
            actual[outcome.actual] += weight
            said[outcome.predicted][outcome.percent] += weight
            if outcome.actual == outcome.predicted:
                right[outcome.predicted][outcome.percent] += weight
    return [
        _sweep(
            Counts(found, predicted - found, actual[index] - found)
            for found, predicted in zip(_at_least(right[index]), _at_least(said[index]), strict=True)
        )
        for index in range(background)
    ]


def sweep_split(classes: Sequence[Sweep]) -> Sweep:
    """The sweep over all classes: their counts added up."""
    return _sweep(
        Counts(
            sum(sweep.counts[percent].true_positives for sweep in classes),
            sum(sweep.counts[percent].false_positives for sweep in classes),
            sum(sweep.counts[percent].false_negatives for sweep in classes),
        )
        for percent in range(THRESHOLDS)
    )


def _sweep(counts: Iterable[Counts]) -> Sweep:
    table = tuple(counts)
    scores = [entry.scores[2] for entry in table]
    highest = max(scores)
    return Sweep(table, scores.index(highest) if highest > 0 else None)


def _at_least(histogram: Sequence[int]) -> list[int]:
    """From counts per percent to counts at that percent or above."""
    total = 0
    sums: list[int] = []
    for count in reversed(histogram):
        total += count
        sums.append(total)
    return sums[::-1]


def average_precision(ranked: Iterable[tuple[bool, int]], objects: int) -> float:
    """Interpolated average precision of predictions (is it right, how often) from the surest to the least sure."""
    found = wrong = 0
    curve: list[tuple[int, float]] = []
    for right, times in ranked:
        if right:
            found += times
            curve.append((found, found / (found + wrong)))
        else:
            wrong += times
    # Interpolated: the precision at a recall is the best one at that recall or beyond.
    best = 0.0
    for index in range(len(curve) - 1, -1, -1):
        reached, precision = curve[index]
        best = max(best, precision)
        curve[index] = (reached, best)
    total = 0.0
    index = 0
    for step in range(RECALL_STEPS):
        while index < len(curve) and curve[index][0] * (RECALL_STEPS - 1) < step * objects:
            index += 1
        if index == len(curve):
            break
        total += curve[index][1]
    return total / RECALL_STEPS


class Ranked(Struct, frozen=True):
    """One class of one split, ready for average precision: predictions by falling score, and objects."""

    predictions: tuple[tuple[float, int, int], ...]
    """(IoU with an object of the class or -1, times, size)."""
    objects: tuple[int, int, int]
    """Ground truth objects per size."""


def rank_classes(images: Sequence[Image], background: int) -> list[Ranked]:
    """What average precision needs, per foreground class."""
    objects = [[0, 0, 0] for _ in range(background + 1)]
    predictions: list[list[tuple[float, float, int, int]]] = [[] for _ in range(background + 1)]
    for image in images:
        for outcome in image.outcomes:
            objects[outcome.actual][outcome.size] += image.copies
            iou = outcome.iou if outcome.actual == outcome.predicted else -1.0
            predictions[outcome.predicted].append((-outcome.score, iou, image.copies, outcome.size))
    ranked: list[Ranked] = []
    for index in range(background):
        small, medium, large = objects[index]
        ordered = sorted(predictions[index])
        ranked.append(Ranked(tuple(entry[1:] for entry in ordered), (small, medium, large)))
    return ranked


def mean_average_precision(ranked: Ranked, size: int | None = None) -> dict[str, float] | None:
    """map50, map50_95 and map75 of one class, of all its objects or of one size; None without such an object.

    With a size, predictions of another size are passed over, neither right nor wrong.
    """
    objects = sum(ranked.objects) if size is None else ranked.objects[size]
    if not objects:
        return None
    entries = [(iou, times) for iou, times, of_size in ranked.predictions if size is None or of_size == size]
    values = [average_precision([(iou >= level, times) for iou, times in entries], objects) for level in IOU_LEVELS]
    return {"map50": values[0], "map50_95": sum(values) / len(values), "map75": values[5]}


def mean_of(parts: Iterable[Mapping[str, float] | None]) -> dict[str, float] | None:
    """The mean of metric blocks over the classes that have one; None when none has."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return {name: sum(part[name] for part in known) / len(known) for name in known[0]}


class ImageScore(Struct, frozen=True, gc=False):
    """One image's split, cluster and served (rounded) metrics: what cluster metrics are made of."""

    name: str
    split: str
    cluster: int
    copies: int
    precision: float
    recall: float
    f1: float


def cluster_panels(images: Sequence[ImageScore], samples: int) -> list[dict[str, object]]:
    """The `clusters` of vector-analysis by rising id; clusters and splits without an image are left out."""
    members: defaultdict[int, list[ImageScore]] = defaultdict(list)
    for image in images:
        members[image.cluster].append(image)
    panels: list[dict[str, object]] = []
    for cluster, group in sorted(members.items()):
        number = sum(image.copies for image in group)
        splits: dict[str, int] = {}
        for image in group:
            splits[image.split] = splits.get(image.split, 0) + image.copies
        mean = sum(image.f1 * image.copies for image in group) / number
        variance = sum((image.f1 - mean) ** 2 * image.copies for image in group) / number
        panels.append(
            {
                "id": cluster,
                "numImages": number,
                "splitDistribution": splits,
                "metrics": {
                    "f1Mean": round(mean, 3),
                    "f1Std": round(sqrt(variance), 3),
                    "f1Min": min(image.f1 for image in group),
                    "f1Max": max(image.f1 for image in group),
                    "precisionMean": round(sum(image.precision * image.copies for image in group) / number, 3),
                    "recallMean": round(sum(image.recall * image.copies for image in group) / number, 3),
                },
                "sampleImages": [image.name for image in group[:samples]],
            }
        )
    return panels


def silhouette(points: Iterable[tuple[int, tuple[float, float]]]) -> float | None:
    """Mean simplified silhouette (distances to cluster centres, not to every member), -1 to 1; without noise.

    None with fewer than two clusters. The simplified form is linear in the images, the full one is quadratic.
    """
    members: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for cluster, point in points:
        if cluster >= 0:
            members[cluster].append(point)
    if len(members) < 2:
        return None
    centres = {
        cluster: (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for cluster, group in members.items()
    }
    values: list[float] = []
    for cluster, group in members.items():
        x0, y0 = centres[cluster]
        others = [centre for key, centre in centres.items() if key != cluster]
        for x, y in group:
            own = hypot(x - x0, y - y0)
            next_one = min(hypot(x - x1, y - y1) for x1, y1 in others)
            values.append((next_one - own) / (max(own, next_one) or 1.0))
    return sum(values) / len(values)
