"""The examples run as they stand, without a warning, and print what they promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

PROMISED = {
    "many_evaluations": [r"^\w{20}  weakest class '.+': F1 \d+\.\d%$", r"^\w{20}  .+ model_eval_not_done\) "],
    "pipeline": [r"^[1-9]\d* images miss [1-9]\d* objects$"],
    "wait_for_evaluation": [
        r"^\w{20} is running$",
        r"was not done within 0\.2 s",
        r"^\w{20} is done$",
        r"^mAP \d+\.\d%$",
        r"^0 panels missing, [1-9]\d* clusters$",
    ],
}


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} >= set(PROMISED)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_prints_what_it_promises(path: Path) -> None:
    # What was not closed, or not awaited, is a warning, and one that cannot be raised is printed.
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip()
    for pattern in PROMISED.get(path.stem, []):
        assert re.search(pattern, ran.stdout, re.MULTILINE), ran.stdout
