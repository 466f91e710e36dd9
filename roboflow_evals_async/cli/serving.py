"""`stand-in`: both APIs on a local address, for trying things out and for tests in any language."""

import asyncio
import contextlib

import msgspec

from ..core.errors import InvalidArgumentError
from ..core.request import integer
from .context import Context

_PORTS = 65_535  # ports have 16 bits


async def serve(context: Context, *, port: int, host: str, latency: float) -> int:
    """Serve until a signal comes, which is how it is meant to end: exit 0."""
    from ..testing.standin import StandIn

    integer(port, "port", 0, _PORTS)
    if not 0 <= latency < float("inf"):
        raise InvalidArgumentError(f"latency is {latency!r}.", field="latency", hint="Give seconds, 0 or more.")
    async with StandIn(host=host, port=port, latency=latency) as server:
        output = context.output
        if output.json:
            facts = {
                "url": server.url,
                "api_key": server.api_key,
                "workspace": server.workspace,
                "rivergen_token": server.rivergen_token,
            }
            output.bytes(msgspec.json.encode(facts) + b"\n")
        else:
            # As a shell takes it in front of a command; both this one and the official one read these names.
            output.line(
                f"API_URL={server.url} ROBOFLOW_API_KEY={server.api_key} RF_WORKSPACE={server.workspace} "
                f"RIVERGEN_BASE_URL={server.url} RIVERGEN_TOKEN={server.rivergen_token}"
            )
            output.note("Serving made-up evaluations until Ctrl-C. Put that line in front of a command to use them.")
        output.flush()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    return 0
