"""Requests are built so that no value can change the address, and what cannot be is refused before sending."""

from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from roboflow_evals_async.core.errors import InvalidArgumentError
from roboflow_evals_async.core.reply import Reply
from roboflow_evals_async.core.request import Request, choice, integer, query, segment

ANY: Reply[Any] = Reply(dict)


@given(st.text() | st.sampled_from(["a/b", "a?b", "a#b", "../x", "%2F", "a b", "é", "a;b", "a&b=c", "...", "\\"]))
def test_an_accepted_segment_stays_one_segment(value: str) -> None:
    try:
        quoted = segment(value, "name")
    except InvalidArgumentError as error:
        assert error.field == "name"  # noqa: PT017
        assert not value.strip() or value in {".", ".."} or not value.isprintable()
        return
    assert unquote(quoted) == value
    assert quoted.isascii()
    assert not set(quoted) & set("/?#&;\\ ")
    assert quoted not in {".", ".."}


@pytest.mark.parametrize("value", ["", " ", "\t", ".", "..", "compare", "a\nb", "a\x00", "\u202e", None, 7, b"x"])
def test_what_names_nothing_or_something_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        segment(value, "eval_id", reserved=("compare",))
    assert caught.value.field == "eval_id"
    assert caught.value.attempts == 0


def test_a_reserved_word_is_free_elsewhere() -> None:
    assert segment("compare", "model_id") == "compare"


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.none() | st.integers() | st.text(), min_size=1))
def test_what_is_set_is_sent_in_order_and_quoted(parameters: dict[str, Any]) -> None:
    sent = query(**parameters)
    assert sent == tuple((name, str(value)) for name, value in parameters.items() if value is not None)
    assume(all(char < "\ud800" or char > "\udfff" for _, value in sent for char in value))
    path, _, text = Request("/p", ANY, sent).target.partition("?")
    assert path == "/p"
    assert tuple(parse_qsl(text, keep_blank_values=True)) == sent


def test_no_parameters_no_question_mark() -> None:
    assert Request("/p", ANY, query(a=None)).target == "/p"


def test_a_request_moves_below_a_parent_and_stays_as_it_is() -> None:
    request = Request("/p", ANY, query(a=1), "the p")
    below = request.within("/w")
    assert below.target == "/w/p?a=1"
    assert (below.reply, below.asked) == (ANY, "the p")
    assert request.path == "/p"


def test_a_choice_is_one_of_the_offered() -> None:
    assert choice("test", "split", ("train", "test")) == "test"
    for wrong in ("Test", "", None, ["test"]):
        with pytest.raises(InvalidArgumentError, match="Use one of: train, test") as caught:
            choice(wrong, "split", ("train", "test"))  # type: ignore[arg-type]
        assert caught.value.field == "split"


@given(st.integers(-5, 110))
def test_an_integer_lies_in_its_span(value: int) -> None:
    if 0 <= value <= 100:
        assert integer(value, "confidence", 0, 100) == value
    else:
        with pytest.raises(InvalidArgumentError, match="from 0 to 100") as caught:
            integer(value, "confidence", 0, 100)
        assert caught.value.field == "confidence"


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_only_looks_like_an_integer_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="of at least 0"):
        integer(value, "limit", 0)


def test_without_an_upper_end_any_size_goes() -> None:
    assert integer(10**9, "start", 0) == 10**9
