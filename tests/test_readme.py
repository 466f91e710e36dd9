"""The README says nothing that does not work: its code is run as printed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.+?)```", README, flags=re.DOTALL)
COMMANDS = [
    line for block in re.findall(r"```console\n(.+?)```", README, flags=re.DOTALL) for line in block.splitlines()
]


def run(program: list[str], folder: Path) -> str:
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_there_is_something_to_run() -> None:
    assert len(PYTHON) == 2
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_blocks_work_as_printed(code: str, tmp_path: Path) -> None:
    assert run([sys.executable, "-W", "error", "-c", code], tmp_path).strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_work_as_printed(command: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "rfevals"
    printed = run([str(Path(sys.executable).with_name("rfevals")), *arguments], tmp_path)
    assert printed.strip() or any(tmp_path.iterdir())
