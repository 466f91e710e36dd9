"""`snapshot`: all panels in one JSON object, written whole or not at all."""

import json
import os
from pathlib import Path

import pytest

from roboflow_evals_async.testing import Fault, Faults, World

from .conftest import Ask, Rfevals

PANELS = (
    "map-results", "confidence-sweep", "performance-by-class", "confusion-matrix", "vector-analysis", "recommendations",
)  # fmt: skip


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_it_is_complete_and_as_served(rfevals: Rfevals, ask: Ask, detection: str, tmp_path: Path) -> None:
    out = tmp_path / "snapshot.json"
    result = rfevals("snapshot", detection, "-o", str(out))
    assert (result.code, result.out) == (0, "")
    assert result.err == f"7 of 7 panels in {out}\n"
    found = json.loads(out.read_bytes())
    assert list(found) == ["eval", *PANELS, "errors"]
    assert found["eval"] == ask(f"/{detection}")
    assert {panel: found[panel] for panel in PANELS} == {panel: ask(f"/{detection}/{panel}") for panel in PANELS}
    assert found["errors"] == {}
    assert names(tmp_path) == ["snapshot.json"]
    for argv in ((), ("-o", "-"), ("--json",)):
        assert rfevals("snapshot", detection, *argv) == (0, out.read_text(), "")
    assert rfevals("snapshot", detection, "-o", str(out), "-q").err == ""


def test_its_split_and_confidence(rfevals: Rfevals, ask: Ask, detection: str) -> None:
    found = rfevals("snapshot", detection, "--split", "valid", "--confidence", "50").json
    assert found["performance-by-class"] == ask(f"/{detection}/performance-by-class", split="valid")
    assert found["confusion-matrix"] == ask(f"/{detection}/confusion-matrix", split="valid", confidence=50)
    assert found["vector-analysis"] == ask(f"/{detection}/vector-analysis", confidence=50)


def test_numbers_keep_their_spelling_and_nan_is_null(rfevals: Rfevals, faults: Faults, detection: str) -> None:
    faults.script("map-results", Fault.rewritten(lambda _: b'{"splits":{"test":{"map50":0.10}}}'))
    faults.script("confidence-sweep", Fault.rewritten(lambda _: b'{"x":NaN}'))
    result = rfevals("snapshot", detection)
    assert '"map50": 0.10\n' in result.out
    assert result.json["confidence-sweep"] == {"x": None}


def test_missing_panels_are_6(rfevals: Rfevals, faults: Faults, detection: str, running: str, tmp_path: Path) -> None:
    out = tmp_path / "snapshot.json"
    faults.always("confidence-sweep", Fault.server_error())
    result = rfevals("snapshot", detection, "-o", str(out), "-c", "21", "--retries", "0")
    assert result.code == 6
    found = json.loads(out.read_bytes())
    assert [panel for panel in PANELS if found[panel] is None] == [
        "confidence-sweep",
        "confusion-matrix",
        "vector-analysis",
    ]
    assert list(found["errors"]) == ["confidence-sweep", "confusion-matrix", "vector-analysis"]
    second, first, _ = found["errors"].values()
    assert (list(first), first["code"], first["status"]) == (["message", "code", "status"], "report_not_found", 404)
    assert second["status"] == 503
    assert result.err.splitlines()[0] == f"4 of 7 panels in {out}"
    assert [line.startswith("Error: ") for line in result.err.splitlines()] == [False, True, True, True]
    faults.clear()
    early = rfevals("snapshot", running, "--json")
    assert (early.code, early.err) == (6, "")
    assert early.json["eval"]["status"] == "running"
    assert list(early.json["errors"]) == list(PANELS)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("a" * 20,), 3),
        (("..",), 64),
        (("DONE", "--split", "all"), 5),
        (("DONE", "-c", "0.5"), 5),
        (("DONE", "-k", "wrong"), 2),
        ((), 64),
        (("DONE", "DONE"), 64),
    ],
)
def test_what_cannot_be_had_leaves_the_file_alone(
    rfevals: Rfevals, detection: str, tmp_path: Path, argv: tuple[str, ...], code: int
) -> None:
    out = tmp_path / "snapshot.json"
    out.write_text("before")
    words = [detection if word == "DONE" else word for word in argv]
    result = rfevals("snapshot", *words, "-o", str(out))
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
    assert out.read_text() == "before"
    assert names(tmp_path) == ["snapshot.json"]


def test_a_deadline_over_the_evaluation_is_8(rfevals: Rfevals, faults: Faults, detection: str) -> None:
    faults.always("", Fault.stalled())
    assert rfevals("snapshot", detection, "--deadline", "0.1").code == 8


def test_a_disk_that_refuses_leaves_nothing(
    rfevals: Rfevals, detection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "snapshot.json"
    out.write_text("before")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", refuse)
        result = rfevals("snapshot", detection, "-o", str(out))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"{out}: No space left on device" in result.err
    assert (names(tmp_path), out.read_text()) == (["snapshot.json"], "before")
    result = rfevals("snapshot", detection, "-o", str(out / "below"))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert rfevals("snapshot", detection, "-o", str(tmp_path)).code == 1


def test_a_link_stays_and_a_pipe_is_written_to(rfevals: Rfevals, world: World, tmp_path: Path) -> None:
    eval_id = world.first(project="odd-rows").eval_id
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("before")
    link.symlink_to(target)
    assert rfevals("snapshot", eval_id, "-o", str(link)).code == 0
    assert link.is_symlink()
    assert json.loads(target.read_bytes())["eval"]["evalId"] == eval_id
    assert rfevals("snapshot", eval_id, "-o", os.devnull).code == 0
    assert not Path(os.devnull).is_file()
