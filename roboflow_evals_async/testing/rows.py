"""What is read from one evaluation at one threshold: image-predictions rows as JSON, and their confusion.

Rows are encoded once. A repeated row (see `EvaluationSpec.block_size`) is put together from the bytes of the
row that it repeats and an id and a name of its own, so a million rows take the memory of one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from .outcomes import ALPHANUMERICS, ID_LENGTH, Image
from .panels import Cells, Counts, ImageScore, confusion_of, counts_of

_REPEAT_DIGITS = 6  # base 62: the end of a repeated row's id counts further than any evaluation has rows


class Cluster(Struct, frozen=True):
    """Where a row's image lies among the embeddings."""

    id: int
    embedding: tuple[float, float] | UnsetType = field(name="embedding2D", default=UNSET)


class Stats(Struct, frozen=True, rename="camel"):
    """Counts (objects or pixels) and metrics (fractions of three decimals, as documented) of one image."""

    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float
    recall: float
    f1: float


class RowTail(Struct, frozen=True, rename="camel"):
    """A row of image-predictions after its id and name, in the documented order."""

    split: str
    augmentations: int
    cluster: Cluster | None
    stats: Stats
    confusion: list[tuple[int, int, int]]


class Report:
    """The images of an evaluation at a threshold in percent."""

    def __init__(
        self,
        images: Mapping[str, Sequence[Image]],
        percent: int,
        background: int,
        *,
        pixels: bool,
        odd_rows: bool,
    ) -> None:
        """Count and encode every image drawn."""
        self.cells: dict[str, Cells] = {}
        """Confusion per split, all rows of it added up."""
        self.scores: list[ImageScore] = []
        """Metrics per image drawn, of all splits in order."""
        self._rows: dict[str, list[bytes]] = {}
        self._repeats: dict[str, list[tuple[bytes, bytes, bytes]]] = {}
        self._totals = {split: sum(image.copies for image in members) for split, members in images.items()}
        for split, members in images.items():
            sums: Cells = {}
            tails: list[bytes] = []
            for position, image in enumerate(members):
                cells = confusion_of(image.outcomes, percent, background, pixels=pixels)
                for cell, count in cells.items():
                    sums[cell] = sums.get(cell, 0) + count * image.copies
                cluster = _cluster(image, position if odd_rows else 0)
                tail = _tail(image, cluster, cells, counts_of(cells, background))
                stats = tail.stats
                metrics = (stats.precision, stats.recall, stats.f1)
                self.scores.append(ImageScore(image.name, split, image.cluster, image.copies, *metrics))
                tails.append(msgspec.json.encode(tail))
            self.cells[split] = sums
            if members and members[0].copies > 1:
                self._repeats[split] = [_repeatable(*pair) for pair in zip(members, tails, strict=True)]
            self._rows[split] = [
                _row(image.image_id, image.name, tail) for image, tail in zip(members, tails, strict=True)
            ]

    def rows(self, splits: Iterable[str], offset: int, limit: int) -> Iterator[bytes]:
        """The rows of the splits one after the other, as JSON, from `offset` on and `limit` of them at most."""
        for split in splits:
            block = self._rows.get(split, [])
            total = self._totals.get(split, 0)
            start, stop = min(offset, total), min(offset + limit, total)
            limit -= stop - start
            offset = max(0, offset - total)
            drawn = min(stop, len(block))
            yield from islice(block, start, drawn)
            position = max(start, drawn)
            while position < stop:
                times, first = divmod(position, len(block))
                last = min(len(block), first + stop - position)
                # Joining a row's three pieces puts the mark into both gaps.
                yield from map(_mark(times).join, self._repeats[split][first:last])
                position += last - first


def _row(image_id: str, name: str, tail: bytes) -> bytes:
    return b'{"imageId":"%b","imageName":%b,%b' % (image_id.encode(), msgspec.json.encode(name), tail[1:])


def _mark(times: int) -> bytes:
    """What tells the rows of one repeat of a block from those of another, counted from 1."""
    digits = ""
    for _ in range(_REPEAT_DIGITS):
        times, digit = divmod(times, len(ALPHANUMERICS))
        digits = ALPHANUMERICS[digit] + digits
    return digits.encode()


def _repeatable(image: Image, tail: bytes) -> tuple[bytes, bytes, bytes]:
    """A row cut where its repeats differ: at the end of the id, and before the extension of the name."""
    stem, _, extension = image.name.rpartition(".")
    row = _row(image.image_id, f"{stem}.", b"")
    cut = row.index(image.image_id.encode()) + ID_LENGTH
    closing = b'.%b",%b' % (extension.encode(), tail[1:])
    return row[: cut - _REPEAT_DIGITS], row[cut:].removesuffix(b'",'), closing


def _cluster(image: Image, position: int) -> Cluster | None:
    """Where the image lies; by position, some are in no cluster and some have no coordinate."""
    match position % 4:  # so that a dozen rows show each kind three times
        case 2:
            return None
        case 3:
            return Cluster(image.cluster)
        case _:
            return Cluster(image.cluster, image.embedding)


def _tail(image: Image, cluster: Cluster | None, cells: Cells, counts: Counts) -> RowTail:
    precision, recall, f1 = (round(value, 3) for value in counts.scores)
    return RowTail(
        split=image.split,
        augmentations=image.augmentations,
        cluster=cluster,
        stats=Stats(counts.true_positives, counts.false_positives, counts.false_negatives, precision, recall, f1),
        confusion=[(actual, predicted, count) for (actual, predicted), count in cells.items()],
    )
