"""Offset arithmetic, and the state of a walk: exactly the rows asked, once, in order, with no request too many."""

from math import ceil
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboflow_evals_async.paging.checkpoint import Checkpoint
from roboflow_evals_async.paging.cursor import Cursor, plan_walk
from roboflow_evals_async.paging.window import Drift, Facts, Repeats, Window, drifts, end_of, next_window, step_of

from .server import Server, rows_query

SMALL = st.integers(0, 60)
SIZES = st.integers(1, 70)


def collected(server: Server, **options: Any) -> list[int]:
    """The rows of a walk."""
    return anyio.run(server.walk(**options).collect)


@given(total=SMALL, page_size=SIZES, start=SMALL, max_items=st.none() | SMALL, cap=st.none() | SIZES, data=st.data())
@settings(deadline=None, max_examples=300)
def test_a_walk_delivers_exactly_the_rows_asked_with_the_fewest_requests(
    total: int, page_size: int, start: int, max_items: int | None, cap: int | None, data: st.DataObject
) -> None:
    # A server that clamps says so; a server that is silent does not clamp.
    echo = data.draw(st.booleans()) if cap is None else True
    server = Server(total, cap=cap, echo=echo)
    due = list(range(total))[start : None if max_items is None else start + max_items]

    assert collected(server, page_size=page_size, start=start, max_items=max_items) == due

    step = page_size if cap is None else min(page_size, cap)
    # The first request of a walk beyond the end is how the end becomes known.
    expected = 0 if max_items == 0 else max(1, ceil(len(due) / step))
    assert len(server.asked) == expected
    assert all(offset < total for offset, _ in server.asked[1:])
    assert [offset for offset, _ in server.asked] == [start + step * index for index in range(expected)]


@given(
    total=SMALL, page_size=SIZES, start=SMALL, max_items=st.none() | SMALL, cap=st.none() | SIZES, echo=st.booleans()
)
@settings(deadline=None, max_examples=200)
def test_without_a_total_a_walk_ends_at_an_empty_page_and_loses_nothing(
    total: int, page_size: int, start: int, max_items: int | None, cap: int | None, echo: bool
) -> None:
    """Here even a clamp that the server keeps to itself costs no row: the walk goes on after what came."""
    server = Server(total, cap=cap, echo=echo, tell=False)
    due = list(range(total))[start : None if max_items is None else start + max_items]

    assert collected(server, page_size=page_size, start=start, max_items=max_items) == due

    assert len([offset for offset, _ in server.asked if offset >= total]) <= 1, "one empty page says enough"


@given(
    total=SMALL,
    offset=SMALL,
    stop=st.none() | SMALL,
    known=st.booleans(),
    page_size=SIZES,
    cap=st.none() | SIZES,
)
@settings(deadline=None, max_examples=200)
def test_a_walk_from_a_checkpoint_asks_for_nothing_before_it_or_past_the_end(
    total: int, offset: int, stop: int | None, known: bool, page_size: int, cap: int | None
) -> None:
    server = Server(total, cap=cap)
    resume = Checkpoint("the rows", offset, stop, total if known else None)

    assert collected(server, page_size=page_size, resume=resume) == list(range(total))[offset:stop]

    assert all(asked >= offset for asked, _ in server.asked)
    if known:
        assert all(asked < total for asked, _ in server.asked)


@pytest.mark.parametrize(
    ("facts", "total", "step"),
    [
        (Facts(100, 500, 0, 100), 500, 100),
        (Facts(40, 500, 0, 40), 500, 40),
        (Facts(40, 500, 0, None), 500, 100),
        (Facts(7, 7, 0, 100), 7, 100),
        (Facts(100, 500, 0, 1000), 500, 100),
        (Facts(100, 500, 0, 0), 500, 100),
        (Facts(100, 500, 0, -5), 500, 100),
        (Facts(40, None, None, None), None, 40),
        (Facts(40, None, 0, 100), None, 40),
        (Facts(0, None, None, None), None, 100),
        (Facts(140, None, None, None), None, 100),
    ],
)
def test_the_step_is_the_window_asked_or_the_limit_admitted_and_without_a_total_what_came(
    facts: Facts, total: int | None, step: int
) -> None:
    assert step_of(Window(0, 100), facts, total) == step


def test_the_window_after_the_last_row_is_none() -> None:
    assert next_window(Window(90, 10), 10, 100) is None
    assert next_window(Window(90, 10), 10, 101) == Window(100, 10)
    assert next_window(Window(500, 10), 10, 100) is None, "beyond the end counts as the end"
    assert next_window(Window(90, 10), 10, None) == Window(100, 10)


@pytest.mark.parametrize(
    ("total", "stop", "end"), [(None, None, None), (5, None, 5), (None, 5, 5), (5, 9, 5), (9, 5, 5), (0, 5, 0)]
)
def test_the_end_is_the_total_or_the_stop_whichever_comes_first(
    total: int | None, stop: int | None, end: int | None
) -> None:
    assert end_of(total, stop) == end


WINDOW = Window(20, 10)


