"""Bodies become structs, or one of two errors; never another exception, never a wrong value."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roboflow_evals_async.core.errors import DecodeError, EvalsError, TruncatedBodyError
from roboflow_evals_async.core.reply import Reply, json_object, without_nulls


class Row(msgspec.Struct, frozen=True):
    name: str
    score: float | None = None
    count: int = 0


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    rows: tuple[Row, ...] = ()
    total: int = -1
    extra: Any = None


SHEET = Reply(Sheet)


def test_a_sound_body_is_read() -> None:
    body = b'{"title":"t","unknown":[1],"rows":[{"name":"a","score":1,"count":2}],"total":1}'
    assert SHEET.decode(body) == Sheet(title="t", rows=(Row("a", 1.0, 2),), total=1)
    assert repr(SHEET) == "Reply(Sheet)"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_becomes_none(word: str) -> None:
    sheet = SHEET.decode(f'{{"title":"t","rows":[{{"name":"a","score":{word}}}]}}'.encode())
    assert sheet.rows == (Row("a", None),)


def test_a_null_where_a_value_belongs_leaves_the_default() -> None:
    sheet = SHEET.decode(b'{"title":"t","total":null,"rows":[{"name":"a","score":null,"count":null}]}')
    assert sheet == Sheet(title="t", rows=(Row("a"),))


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert SHEET.decode(b'{"title":"t","total":2.0}').total == 2


def test_a_part_of_a_number_is_not_lost() -> None:
    with pytest.raises(DecodeError, match=r"\$\.total") as caught:
        SHEET.decode(b'{"title":"t","total":2.5}')
    assert caught.value.path == "$.total"


def test_the_path_of_a_misfit_is_told() -> None:
    with pytest.raises(DecodeError) as caught:
        SHEET.decode(b'{"title":"t","rows":[{"name":"a"},{"name":7}]}')
    assert caught.value.path == "$.rows[1].name"
    assert "$.rows[1].name" in str(caught.value)


def test_a_misfit_of_the_whole_has_the_root_as_its_path() -> None:
    with pytest.raises(DecodeError, match="missing required field `title`") as caught:
        SHEET.decode(b"{}")
    assert caught.value.path == "$"


def test_mending_serves_bodies_that_do_not_fit() -> None:
    calls = []

    def mend(document: dict[str, Any]) -> dict[str, Any]:
        calls.append(document)
        return {"title": document.get("name"), **document}

    lazy = Reply(Sheet, mend=mend)
    assert lazy.decode(b'{"name":"n"}').title == "n"
    assert len(calls) == 1
    assert lazy.decode(b'{"title":"t"}').title == "t"
    assert len(calls) == 1
    assert Reply(Sheet, mend=mend, always=True).decode(b'{"title":"t"}').title == "t"
    assert len(calls) == 2


def test_what_a_mend_cannot_take_is_a_misfit() -> None:
    def overflow(document: dict[str, Any]) -> dict[str, Any]:
        return {"title": f"{document['id']:.0f}"}

    with pytest.raises(DecodeError, match="numbers too large"):
        Reply(Sheet, mend=overflow).decode(b'{"id":1' + b"0" * 400 + b"}")


SAMPLE = json.dumps(
    {
        "title": 'caf\u00e9 \u2028 "quoted\\" \U0001f600',
        "rows": [{"name": "a", "score": -1.5e-3, "count": 12}, {"name": "b", "score": None}],
        "extra": [True, False, None, {}, [], "x\\", 0.25, 1e10],
        "total": 2,
    }
)
WHOLE = Sheet(
    title='caf\u00e9 \u2028 "quoted\\" \U0001f600',
    rows=(Row("a", -0.0015, 12), Row("b")),
    extra=[True, False, None, {}, [], "x\\", 0.25, 1e10],
    total=2,
)


@pytest.mark.parametrize("body", [SAMPLE.encode(), json.dumps(json.loads(SAMPLE), ensure_ascii=False).encode()])
def test_a_body_cut_anywhere_is_a_cut_body(body: bytes) -> None:
    assert SHEET.decode(body) == WHOLE
    for length in range(len(body)):
        with pytest.raises(TruncatedBodyError):
            SHEET.decode(body[:length])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<!doctype html><html>", "an HTML page"),
        (b"  <html>", "an HTML page"),
        (b"upstream error", "no valid JSON"),
        (b'{"title":"t"}x', "no valid JSON"),
        (b'{"title":"\\uzzzz"}', "no valid JSON"),
        (b"[1,2]", "a JSON list"),
        (b'"text"', "a JSON str"),
        (b"null", "a JSON NoneType"),
        (b"[" * 100_000 + b"]" * 100_000, "not readable"),
        (b'{"title":"\xff"}', "not readable"),
        (b'{"total":' + b"9" * 5000 + b"}", "not readable"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_no_json_object_is_said(body: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        SHEET.decode(body)
    with pytest.raises(DecodeError, match=text):
        json_object(body)


@pytest.mark.parametrize("body", [b"", b" \n", b"{", b'{"title"', b'{"title":"t"', b'{"title":"t","total":'])
def test_an_end_too_early_is_told_from_nonsense(body: bytes) -> None:
    with pytest.raises(TruncatedBodyError, match=f"after {len(body)} bytes"):
        SHEET.decode(body)


def test_nesting_beyond_pythons_depth_is_a_misfit() -> None:
    # How deep is too deep, and so which road notices, depends on the caller's own depth.
    with pytest.raises(DecodeError):
        SHEET.decode(b'{"title":null,"total":"q","extra":' + b'{"x":' * 900 + b"1" + b"}" * 901)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,.0123456789eE+-truefalsn\\u ', max_size=40).map(str.encode))
def test_no_body_raises_anything_else(body: bytes) -> None:
    try:
        SHEET.decode(body)
    except EvalsError as error:
        assert type(error) in (DecodeError, TruncatedBodyError)  # noqa: PT017


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_every_object_is_read_as_python_reads_it(document: dict[str, Any]) -> None:
    assert json_object(json.dumps(document).encode()) == document


def test_nulls_keep_their_place_in_arrays() -> None:
    assert without_nulls({"a": None, "b": [None, {"c": None, "d": 0}]}) == {"b": [None, {"d": 0}]}
