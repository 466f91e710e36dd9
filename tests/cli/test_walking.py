"""`image-predictions` as a walk: reading ahead, stopping on the way, and going on."""

import shlex
import signal
from hashlib import sha256

import pytest

from roboflow_evals_async.paging.checkpoint import Checkpoint
from roboflow_evals_async.roboflow import endpoints
from roboflow_evals_async.testing import Fault, Faults, RecordedRequest, StandIn

from .conftest import Result, Rfevals, Start, settings


class PageMatch:
    """Matches the requests of the page from a row on."""

    def __init__(self, offset: int) -> None:
        self.offset = str(offset)

    def __call__(self, request: RecordedRequest) -> bool:
        return request.query.get("offset") == self.offset


def told(text: str) -> list[str]:
    """The words of the command that goes on."""
    before, _, command = text.partition("goes on where it stopped: ")
    assert before
    program, *words = shlex.split(command.strip())
    assert program == "rfevals"
    return words


@pytest.mark.parametrize("pages", ["0", "1", "8"])
def test_reading_ahead_prints_the_same(rfevals: Rfevals, large: str, pages: str) -> None:
    for argv in (("--json",), ("--split", "train")):
        plain = rfevals("image-predictions", large, *argv)
        ahead = rfevals("image-predictions", large, *argv, "--prefetch", pages)
        assert (ahead.code, ahead.err) == (0, "")
        assert sha256(ahead.out.encode()).digest() == sha256(plain.out.encode()).digest()


