"""The sequential walk against a server in memory: kill and go on, drift, errors, misuse, report and checkpoint."""

import gc
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboflow_evals_async.core.errors import (
    ClientStateError,
    DecodeError,
    EvalsError,
    PaginationDriftError,
    ServerError,
)
from roboflow_evals_async.core.events import PageReady, WalkDone
from roboflow_evals_async.paging.checkpoint import Checkpoint
from roboflow_evals_async.paging.walk import PageIterator, RowIterator

from .server import Served, Server, Trouble, kinds, unavailable


async def listed(iterator: AsyncIterator[Any]) -> list[Any]:
    """What is left of an iterator, to its end."""
    return [item async for item in iterator]


def change(**fields: Any) -> Callable[[Served], Served]:
    """A page with other words in it."""
    return lambda page: msgspec.structs.replace(page, **fields)


# -- kill and go on ----------------------------------------------------------------------------------------------------


@given(
    total=st.integers(0, 50),
    start=st.integers(0, 20),
    max_items=st.none() | st.integers(0, 50),
    cap=st.none() | st.integers(1, 30),
    tell=st.booleans(),
    legs=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 12), st.booleans()), max_size=6),
)
@settings(deadline=None, max_examples=300)
def test_a_walk_killed_anywhere_and_resumed_equals_one_that_ran_through(
    total: int,
    start: int,
    max_items: int | None,
    cap: int | None,
    tell: bool,
    legs: list[tuple[int, int, bool]],
) -> None:
    """Each leg has a page size of its own, ends after so many rows or pages, and leaves only the checkpoint's text."""

    async def run() -> list[int]:
        server = Server(total, cap=cap, tell=tell)
        got: list[int] = []
        resume: str | None = None
        for page_size, count, by_rows in [*legs, (10, 10**6, True)]:
            options = {"start": start, "max_items": max_items} if resume is None else {"resume": resume}
            walk = server.walk(page_size=page_size, **options)
            left = count
            if by_rows:
                rows = aiter(walk)
                while left and (row := await anext(rows, None)) is not None:
                    got.append(row)
                    left -= 1
                resume = str(rows.checkpoint)
                assert rows.report.rows == count - left
            else:
                pages = walk.pages()
                while left and (page := await anext(pages, None)) is not None:
                    got.extend(page.items)
                    left -= 1
                resume = str(pages.checkpoint)
            assert Checkpoint.decode(resume).offset >= start + len(got)
        return got

    assert anyio.run(run) == list(range(total))[start : None if max_items is None else start + max_items]


