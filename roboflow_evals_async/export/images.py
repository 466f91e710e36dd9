"""The images of one evaluation: brought in whole, in one edition, each row once, or not called finished."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

import msgspec

from ..core.errors import PaginationDriftError
from ..paging.cursor import Page
from ..paging.walk import Walk
from ..paging.window import Drift
from ..roboflow.client import EvalsClient
from ..roboflow.payloads import ImagePrediction, ImagePredictionsPage
from . import plan
from .folder import Edition, Folder
from .ledger import Ledger
from .plan import Unit
from .seen import Seen
from .sinks import IncompleteError, Sink
from .tables import ImageKey, image_rows

TABLE = "images"

ImagesPage: TypeAlias = Page[ImagePrediction, ImagePredictionsPage]


def mismatch(totals: Mapping[str, int], all_total: int) -> str | None:
    """Say in words how the splits' totals fail to add up to that of all splits; None if they do."""
    found = sum(totals.values())
    if found == all_total:
        return None
    parts = ", ".join(f"{split} {total}" for split, total in totals.items())
    return f"The splits have {found} images ({parts}), and all splits together {all_total}."


def strays(page: ImagesPage, split: str | None) -> set[str]:
    """Return the other splits that a page has rows of. Rows that do not say are of the split that the page names."""
    found: set[str | None] = {image.split for image in page.items} or {None}
    if None in found:
        found.add(page.reply.split)
    return {str(other) for other in found - {split, None}}


def marks(rows: Iterable[ImagePrediction | ImageKey]) -> list[int]:
    """Return the hashes by which rows of one split are known again.

    Rows without a name have none, even if they have an id: augmented copies share it, and would count as repeats.
    """
    return [hash((row.image_id, row.image_name)) for row in rows if row.image_name is not None]


class _Opened(msgspec.Struct, frozen=True):
    """A split whose first missing part has begun to arrive."""

    unit: Unit
    total: int
    first: ImagesPage
    rest: AsyncIterator[ImagesPage]

    @property
    def head(self) -> Unit:
        return self.unit.head