def test_reading_ahead_has_pages_under_way(
    rfevals: Rfevals, faults: Faults, served: StandIn, large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roboflow_evals_async.cli.images.MAX_PAGE_SIZE", 200)
    faults.always("image-predictions", Fault.slow(0.02))
    for argv, most in (((), 1), (("--prefetch", "8"), 8), (("--prefetch", "8", "--max-concurrency", "2"), 2)):
        served.max_in_flight = 0
        assert len(rfevals("image-predictions", large, "--json", *argv).lines) == 3400
        assert 1 < served.max_in_flight <= most if most > 1 else served.max_in_flight == 1


def test_a_page_that_came_cut_is_asked_for_again(rfevals: Rfevals, faults: Faults, large: str) -> None:
    whole = rfevals("image-predictions", large, "--json")
    # The length that is promised is that of the cut body: only reading it tells.
    faults.script(PageMatch(2000), Fault.rewritten(lambda body: body[: len(body) // 2]))
    assert rfevals("image-predictions", large, "--json", "--prefetch", "4") == whole


@pytest.mark.parametrize("number", ["-1", "some", "1.5"])
def test_a_bad_number_of_pages(rfevals: Rfevals, large: str, number: str) -> None:
    result = rfevals("image-predictions", large, "--prefetch", number)
    assert (result.code, result.err.count("\n")) == (64, 1)
    assert "--prefetch" in result.err


@pytest.mark.parametrize("ahead", [(), ("--prefetch", "3")])
def test_a_walk_that_a_deadline_stopped_goes_on(
    rfevals: Rfevals, faults: Faults, large: str, ahead: tuple[str, ...]
) -> None:
    whole = rfevals("image-predictions", large, "--json").out
    faults.always(PageMatch(2000), Fault.stalled())
    first = rfevals("image-predictions", large, "--json", *ahead, "--deadline", "1")
    assert (first.code, len(first.lines), first.error["code"]) == (8, 2000, "deadline_exceeded")
    faults.clear()
    words = told(first.error["hint"])
    assert ("--prefetch" in words, "--deadline" in words) == (bool(ahead), False)
    rest = rfevals(*words)
    assert (rest.code, rest.err) == (0, "")
    assert first.out + rest.out == whole


@pytest.mark.parametrize("ahead", [(), ("--prefetch", "3")])
def test_a_walk_that_an_outage_stopped_goes_on(
    rfevals: Rfevals, faults: Faults, large: str, ahead: tuple[str, ...]
) -> None:
    whole = rfevals("image-predictions", large, "--json").out
    faults.always(PageMatch(2000), Fault.server_error())
    first = rfevals("image-predictions", large, "--json", *ahead, "--retries", "0")
    assert (first.code, len(first.lines)) == (1, 2000)
    words = told(first.error["hint"])
    assert words[-2:] == ["--retries", "0"]
    # Still no luck: there is nothing new to go on from, and the command to repeat is the one that was typed.
    again = rfevals(*words)
    assert (again.code, again.out) == (1, "")
    assert "--resume" not in again.error["hint"]
    faults.clear()
    assert first.out + rfevals(*words).out == whole


def test_people_are_told_in_a_line_of_its_own(rfevals: Rfevals, faults: Faults, large: str) -> None:
    faults.always(PageMatch(2000), Fault.server_error())
    first = rfevals("image-predictions", large, "-q", "--retries", "0")
    assert (first.code, len(first.lines), first.err.count("\n")) == (1, 2001, 2)
    faults.clear()
    words = told(first.err)
    assert "--json" not in words
    # The header again, and the rest.
    assert len(rfevals(*words, "-q").lines) == 1401


def test_before_the_first_row_there_is_nothing_to_go_on_from(rfevals: Rfevals, faults: Faults, large: str) -> None:
    faults.always("image-predictions", Fault.server_error())
    result = rfevals("image-predictions", large, "--retries", "0")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "--resume" not in result.err


def test_after_a_drift_the_choice_is_told(rfevals: Rfevals, faults: Faults, large: str) -> None:
    whole = rfevals("image-predictions", large, "--json").out
    faults.script(PageMatch(1000), Fault.changed_total(3000))
    plain = rfevals("image-predictions", large)
    assert plain.code == 1
    assert "run again meanwhile? Then repeat the command." in plain.err
    assert plain.err.splitlines()[1].startswith("If it was not, this goes on where it stopped: rfevals ")
    faults.script(PageMatch(1000), Fault.changed_total(3000))
    first = rfevals("image-predictions", large, "--json", "-q")
    assert first.code == 1
    assert first.out + rfevals(*told(first.error["hint"])).out == whole


def test_a_checkpoint_of_a_part_ends_with_it(rfevals: Rfevals, large: str) -> None:
    query = endpoints.image_predictions(large)
    given = str(Checkpoint(query.fingerprint, 990, 2005, 3400))
    whole = rfevals("image-predictions", large, "--json").lines
    for ahead in ((), ("--prefetch", "2")):
        assert rfevals("image-predictions", large, "--json", "--resume", given, *ahead).lines == whole[990:2005]
    ended = str(Checkpoint(query.fingerprint, 3400, None, 3400))
    assert rfevals("image-predictions", large, "--resume", ended) == Result(0, "", "")


@pytest.mark.parametrize("argv", [("--split", "test"), ("-n", "5"), ("-o", "5"), ("--resume", "rfe1.nonsense")])
def test_a_checkpoint_that_does_not_fit_is_refused(
    rfevals: Rfevals, served: StandIn, large: str, argv: tuple[str, ...]
) -> None:
    given = str(Checkpoint(endpoints.image_predictions(large).fingerprint, 1000, None, 3400))
    words = argv if "--resume" in argv else (*argv, "--resume", given)
    before = len(served.requests)
    result = rfevals("image-predictions", large, *words)
    assert (result.code, result.out, result.err.count("\n")) == (64, "", 1)
    assert len(served.requests) == before


@pytest.mark.parametrize(
    ("signum", "code", "ahead"),
    [(signal.SIGINT, 130, ()), (signal.SIGINT, 130, ("--prefetch", "4")), (signal.SIGTERM, 143, ())],
)
def test_a_signal_stops_a_walk_and_it_goes_on(
    start: Start, rfevals: Rfevals, faults: Faults, served: StandIn, large: str, signum: int, code: int,
    ahead: tuple[str, ...],
) -> None:  # fmt: skip
    whole = rfevals("image-predictions", large, "--json").out
    faults.always(PageMatch(3000), Fault.stalled())
    with start("image-predictions", large, "--json", "-q", *ahead, **settings(served)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(2001)]
        process.send_signal(signum)
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait() == code
    assert served.api_key not in err
    assert err.count("\n") == 1
    command = err.partition("this goes on: ")[2]
    faults.clear()
    rest = rfevals(*shlex.split(command)[1:])
    assert "".join(lines) + out + rest.out == whole


def test_reading_ahead_for_a_reader_that_goes_away_is_no_error(start: Start, large: str) -> None:
    with start("--demo", "image-predictions", large, "--json", "--prefetch", "8") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0
