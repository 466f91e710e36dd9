"""The comparison with the official command runs only when that command is named: `--official PATH`.

The option is known only where this folder stands on pytest's command line, as `make test-official` has it. Without it
nothing here is collected, for the official command is a heavy install of its own.
"""

from pathlib import Path

import pytest

_OPTION = "official"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(f"--{_OPTION}", metavar="PATH", type=Path, help="the official command, `roboflow`")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption(_OPTION, None) else True


@pytest.fixture(scope="session")
def official_path(request: pytest.FixtureRequest) -> Path:
    # Not resolved: a link into an environment is how that environment is found.
    path: Path = request.config.getoption(_OPTION)
    return path.absolute()