@pytest.mark.parametrize(
    ("facts", "known", "found"),
    [
        (Facts(10, 100, 20, 10), 100, []),
        (Facts(10, 100, 20, 10), None, []),
        (Facts(10, None, None, None), 100, []),
        (Facts(3, 23, 20, 10), 23, []),
        (Facts(0, 5, 20, 10), None, []),
        (Facts(4, 100, 20, 4), 100, []),
        (Facts(3, None, None, None), None, []),
        (Facts(10, 100, 30, 10), 100, [Drift("offset", 20, 20, 30)]),
        (Facts(10, 101, 20, 10), 100, [Drift("total", 20, 100, 101)]),
        (Facts(9, 100, 20, 10), 100, [Drift("short", 20, 10, 9)]),
        (Facts(0, 100, 20, 10), 100, [Drift("short", 20, 10, 0)]),
        (Facts(2, 23, 20, 10), None, [Drift("short", 20, 3, 2)]),
        (Facts(9, None, None, None), 100, [Drift("short", 20, 10, 9)]),
        (Facts(11, 100, 20, 10), 100, [Drift("long", 20, 10, 11)]),
        (Facts(11, None, None, None), None, [Drift("long", 20, 10, 11)]),
        (Facts(5, 23, 20, 10), 23, [Drift("long", 20, 3, 5)]),
        (Facts(1, 5, 20, 10), 5, [Drift("long", 20, 0, 1)]),
        (Facts(5, 25, 0, 10), 100, [Drift("offset", 20, 20, 0), Drift("total", 20, 100, 25)]),
    ],
)
def test_a_page_is_held_against_what_it_must_be(facts: Facts, known: int | None, found: list[Drift]) -> None:
    assert drifts(WINDOW, facts, known) == found


@pytest.mark.parametrize(
    ("drift", "text"),
    [
        (Drift("offset", 20, 20, 0), "the server answered with rows from 0 on the page from row 20"),
        (Drift("total", 20, 9, 8), "the total changed from 9 to 8 on the page from row 20"),
        (Drift("short", 20, 10, 9), "9 rows instead of 10 on the page from row 20"),
        (Drift("long", 20, 10, 11), "11 rows instead of 10 on the page from row 20"),
        (Drift("repeat", 20, 0, 2), "2 rows came a second time on the page from row 20"),
    ],
)
def test_a_drift_says_its_figures(drift: Drift, text: str) -> None:
    assert str(drift) == text


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=6))
@settings(deadline=None)
def test_repeats_of_a_small_walk_are_counted_exactly(pages: list[list[int]]) -> None:
    repeats: Repeats[int] = Repeats(lambda row: row)
    seen: set[int] = set()
    for page in pages:
        assert repeats.count(page, 30) == len(page) - len(set(page)) + len(set(page) & seen)
        repeats.keep()
        seen |= set(page)


@given(shift=st.integers(1, 1000), page=st.integers(1, 98))
@settings(deadline=None)
def test_rows_that_move_across_a_seam_are_noticed_however_many(shift: int, page: int) -> None:
    """A walk far too large to be remembered, whose rows move back by `shift` before one of its pages."""
    repeats: Repeats[int] = Repeats(lambda row: row)
    total = 5_000_000
    for number in range(page):
        assert repeats.count(range(1000 * number, 1000 * number + 1000), total) == 0
        repeats.keep()
    assert repeats.count(range(1000 * page - shift, 1000 * page + 1000 - shift), total) > 0


@given(first=st.integers(0, 40), then=st.integers(1, 40))
@settings(deadline=None)
def test_a_page_handed_out_again_is_noticed_however_old(first: int, then: int) -> None:
    repeats: Repeats[int] = Repeats(lambda row: row)
    total = 5_000_000
    for number in range(first + then):
        repeats.count(range(1000 * number, 1000 * number + 1000), total)
        repeats.keep()
    assert repeats.count(range(1000 * first, 1000 * first + 1000), total) > 0


def test_what_is_remembered_is_bounded() -> None:
    repeats: Repeats[int] = Repeats(lambda row: row)
    for number in range(3000):
        repeats.count(range(1000 * number, 1000 * number + 1000), 3_000_000)
        repeats.keep()
    assert len(repeats._held) <= 12_000


def test_rows_counted_but_not_kept_are_not_repeats_the_next_time() -> None:
    repeats: Repeats[int] = Repeats(lambda row: row)
    assert repeats.count([1, 2, 3], 9) == 0
    assert repeats.count([1, 2, 3], 9) == 0, "the page was refused, and comes again"
    repeats.keep()
    assert repeats.count([1, 2, 3], 9) == 3


def test_a_cursor_does_not_move_for_a_page_that_does_not_fit() -> None:
    pages = rows_query()
    cursor = Cursor(pages, plan_walk(pages, page_size=10, start=0, max_items=None, on_drift="raise", resume=None))
    server = Server(30)
    window = cursor.window
    assert window is not None

    async def ask(offset: int) -> Any:
        return await server.send(pages.request(offset, 10))

    before = cursor.checkpoint(0)
    with pytest.raises(Exception, match="rows from 20"):
        cursor.accept(window, anyio.run(ask, 20))
    assert cursor.window == window
    assert cursor.checkpoint(0) == before
    assert cursor.report(0).rows == 0
    assert cursor.accept(window, anyio.run(ask, 0)).items == tuple(range(10))
    assert cursor.window == Window(10, 10)
