"""What every command is given: the global options, the output, and clients made from them."""

import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from .output import Output

if TYPE_CHECKING:
    from ..core.events import Listener
    from ..rivergen.client import RiverGenClient
    from ..roboflow.client import EvalsClient
    from ..testing.standin import StandIn

LOGGER = "roboflow_evals_async"


@dataclass(frozen=True, kw_only=True)
class Globals:
    """Options of every command, before or after its name.

    Parameters
    ----------
    api_key
        The API key; else ROBOFLOW_API_KEY, else the official command's login.
    workspace
        The workspace's slug; else RF_WORKSPACE, else the key's own workspace.
    base_url
        The API's address; else API_URL, else that of the region.
    region
        us or eu; else ROBOFLOW_REGION, else us.
    json
        Print JSON with the API's own names and values; errors too, on stderr.
    quiet
        Print the essential only: list prints ids.
    no_progress
        Show no progress bar.
    demo
        Run against an embedded stand-in for the API: no key and no network needed.
    verbose
        -v tells of failed tries and waits, -vv of every request. The key is never shown.
    """

    api_key: Annotated[str | None, Parameter(name=("--api-key", "-k"))] = None
    workspace: Annotated[str | None, Parameter(name=("--workspace", "-w"))] = None
    base_url: str | None = None
    region: str | None = None
    json: bool = False
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"))] = False
    no_progress: bool = False
    demo: bool = False
    verbose: Annotated[int, Parameter(name=("--verbose", "-v"), count=True)] = 0


class Context:
    """One run of the command."""

    def __init__(self, options: Globals) -> None:
        self.options = options
        self.output = Output(
            json=options.json, quiet=options.quiet, progress=not options.no_progress, verbose=options.verbose
        )

    @cached_property
    def stand_in(self) -> "StandIn":
        """The stand-in of `--demo`; it serves while a client is open."""
        from ..testing.standin import StandIn

        return StandIn()

    @asynccontextmanager
    async def client(self) -> "AsyncGenerator[EvalsClient]":
        """Open a client of Roboflow's API."""
        from ..roboflow.client import EvalsClient

        given, listener = self.options, self._listener()
        if not given.demo:
            async with EvalsClient(
                api_key=given.api_key,
                workspace=given.workspace,
                base_url=given.base_url,
                region=given.region,
                on_event=listener,
            ) as client:
                yield client
            return
        async with self.stand_in as server, _direct() as session:
            key, workspace, url = server.api_key, server.workspace, server.url
            async with EvalsClient(
                api_key=key, workspace=workspace, base_url=url, session=session, on_event=listener
            ) as client:
                yield client

    @asynccontextmanager
    async def rivergen(self, token: str | None) -> "AsyncGenerator[RiverGenClient]":
        """Open a client of RiverGen's API."""
        from ..rivergen.client import RiverGenClient

        listener = self._listener()
        if not self.options.demo:
            async with RiverGenClient(token=token, base_url=self.options.base_url, on_event=listener) as client:
                yield client
            return
        async with self.stand_in as server, _direct() as session:
            token, url = server.rivergen_token, server.url
            async with RiverGenClient(token=token, base_url=url, session=session, on_event=listener) as client:
                yield client

    def _listener(self) -> "Listener | None":
        if not self.options.verbose:
            return None
        import logging

        from ..core.events import logging_listener

        return logging_listener(logging.getLogger(LOGGER))

    @contextmanager
    def logging(self) -> Generator[None]:
        """Send the library's log to stderr, as far as -v asks for it."""
        if not self.options.verbose:
            yield
            return
        import logging

        logger, handler = logging.getLogger(LOGGER), logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if self.options.verbose == 1 else logging.DEBUG)
        logger.propagate = False  # once is enough
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


@asynccontextmanager
async def _direct() -> AsyncGenerator[Any]:
    """Open an HTTP session that no proxy setting diverts: the stand-in is in this process."""
    import aiohttp

    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session
