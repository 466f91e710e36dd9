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
    from .limits import Limits

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
    rate
        Send at most so many requests a second: 5 or 5/s; else as fast as they are answered.
    max_concurrency
        Have at most so many requests under way at once; else 8.
    deadline
        Seconds for each call with all its tries and waits; image-predictions and wait have them for the whole of it.
    timeout
        Seconds to wait for a connection, and for each piece of an answer; else 60.
    retries
        Try a failed request again at most so often; else 3 times. 0 tries once.
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
    rate: Annotated[str | None, Parameter(metavar="N")] = None
    max_concurrency: Annotated[str | None, Parameter(metavar="N")] = None
    deadline: Annotated[float | None, Parameter(metavar="SECONDS")] = None
    timeout: Annotated[float | None, Parameter(metavar="SECONDS")] = None
    retries: Annotated[str | None, Parameter(metavar="N")] = None
    demo: bool = False
    verbose: Annotated[int, Parameter(name=("--verbose", "-v"), count=True)] = 0

    def carried(self, *, deadline: bool) -> list[str]:
        """Return the words by which another run asks the same server, under the same limits.

        The key is left out, for it must not be shown. `deadline` says whether it limits each call, and not the run
        that it has ended.
        """
        options = {
            "--workspace": self.workspace,
            "--base-url": self.base_url,
            "--region": self.region,
            "--rate": self.rate,
            "--max-concurrency": self.max_concurrency,
            "--deadline": None if self.deadline is None or not deadline else f"{self.deadline:g}",
            "--timeout": None if self.timeout is None else f"{self.timeout:g}",
            "--retries": self.retries,
        }
        words = [word for option, value in options.items() if value is not None for word in (option, value)]
        return [*words, "--demo"] if self.demo else words


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

    @cached_property
    def limits(self) -> "Limits":
        """How much may be sent, and how fast. Raises `InvalidArgumentError`."""
        from .limits import limits

        return limits(self.options)

    @cached_property
    def listener(self) -> "Listener | None":
        """Who is told what the clients do, if -v asks for it."""
        if not self.options.verbose:
            return None
        import logging

        from ..core.events import logging_listener

        return logging_listener(logging.getLogger(LOGGER))

    @asynccontextmanager
    async def client(self, on_event: "Listener | None" = None) -> "AsyncGenerator[EvalsClient]":
        """Open a client of Roboflow's API; its events go to `on_event`, else to the listener."""
        from ..roboflow.client import EvalsClient

        given, gate, taken = self.options, self.limits.gate, self._taken()
        taken["on_event"] = on_event or self.listener
        if not given.demo:
            async with EvalsClient(
                api_key=given.api_key,
                workspace=given.workspace,
                base_url=given.base_url,
                region=given.region,
                gate=gate,
                **taken,
            ) as client:
                yield client
            return
        async with self.stand_in as server, _direct(gate.slots) as session:
            key, workspace, url = server.api_key, server.workspace, server.url
            async with EvalsClient(
                api_key=key, workspace=workspace, base_url=url, session=session, gate=gate, **taken
            ) as client:
                yield client

    @asynccontextmanager
    async def rivergen(self, token: str | None) -> "AsyncGenerator[RiverGenClient]":
        """Open a client of RiverGen's API. It is asked once, so that no rate can be passed."""
        from ..rivergen.client import RiverGenClient

        slots, taken = self.limits.gate.slots, self._taken()
        taken |= {"max_concurrency": slots, "on_event": self.listener}
        if not self.options.demo:
            async with RiverGenClient(token=token, base_url=self.options.base_url, **taken) as client:
                yield client
            return
        async with self.stand_in as server, _direct(slots) as session:
            token, url = server.rivergen_token, server.url
            async with RiverGenClient(token=token, base_url=url, session=session, **taken) as client:
                yield client

    def _taken(self) -> dict[str, Any]:
        """What one call may take, as the clients' arguments."""
        options = self.limits.options
        return {
            "timeout": options.timeout,
            "deadline": options.deadline,
            "max_attempts": options.retry.max_attempts,
        }

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
async def _direct(slots: int) -> AsyncGenerator[Any]:
    """Open an HTTP session that no proxy setting diverts: the stand-in is in this process."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=slots)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session
