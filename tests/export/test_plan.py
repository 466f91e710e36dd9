"""The arithmetic of units, their places, and the table of rows seen."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboflow_evals_async import InvalidArgumentError
from roboflow_evals_async.export import plan
from roboflow_evals_async.export.images import ImagesPage, marks, mismatch, strays
from roboflow_evals_async.export.plan import ROWS_PER_PART, Unit
from roboflow_evals_async.export.seen import Seen
from roboflow_evals_async.export.tables import ImageKey
from roboflow_evals_async.paging.cursor import Page
from roboflow_evals_async.roboflow.payloads import ImagePrediction, ImagePredictionsPage, Split

TOTALS = st.one_of(
    st.integers(0, 3), st.integers(0, 12 * ROWS_PER_PART), st.sampled_from([ROWS_PER_PART + d for d in (-1, 0, 1)])
)


@given(TOTALS)
def test_parts_cover_each_row_once_and_in_order(total: int) -> None:
    units = plan.parts(Unit("e", "images", "test"), total)
    at = 0
    for unit in units:
        assert unit.first_row == at
        due = plan.rows_due(unit, total)
        assert 0 < due <= ROWS_PER_PART or total == due == 0
        at += due
    assert at == total
    assert units  # a split without images has one unit, which says so


def test_an_unknown_total_is_one_part() -> None:
    assert plan.parts(Unit("e", "images", "test"), None) == (Unit("e", "images", "test"),)


@given(
    st.lists(st.text(min_size=1)), st.permutations(["evals", "images"]), st.dictionaries(st.sampled_from("abc"), TOTALS)
)
def test_a_plan_does_not_depend_on_the_order_asked(ids: list[str], tables: list[str], totals: dict[str, int]) -> None:
    known = {Unit(eval_id, "images", "test"): total for eval_id, total in totals.items()}
    one = plan.plan([*ids, "a"], tables, "all", None, known)
    assert one == plan.plan(["a", *reversed(ids), "a"], plan.TABLES, "all", None, known)
    assert len(one) == len(set(one))
    assert [unit.eval_id for unit in one] == sorted(unit.eval_id for unit in one)
    assert len({plan.path(unit, "jsonl") for unit in one}) == len(one)


def test_the_places() -> None:
    def at(unit: Unit) -> str:
        return str(plan.path(unit, "jsonl"))

    assert at(Unit("e", "evals")) == "evals/eval_id=e/part-00000.jsonl"
    assert at(Unit("e", "images", "test")) == "images/eval_id=e/split=test/part-00000.jsonl"
    assert at(Unit("e", "images", "test", 20, 2 * ROWS_PER_PART)) == (
        "images/eval_id=e/confidence=20/split=test/part-00002.jsonl"
    )


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(["..", ".", "/", "../../etc", "a/b", "\0", "=", "%2F"]),
    )
)
def test_no_id_leaves_its_folder(eval_id: str) -> None:
    path = plan.path(Unit(eval_id, "evals"), "jsonl")
    assert len(path.parts) == 3
    assert path.parts[0] == "evals"
    assert PurePosixPath(path.parts[1]).name == path.parts[1] not in (".", "..")
    assert unquote(path.parts[1].removeprefix("eval_id=")) == eval_id
    assert "\0" not in path.parts[1]


@pytest.mark.parametrize(("split", "count"), [("all", 3), ("test", 1)])
def test_the_heads_of_a_split(split: plan.SplitOrAll, count: int) -> None:
    assert len(plan.heads("e", ("images",), split, None)) == count
    assert plan.heads("e", ("evals",), split, 20) == (Unit("e", "evals"),)


def test_units_say_what_they_are() -> None:
    assert str(Unit("e", "evals")) == "evals of e"
    assert str(Unit("e", "images", "test", None, 7)) == "images test of e from row 7"
    assert Unit("e", "images", "test", None, 7).head == Unit("e", "images", "test")


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1).filter(bool), max_size=900), max_size=6))
def test_what_was_seen(pages: list[list[int]]) -> None:
    seen, real = Seen(), set[int]()
    for page in pages:
        assert seen.add(page) == len(page) - len(set(page) - real)
        real |= set(page)


@pytest.mark.parametrize(
    ("eval_id", "fits"), [("x" * 247, True), ("x" * 248, False), ("ü" * 41, True), ("ü" * 42, False)]
)
def test_an_id_must_fit_into_a_name(eval_id: str, fits: bool) -> None:
    assert (len(plan.path(Unit(eval_id, "evals"), "jsonl").parts[1]) <= 255) == fits
    if fits:
        plan.check_id(eval_id)
    else:
        with pytest.raises(InvalidArgumentError) as refused:
            plan.check_id(eval_id)
        assert refused.value.field == "evals"


def page_of(echo: str | None, *splits: Split | None) -> ImagesPage:
    images = tuple(ImagePrediction(image_id="i", image_name="n", split=split) for split in splits)
    return Page(images, 0, len(images), ImagePredictionsPage(split=echo, images=images))


@pytest.mark.parametrize(
    ("echo", "splits", "other"),
    [
        ("test", [Split.TEST, None], set()),
        (None, [Split.TEST, None], set()),
        (None, [], set()),
        ("train", [None], {"train"}),
        ("train", [Split.TEST, None], {"train"}),
        ("train", [], {"train"}),
        ("test", [Split.TEST, Split.VALID], {"valid"}),
        ("all", [Split.TEST], set()),
    ],
)
def test_rows_that_do_not_tell_their_split_are_of_the_page_s(
    echo: str | None, splits: list[Split | None], other: set[str]
) -> None:
    assert strays(page_of(echo, *splits), "test") == other


def test_rows_without_a_name_are_no_repeats() -> None:
    seen = Seen()
    named = [ImageKey("i", "a"), ImageKey("i", "b"), ImageKey(None, "a")]
    assert seen.add(marks([*named, ImageKey("i", None), ImageKey("i", None), ImageKey(None, None)])) == 0
    assert seen.add(marks([ImageKey("i", None), ImageKey(None, None)])) == 0
    assert seen.add(marks(named)) == 3


def test_many_seen() -> None:
    seen = Seen()
    marks = [hash((str(row), "name")) for row in range(20_000)]
    assert [seen.add(marks[at : at + 1000]) for at in range(0, 20_000, 1000)] == [0] * 20
    assert seen.add(marks) == 20_000
    assert Seen().add([0, 0, 5]) == 1


def test_a_sum_that_is_wrong_is_told() -> None:
    assert mismatch({"train": 1, "test": 2}, 3) is None
    assert mismatch({"train": 1, "test": 2}, 4) == (
        "The splits have 3 images (train 1, test 2), and all splits together 4."
    )
