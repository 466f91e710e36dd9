"""Type checkers see what is promised: `api.py` is read by mypy, in strict mode."""

import re
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


# Alone a run takes seconds; on a cold cache beside a full suite it may take many.
@pytest.mark.timeout(300)
def test_public_types_are_what_is_promised_and_wrong_uses_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    checked = HERE / "api.py"
    # The second file has one mistake of each kind: a run that finds none of them would prove nothing.
    report, errors, _ = api.run(["--strict", "--no-error-summary", str(checked), str(HERE / "mistakes.py")])
    assert errors == ""
    found = re.findall(r"^(\S+?):(\d+): error: .*\[([a-z-]+)\]$", report, re.MULTILINE)
    assert {Path(file).name for file, _, _ in found} == {"mistakes.py"}, report
    assert [code for _, _, code in found] == ["assert-type", "unused-ignore"]