@given(
    total=st.integers(1, 40),
    page_size=st.integers(1, 15),
    failures=st.lists(st.booleans(), max_size=12),
    by_rows=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_after_an_error_the_same_iterator_goes_on_with_no_row_lost_or_doubled(
    total: int, page_size: int, failures: list[bool], by_rows: bool
) -> None:
    async def run() -> None:
        script: list[Trouble] = [unavailable() if fails else None for fails in failures]
        server = Server(total, script=script)
        walk = server.walk(page_size=page_size)
        iterator = aiter(walk) if by_rows else walk.pages()
        got: list[int] = []
        places: list[tuple[int, int, int]] = []
        while True:
            try:
                item = await anext(iterator)
            except ServerError as error:
                places.append((error.checkpoint.offset, iterator.checkpoint.offset, len(got)))
                assert not iterator.report.complete
            except StopAsyncIteration:
                break
            else:
                got.extend([item] if by_rows else item.items)
        assert got == list(range(total))
        assert all(of_error == of_iterator == delivered for of_error, of_iterator, delivered in places)
        assert len(server.asked) == len(places) + iterator.report.pages
        assert iterator.report.rows == total
        assert iterator.report.complete

    anyio.run(run)


async def test_the_checkpoint_of_an_error_goes_on_in_another_walk() -> None:
    server = Server(30, script=[None, None, unavailable()])
    iterator = aiter(server.walk())
    rows = [await anext(iterator) for _ in range(20)]
    with pytest.raises(ServerError) as caught:
        await anext(iterator)
    rest = await server.walk(page_size=7, resume=str(caught.value.checkpoint)).collect()
    assert rows + rest == list(range(30))


async def test_an_error_out_of_collect_has_the_checkpoint_of_its_beginning() -> None:
    """`collect` hands out nothing before its end: going on behind the rows that it held would lose them."""
    server = Server(30, script=[None, None, unavailable()])
    with pytest.raises(ServerError) as caught:
        await server.walk(start=3).collect()
    assert caught.value.checkpoint.offset == 3
    assert await server.walk(resume=caught.value.checkpoint).collect() == list(range(3, 30))


async def test_closing_a_row_iterator_loses_nothing_of_its_page() -> None:
    server = Server(30)
    async with aclosing(aiter(server.walk())) as rows:
        first = [await anext(rows) for _ in range(13)]
    assert await listed(rows) == [], "a closed iterator is at its end"
    assert rows.checkpoint.offset == 13
    assert (rows.report.rows, rows.report.complete) == (13, False)
    assert first + await server.walk(resume=rows.checkpoint).collect() == list(range(30))
    await rows.aclose()
    assert rows.checkpoint.offset == 13


async def test_closing_a_page_iterator_ends_it() -> None:
    pages = Server(30).walk().pages()
    await anext(pages)
    await pages.aclose()
    assert await listed(pages) == []
    assert pages.checkpoint.offset == 10
    assert not pages.report.complete


async def test_leaving_the_loop_and_coming_back_goes_on() -> None:
    rows = aiter(Server(30).walk())
    async for row in rows:
        if row == 12:
            break
    assert await listed(rows) == list(range(13, 30))


async def test_a_decode_error_tells_where_its_page_began() -> None:
    server = Server(30, script=[None, DecodeError("The body is not what the API documents.", path="$.rows[3]")])
    with pytest.raises(DecodeError) as caught:
        await listed(server.walk().pages())
    assert (caught.value.offset, caught.value.path) == (10, "$.rows[3]")
    assert caught.value.checkpoint.offset == 10


# -- drift -------------------------------------------------------------------------------------------------------------

DRIFTS: dict[str, tuple[Trouble, list[str]]] = {
    "another offset": (change(offset=0), ["offset"]),
    "a larger total": (change(total=31), ["total"]),
    "a smaller total": (change(total=29), ["total"]),
    "an old page": (change(rows=tuple(range(10)), offset=10), ["repeat"]),
    "a row of the page before": (change(rows=(9, *range(11, 20))), ["repeat"]),
    "a row twice": (change(rows=(10, 10, *range(12, 20))), ["repeat"]),
    "a short page": (change(rows=(10, 11)), ["short"]),
    "no rows": (change(rows=()), ["short"]),
    "a long page": (change(rows=tuple(range(10, 21))), ["long"]),
    "all at once": (change(rows=(9,), offset=9, total=12), ["offset", "total", "short", "repeat"]),
}
drifting = pytest.mark.parametrize(("trouble", "found"), DRIFTS.values(), ids=DRIFTS.keys())


@drifting
async def test_drift_raises_with_figures_and_a_checkpoint(trouble: Trouble, found: list[str]) -> None:
    server = Server(30, script=[None, trouble])
    pages = server.walk().pages()
    await anext(pages)
    with pytest.raises(PaginationDriftError, match=r"^the rows: .* on the page from row 10") as caught:
        await anext(pages)
    assert kinds(caught.value) == found
    assert caught.value.checkpoint == pages.checkpoint
    assert caught.value.checkpoint.offset == 10
    assert pages.report.drift == ()
    # The server has settled: the same iterator, and another one, go on with no row lost or doubled.
    assert await server.walk(resume=caught.value.checkpoint).collect() == list(range(10, 30))
    assert [row for page in await listed(pages) for row in page.items] == list(range(10, 30))


@drifting
async def test_with_warn_drift_stands_in_the_report_and_the_walk_goes_on(trouble: Trouble, found: list[str]) -> None:
    server = Server(30, script=[None, trouble])
    pages = server.walk(on_drift="warn").pages()
    first, second = await anext(pages), await anext(pages)
    assert [drift.kind for drift in pages.report.drift] == found
    assert all(drift.offset == 10 for drift in pages.report.drift)
    assert first.items == tuple(range(10))
    assert second.items == second.reply.rows, "the rows come as the server sent them"
    assert pages.checkpoint.offset == (12 if second.total == 12 else 20), "what the server owed is not asked for again"
    await listed(pages)
    assert pages.report.complete
    assert pages.report.rows == 10 + len(second.items) + (10 if second.total != 12 else 0)
    assert server.asked == [(0, 10), (10, 10), (20, 10)][: 2 if second.total == 12 else 3]


@drifting
async def test_with_restart_collect_begins_again_when_rows_drift(trouble: Trouble, found: list[str]) -> None:
    server = Server(30, script=[None, trouble, None, trouble])
    assert await server.walk(on_drift="restart").collect() == list(range(30))
    assert [offset for offset, _ in server.asked] == [0, 10, 0, 10, 0, 10, 20]


async def test_with_restart_a_collect_of_rows_that_never_settle_gives_up() -> None:
    server = Server(30, script=[None, change(total=31)] * 9)
    with pytest.raises(PaginationDriftError) as caught:
        await server.walk(on_drift="restart").collect()
    assert kinds(caught.value) == ["total"]
    assert [offset for offset, _ in server.asked] == [0, 10] * 4, "the walk, and three more"
    assert caught.value.checkpoint.offset == 0


@pytest.mark.parametrize("use", ["rows", "pages", "await", "collect"])
async def test_with_restart_a_first_page_that_drifts_is_asked_for_again(use: str) -> None:
    server = Server(30, script=[change(rows=(1,)), change(offset=3), change(rows=())])
    walk = server.walk(on_drift="restart")
    if use == "await":
        assert (await walk).items == tuple(range(10))
        return
    if use == "collect":
        rows = await walk.collect()
    elif use == "rows":
        rows = await listed(aiter(walk))
    else:
        rows = [row for page in await listed(walk.pages()) for row in page.items]
    assert rows == list(range(30))
    assert [offset for offset, _ in server.asked] == [0, 0, 0, 0, 10, 20]


@pytest.mark.parametrize("use", ["pages", "collect"])
async def test_with_restart_a_first_page_that_never_settles_is_given_up(use: str) -> None:
    server = Server(30, script=[change(rows=(1,))] * 40)
    walk = server.walk(on_drift="restart")
    with pytest.raises(PaginationDriftError) as caught:
        await (walk.collect() if use == "collect" else anext(walk.pages()))
    assert caught.value.checkpoint.offset == 0
    assert len(server.asked) == 4, "one, and three more"


async def test_with_restart_nothing_begins_again_once_rows_were_delivered() -> None:
    server = Server(30, script=[None, change(total=31)])
    pages = server.walk(on_drift="restart").pages()
    await anext(pages)
    with pytest.raises(PaginationDriftError):
        await anext(pages)
    assert len(server.asked) == 2


@pytest.mark.parametrize("use", ["pages", "collect"])
async def test_with_restart_nothing_begins_again_from_a_checkpoint(use: str) -> None:
    """The rows before the checkpoint were delivered by another walk: they would not match what comes now."""
    before = Server(30)
    pages = before.walk(on_drift="restart").pages()
    await anext(pages)
    server = Server(31)
    walk = server.walk(on_drift="restart", resume=pages.checkpoint)
    with pytest.raises(PaginationDriftError) as caught:
        await (walk.collect() if use == "collect" else anext(walk.pages()))
    assert kinds(caught.value) == ["total"]
    assert caught.value.checkpoint.offset == 10
    assert len(server.asked) == 1


@given(
    total=st.integers(5, 40),
    page_size=st.integers(2, 10),
    at=st.integers(0, 5),
    moved=st.integers(1, 9),
    grow=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_a_server_that_grows_or_shrinks_under_a_walk_is_never_walked_in_silence(
    total: int, page_size: int, at: int, moved: int, grow: bool
) -> None:
    """Rows are put in, or taken away, at the head after some pages: every later row moves."""

    async def run(on_drift: str) -> tuple[PageIterator[int, Served], list[int], bool]:
        server = Server(total)
        pages = server.walk(page_size=page_size, on_drift=on_drift).pages()
        got: list[int] = []
        for _ in range(at):
            if (page := await anext(pages, None)) is not None:
                got += page.items
        changed = not pages.report.complete and pages.report.pages > 0
        server.rows = [*range(-moved, total)] if grow else [*range(min(moved, total), total)]
        async for page in pages:
            got += page.items
        return pages, got, changed

    pages, got, changed = anyio.run(run, "warn")
    assert bool(pages.report.drift) == changed
    assert pages.report.complete
    assert pages.checkpoint.offset >= total if grow else pages.checkpoint.offset >= 0
    if changed:
        with pytest.raises(PaginationDriftError):
            anyio.run(run, "raise")
    elif pages.report.pages and at:
        assert got == list(range(total))


async def test_rows_that_change_places_over_a_seam_are_noticed() -> None:
    server = Server([*range(30)])
    pages = server.walk().pages()
    await anext(pages)
    server.rows = [*range(9), 10, 9, *range(11, 30)]
    with pytest.raises(PaginationDriftError) as caught:
        await anext(pages)
    assert kinds(caught.value) == ["repeat"]


async def test_with_warn_a_server_that_shrinks_does_not_move_the_checkpoint_back() -> None:
    server = Server(30)
    pages = server.walk(on_drift="warn").pages()
    await anext(pages)
    await anext(pages)
    server.rows = range(5)
    places = [pages.checkpoint.offset]
    async for page in pages:
        assert page.items == ()
        places.append(pages.checkpoint.offset)
    assert all(earlier <= later for earlier, later in pairwise(places))
    assert pages.report.total == 5


async def test_a_server_without_total_that_hands_out_one_page_for_ever_is_left() -> None:
    """It passes over the offset: with "raise" that is a drift, and even with "warn" the walk ends."""
    same = change(rows=tuple(range(10)))
    for on_drift, script in (("raise", [same] * 50), ("warn", [same] * 50)):
        server = Server(500, tell=False, echo=False, script=script)
        pages = server.walk(on_drift=on_drift).pages()
        if on_drift == "raise":
            with pytest.raises(PaginationDriftError, match="10 rows came a second time"):
                await listed(pages)
        else:
            await listed(pages)
            assert [drift.kind for drift in pages.report.drift] == ["repeat"]
        assert len(server.asked) == 2


# -- what a walk is ----------------------------------------------------------------------------------------------------


async def test_awaiting_a_walk_gives_its_first_page() -> None:
    server = Server(30)
    walk = server.walk(start=4, max_items=3)
    page = await walk
    assert (page.items, page.offset, page.total) == ((4, 5, 6), 4, 30)
    assert page.reply.rows == tuple(range(4, 14)), "the whole page as the server sent it"
    assert server.asked == [(4, 10)]


async def test_a_walk_is_a_recipe_and_each_use_starts_afresh() -> None:
    server = Server(15)
    walk = server.walk()
    assert server.asked == []
    assert await walk.collect() == await listed(aiter(walk)) == list(range(15))
    assert await walk == await walk
    one, other = aiter(walk), aiter(walk)
    assert [await anext(one), await anext(one), await anext(other)] == [0, 1, 0]
    assert len(server.asked) == 8


async def test_max_items_0_asks_for_nothing_and_awaiting_it_still_tells_the_total() -> None:
    server = Server(30)
    walk = server.walk(max_items=0)
    assert await walk.collect() == []
    assert server.asked == []
    rows = aiter(walk)
    assert rows.report.complete
    assert rows.checkpoint.offset == 0
    page = await walk
    assert (page.items, page.total) == ((), 30)
    assert len(server.asked) == 1


async def test_a_walk_beyond_the_end_delivers_nothing_and_its_checkpoint_stays() -> None:
    server = Server(30)
    pages = server.walk(start=70).pages()
    assert [page.items for page in await listed(pages)] == [()]
    assert server.asked == [(70, 10)]
    assert pages.report.complete
    assert pages.report.total == 30
    assert pages.checkpoint == Checkpoint("the rows", 70, None, 30)
    assert await server.walk(resume=pages.checkpoint).collect() == []
    assert len(server.asked) == 1


async def test_a_checkpoint_at_the_end_asks_for_nothing_more() -> None:
    server = Server(30)
    rows = aiter(server.walk())
    await listed(rows)
    again = server.walk(resume=rows.checkpoint)
    asked = len(server.asked)
    assert await again.collect() == []
    assert len(server.asked) == asked
    assert (await again).total == 30


async def test_max_items_never_shrinks_a_page() -> None:
    server = Server(500)
    assert await server.walk(page_size=100, max_items=101).collect() == list(range(101))
    assert server.asked == [(0, 100), (100, 100)]


async def test_the_total_is_the_servers_by_one_small_request() -> None:
    server = Server(30)
    assert await server.walk(max_items=3).total() == 30
    assert server.asked == [(0, 1)]
    assert await Server(30, tell=False).walk().total() is None
    assert await Server(0).walk().total() == 0


async def test_report_and_checkpoint_at_each_moment() -> None:
    server = Server(25)
    rows = aiter(server.walk(page_size=10))
    seen = []
    for count in range(26):
        report = rows.report
        assert report.rows == rows.checkpoint.offset == count
        assert report.total == rows.checkpoint.total == (None if count == 0 else 25)
        assert report.complete == (count == 25)
        assert report.seconds >= 0
        assert report.drift == ()
        seen.append(report.pages)
        await anext(rows, None)
    assert seen == [0] + [1] * 10 + [2] * 10 + [3] * 5
    assert await anext(rows, "end") == "end"
    assert await anext(rows, "end") == "end"

    pages = server.walk(page_size=10).pages()
    for delivered in (0, 10, 20, 25):
        assert (pages.report.rows, pages.checkpoint.offset) == (delivered, delivered)
        assert pages.report.complete == (delivered == 25)
        await anext(pages, None)


async def test_a_listener_hears_of_every_page_and_once_of_the_end() -> None:
    heard: list[Any] = []
    server = Server(15)
    pages = server.walk(on_event=heard.append).pages()
    await listed(pages)
    assert await listed(pages) == []
    assert [type(event) for event in heard] == [PageReady, PageReady, WalkDone]
    assert {event.asked for event in heard} == {"the rows"}
    assert [(event.offset, event.rows, event.total) for event in heard[:2]] == [(0, 10, 15), (10, 5, 15)]
    assert (heard[2].rows, heard[2].pages) == (15, 2)


async def test_a_listener_does_not_hear_that_a_closed_walk_is_done() -> None:
    heard: list[Any] = []
    pages = Server(15).walk(on_event=heard.append).pages()
    await anext(pages)
    await pages.aclose()
    assert await listed(pages) == []
    assert WalkDone not in map(type, heard)


# -- misuse ------------------------------------------------------------------------------------------------------------

MISUSES: dict[str, Callable[[Any], Any]] = {
    "for": lambda walk: [row for row in walk],  # noqa: C416  (it is the loop that is tested)
    "list": list,
    "len": len,
    "in": lambda walk: 3 in walk,
    "index": lambda walk: walk[0],
    "slice": lambda walk: walk[:5],
    "with": lambda walk: walk.__enter__(),
    "unpack": lambda walk: [*walk],
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_a_walk_used_like_a_list_says_what_to_write(misuse: Callable[[Any], Any]) -> None:
    server = Server(30)
    with pytest.raises(TypeError, match="async for row in walk"):
        misuse(server.walk())
    assert server.asked == []


def test_a_with_statement_on_a_walk_says_what_to_write() -> None:
    walk: Any = Server(3).walk()
    with pytest.raises(TypeError, match="async for row in walk"), walk:
        pass


def test_a_walk_is_true_even_if_it_is_empty() -> None:
    assert Server(0).walk(max_items=0)


def test_a_walk_that_is_never_used_leaves_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walk = Server(3).walk()
        iterators = [aiter(walk), walk.pages()]
        assert repr(walk) == "<Walk of the rows>"
        del walk, iterators
        gc.collect()


class Slow(Server):
    """Answers when it is told to."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.waiting = anyio.Event()
        self.go = anyio.Event()

    async def send(self, request: Any, **options: Any) -> Any:
        self.waiting.set()
        await self.go.wait()
        return await super().send(request, **options)


@pytest.mark.parametrize("by_rows", [True, False])
async def test_two_tasks_on_one_iterator_are_told_and_nothing_is_lost(by_rows: bool) -> None:
    server = Slow(15)
    walk = server.walk()
    iterator: RowIterator[int, Served] | PageIterator[int, Served] = aiter(walk) if by_rows else walk.pages()
    got: list[Any] = []

    async def read() -> None:
        got.extend([item async for item in iterator])

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await server.waiting.wait()
        with pytest.raises(ClientStateError, match=r"in another task\. Give each task a walk of its own\."):
            await anext(iterator)
        server.go.set()
    rows = got if by_rows else [row for page in got for row in page.items]
    assert rows == list(range(15))


async def test_an_iterator_whose_request_was_cancelled_goes_on() -> None:
    server = Slow(15)
    rows = aiter(server.walk())
    with anyio.move_on_after(0) as scope:
        await anext(rows)
    assert scope.cancelled_caught
    assert rows.checkpoint.offset == 0
    server.go.set()
    assert await listed(rows) == list(range(15))


def test_every_error_out_of_a_walk_is_one_of_ours_with_plain_data() -> None:
    async def run() -> EvalsError:
        server = Server(30, script=[change(offset=3)])
        with pytest.raises(PaginationDriftError) as caught:
            await anext(server.walk().pages())
        return caught.value

    import pickle

    error = anyio.run(run)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.drift, copy.checkpoint) == (str(error), error.drift, error.checkpoint)