class Images:
    """Fetches what is missing of the images of one evaluation.

    The first page of every split comes before anything is written: it brings the totals, and they must add up to what
    the server says of all splits together. At most one page a split is in memory, and 12 to 24 bytes for each row of
    the split at hand.
    """

    def __init__(
        self,
        client: EvalsClient,
        folder: Folder,
        ledger: Ledger,
        *,
        eval_id: str,
        created_at: str | None,
        confirm: Callable[[], Awaitable[None]],
    ) -> None:
        """`confirm` raises if the evaluation is no longer that of `created_at`."""
        self._client = client
        self._folder = folder
        self._ledger = ledger
        self._eval_id = eval_id
        self._created_at = created_at
        self._confirm = confirm
        self._last: Unit | None = None
        self._heads = tuple(head for head in folder.heads(eval_id) if head.table == TABLE)

    async def fetch(self) -> None:
        """Fetch it; what fails is noted in the ledger.

        Raises what stops an export, `EvalNotDoneError`, and what `is_rerun` knows if the evaluation was run again
        since its other files were fetched, or while these were.
        """
        all_total = await self._all_total()
        opened: list[_Opened] = []
        totals: dict[Unit, int] = {}
        for head in self._heads:
            with self._ledger.failing(TABLE, head.split):
                if missing := self._folder.missing(head):
                    opened.append(await self._open(missing[0]))
                    totals[head] = opened[-1].total
                else:
                    totals[head] = self._folder.total(head) or 0
        if len(totals) == len(self._heads):
            if all_total is not None:
                await self._prove(totals, all_total, {split.head for split in opened})
            # The other table has one row an evaluation.
            others = len(self._folder.heads(self._eval_id)) - len(self._heads)
            self._ledger.expect(others + sum(totals.values()))
        if opened:
            held = self._folder.held(opened[-1].head)
            self._last = [unit for unit in plan.parts(opened[-1].head, opened[-1].total) if unit not in held][-1]
        for split in opened:
            with self._ledger.failing(TABLE, split.head.split):
                await self._fetch_split(split, Edition(split.total, all_total, self._created_at))

    async def _all_total(self) -> int | None:
        """Return the server's number of images of all splits; None if only one split is wanted."""
        asked = self._folder.settings
        if asked.split != "all":
            return None
        walk = self._client.image_predictions(self._eval_id, split="all", confidence=asked.confidence)
        return _known(await walk.total(), "of all splits")

    async def _open(self, unit: Unit) -> _Opened:
        """Fetch the first page of a part."""
        self._ledger.turn_to(unit)
        rest = self._walk(unit).pages()
        first = await anext(rest)
        _check_split(unit, first)
        total = _known(first.total, f"of {unit.split}")
        self._check_total(unit, self._folder.total(unit.head), total)
        return _Opened(unit, total, first, rest)

    def _check_total(self, unit: Unit, before: int | None, now: int | None, offset: int = 0) -> None:
        if before not in (None, now):
            drift = Drift("total", offset, before, now)
            raise PaginationDriftError(f"{unit}: {drift}.", drift=(drift,))

    async def _prove(self, totals: Mapping[Unit, int], all_total: int, opened: set[Unit]) -> None:
        """Check that the splits add up; those that are held are asked for again if they do not."""
        reason = mismatch({str(head.split): total for head, total in totals.items()}, all_total)
        if reason:
            for head in totals.keys() - opened:
                self._check_total(head, totals[head], await self._walk(head).total())
            raise IncompleteError(reason)
        if not opened:
            # All was held and only the proof was missing: any line may carry it.
            self._folder.prove(next(iter(self._folder.held(self._heads[0]).values())), all_total)

    async def _fetch_split(self, opened: _Opened, edition: Edition) -> None:
        """Fetch the missing parts of a split."""
        held = self._folder.held(opened.head)
        seen = Seen()
        for unit in plan.parts(opened.head, opened.total):
            if unit in held:
                self._remember(unit, seen)
            elif unit == opened.unit:
                await self._fetch_part(unit, _chain(opened.first, opened.rest), edition, seen)
            else:
                self._ledger.turn_to(unit)
                await self._fetch_part(unit, self._walk(unit).pages(), edition, seen)

    async def _fetch_part(self, unit: Unit, pages: AsyncIterator[ImagesPage], edition: Edition, seen: Seen) -> None:
        due = plan.rows_due(unit, edition.total)
        if not due:
            await self._confirm_last(unit)
            self._ledger.finished(self._folder.enter_empty(unit, edition))
            return
        draft, sink = self._folder.draft(unit)
        with draft:
            rows = 0
            async for page in pages:
                self._check_total(unit, edition.total, page.total, page.offset)
                self._write(unit, page, sink, seen)
                rows += len(page.items)
                self._ledger.came(len(page.items))
            if rows != due:
                raise IncompleteError(f"{unit}: {rows} rows came instead of {due}.")
            sink.close()
            await self._confirm_last(unit)
            self._ledger.finished(await self._folder.publish(draft, unit, rows, edition))

    def _write(self, unit: Unit, page: ImagesPage, sink: Sink, seen: Seen) -> None:
        _check_split(unit, page)
        if repeated := seen.add(marks(page.items)):
            raise IncompleteError(f"{unit}: {repeated} rows of the page from row {page.offset} came a second time.")
        sink.write(image_rows(unit.eval_id, str(unit.split), page.offset, page.items))

    def _remember(self, unit: Unit, seen: Seen) -> None:
        # Rows repeated across parts are noticed even if an earlier run fetched some of them.
        for row in self._folder.read(unit, ImageKey):
            seen.add(marks((row,)))

    async def _confirm_last(self, unit: Unit) -> None:
        # Before the last unit has its name, and not after: until then no kill leaves rows of two runs for finished.
        if unit == self._last:
            await self._confirm()

    def _walk(self, unit: Unit) -> Walk[ImagePrediction, ImagePredictionsPage]:
        assert unit.split is not None
        return self._client.image_predictions(
            self._eval_id,
            split=unit.split,
            confidence=unit.confidence,
            start=unit.first_row,
            max_items=plan.ROWS_PER_PART,
        )


def _known(total: int | None, what: str) -> int:
    if total is None:
        raise IncompleteError(f"The server does not say how many images {what} there are.")
    return total


def _check_split(unit: Unit, page: ImagesPage) -> None:
    if others := strays(page, unit.split):
        raise IncompleteError(f"{unit}: the page from row {page.offset} has rows of {', '.join(sorted(others))}.")


async def _chain(first: ImagesPage, rest: AsyncIterator[ImagesPage]) -> AsyncIterator[ImagesPage]:
    yield first
    async for page in rest:
        yield page
