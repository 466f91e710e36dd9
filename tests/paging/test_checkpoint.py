"""A checkpoint as a text: read back as it was, refused if anything about it is wrong."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboflow_evals_async import Checkpoint
from roboflow_evals_async.core.errors import InvalidArgumentError

from .server import Server

COUNTS = st.integers(0, 2**62)
CHECKPOINTS = st.builds(Checkpoint, st.text(max_size=20), COUNTS, st.none() | COUNTS, st.none() | COUNTS)
LETTERS = string.ascii_letters + string.digits + "-_."


@given(CHECKPOINTS)
@settings(deadline=None)
def test_a_checkpoint_is_read_back_as_it_was(checkpoint: Checkpoint) -> None:
    text = checkpoint.encode()
    assert Checkpoint.decode(text) == checkpoint
    assert str(checkpoint) == text
    assert set(text) <= set(LETTERS), "it can be copied with a double click, and stand in a shell unquoted"


def test_a_checkpoint_is_short() -> None:
    assert len(Checkpoint("0123456789abcdef", 1_000_000, 2_000_000, 2_000_000).encode()) < 60


@given(CHECKPOINTS, st.data())
@settings(deadline=None, max_examples=300)
def test_any_changed_letter_is_refused(checkpoint: Checkpoint, data: st.DataObject) -> None:
    text = checkpoint.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(LETTERS + "+/= é").filter(lambda other: other != text[place]))
    with pytest.raises(InvalidArgumentError) as caught:
        Checkpoint.decode(text[:place] + letter + text[place + 1 :])
    assert caught.value.field == "resume"


@pytest.mark.parametrize("name", ["", "a", "ab", "abc"])
def test_a_letter_that_differs_in_bits_without_meaning_is_refused(name: str) -> None:
    """base64 leaves up to four bits of the last letter unused: some texts mean the same, and only one was printed."""
    order = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    checkpoint = Checkpoint(name, 1, None, None)
    text = checkpoint.encode()
    spare = {0: 0, 3: 2, 2: 4}[(len(text) - len("rfe1.")) % 4]
    for bits in range(1, 2**spare):
        with pytest.raises(InvalidArgumentError):
            Checkpoint.decode(text[:-1] + order[order.index(text[-1]) + bits])


@given(CHECKPOINTS, st.data())
@settings(deadline=None)
def test_a_text_cut_short_or_with_something_added_is_refused(checkpoint: Checkpoint, data: st.DataObject) -> None:
    text = checkpoint.encode()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    added = text + data.draw(st.text(min_size=1, max_size=4))
    for wrong in (cut, added):
        with pytest.raises(InvalidArgumentError):
            Checkpoint.decode(wrong)


@pytest.mark.parametrize("text", ["", "rfe1.", "rfe1.AAAA", "rfe2.AAAA", "hello", "rfe1.ä", "rfe1.===="])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot be read\. Pass it exactly as it was printed\.") as caught:
        Checkpoint.decode(text)
    assert caught.value.field == "resume"


def test_the_checkpoint_of_another_query_is_refused() -> None:
    server = Server(30)
    with pytest.raises(InvalidArgumentError, match="another query") as caught:
        server.walk(resume=server.walk(name="other rows").pages().checkpoint)
    assert caught.value.field == "resume"


@pytest.mark.parametrize("max_items", [0, 4, 6, 25])
def test_a_checkpoint_is_not_given_another_end(max_items: int) -> None:
    server = Server(30)
    for made_with in (None, 5):
        checkpoint = server.walk(max_items=made_with).pages().checkpoint
        with pytest.raises(InvalidArgumentError, match="other start and max_items") as caught:
            server.walk(resume=checkpoint, max_items=max_items)
        assert caught.value.field == "resume"


def test_a_checkpoint_may_come_with_the_arguments_that_it_was_made_with() -> None:
    server = Server(30)
    checkpoint = server.walk(start=5, max_items=20).pages().checkpoint
    assert server.walk(start=5, max_items=20, resume=checkpoint)
    assert server.walk(resume=checkpoint)


@pytest.mark.parametrize("resume", [7, b"rfe1.AAAA", ("the rows", 1, None, None)])
def test_something_that_is_no_checkpoint_is_refused(resume: object) -> None:
    with pytest.raises(InvalidArgumentError, match="not a checkpoint") as caught:
        Server(30).walk(resume=resume)
    assert caught.value.field == "resume"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page_size", 0),
        ("page_size", -1),
        ("page_size", 1001),
        ("page_size", True),
        ("page_size", 10.0),
        ("page_size", "10"),
        ("page_size", None),
        ("start", -1),
        ("start", None),
        ("start", 1.5),
        ("max_items", -1),
        ("max_items", True),
        ("max_items", "3"),
        ("on_drift", "ignore"),
        ("on_drift", None),
        ("on_drift", ""),
    ],
)
def test_what_cannot_be_walked_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Server(30).walk(**{field: value})
    assert caught.value.field == field
    assert repr(value) in str(caught.value)
