"""pytest fixtures: `pytest_plugins = ["roboflow_evals_async.testing.pytest_plugin"]`.

Both are sync fixtures, so they work beside any async plugin. Only pytest is imported here, the rest when a
fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .standin import StandIn
    from .world import World


@pytest.fixture(scope="session")
def evals_world() -> World:
    """The default world, shared by the session. Override the fixture to serve a world of your own."""
    from .world import World

    return World()


@pytest.fixture
def evals_stand_in(evals_world: World) -> Iterator[StandIn]:
    """`evals_world` served from a thread, for one test: `url`, `api_key`, `workspace`, `faults`, `requests`."""
    from .standin import StandIn

    with StandIn(evals_world).in_thread() as stand_in:
        yield stand_in
