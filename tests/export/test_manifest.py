"""Reading what a kill may have torn, and which line holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from roboflow_evals_async import InvalidArgumentError
from roboflow_evals_async.export.manifest import (
    SCHEMA_VERSION,
    ErrorBook,
    Manifest,
    Settings,
    UnitLine,
    read_lines,
    whole_lines,
)
from roboflow_evals_async.export.plan import Unit
from roboflow_evals_async.export.summary import UnitError

LINE = UnitLine(
    eval_id="e",
    table="images",
    split="test",
    confidence=None,
    first_row=0,
    rows=3,
    bytes=30,
    sha256="00",
    total=6,
    all_total=None,
    created_at="c",
    finished_at="f",
)
HEAD = LINE.unit
LINES = st.lists(
    st.builds(
        lambda row, size, total, text: replace(LINE, first_row=row, bytes=size, total=total, finished_at=text),
        st.sampled_from([0, 3, 6]),
        st.integers(0, 9),
        st.sampled_from([6, 9]),
        st.text(max_size=4),
    ),
    max_size=12,
)


def encoded(lines: list[UnitLine]) -> bytes:
    return msgspec.json.Encoder().encode_lines(lines)


@given(LINES, st.integers(0, 2000))
def test_a_cut_loses_the_torn_line_and_no_other(lines: list[UnitLine], cut: int) -> None:
    data = encoded(lines)[:cut]
    whole = data.count(b"\n")
    assert list(read_lines(data, UnitLine)) == lines[:whole]
    assert whole_lines(data) == encoded(lines[:whole])


@given(LINES, st.binary(max_size=40).filter(lambda junk: b"\n" not in junk), st.integers(0, 12))
def test_junk_between_lines_is_passed_over(lines: list[UnitLine], junk: bytes, at: int) -> None:
    data = encoded(lines[:at]) + junk + b"\n" + encoded(lines[at:])
    assert list(read_lines(data, UnitLine)) == lines


@given(lines=LINES, cut=st.integers(0, 3000))
def test_the_last_line_holds_and_editions_do_not_mix(
    tmp_path_factory: pytest.TempPathFactory, lines: list[UnitLine], cut: int
) -> None:
    path = tmp_path_factory.mktemp("m") / "_manifest.jsonl"
    path.write_bytes(encoded(lines)[:cut])
    read = list(read_lines(path.read_bytes(), UnitLine))
    manifest = Manifest(path)
    expected: dict[Unit, UnitLine] = {}
    for line in read:
        if expected and next(iter(expected.values())).total != line.total:
            expected = {}
        expected[line.unit] = line
    assert dict(manifest.parts(HEAD)) == expected
    last = replace(LINE, total=99)
    manifest.add(last)
    assert list(read_lines(path.read_bytes(), UnitLine)) == [*read, last]
    assert dict(Manifest(path).parts(HEAD)) == {HEAD: last}


def test_errors_are_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "_errors.jsonl"
    one, two = UnitError("a", "images", "test", "ServerError", "x"), UnitError("b", None, None, "ServerError", "y")
    book = ErrorBook(path)
    book.settle("a", [one], "t1")
    book.settle("b", [two], "t1")
    book.settle("a", [replace(one, message="z")], "t2")
    book.close()
    assert [line["message"] for line in map(msgspec.json.decode, path.read_bytes().splitlines())] == ["y", "z"]
    book = ErrorBook(path)
    book.settle("b", [], "t3")
    path.write_bytes(path.read_bytes() + b'{"eval_id":"a","tab')  # killed before it was tidied up
    book = ErrorBook(path)
    book.close()
    assert [line["message"] for line in map(msgspec.json.decode, path.read_bytes().splitlines())] == ["z"]
    book = ErrorBook(path)
    book.settle("a", [], "t4")
    book.close()
    assert not path.exists()


def test_settings_that_differ_are_named() -> None:
    there = Settings("w", ("evals", "images"), "all", None, "jsonl")
    there.check(replace(there, tool_version="0.0.1").encode())
    for name, value, text in [
        ("workspace", "v", "workspace=v"),
        ("tables", ("evals",), "tables=evals, and now tables=evals,images"),
        ("split", "test", "split=test, and now split=all"),
        ("confidence", 20, "confidence=20, and now confidence=None"),
        ("schema_version", SCHEMA_VERSION + 1, "newer version"),
    ]:
        with pytest.raises(InvalidArgumentError, match=text) as refused:
            there.check(replace(there, **{name: value}).encode())
        assert refused.value.field == "out"


@pytest.mark.parametrize("found", [b"{", b"[]", b'{"schema_version":1}', b'{"schema_version":"x"}'])
def test_settings_that_cannot_be_read_are_refused(found: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match=r"_export\.json cannot be read"):
        Settings("w", ("evals",), "all", None, "jsonl").check(found)
