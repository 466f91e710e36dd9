"""The async Python client for reading model evaluations.

    async with EvalsClient() as client:
        done = await client.evals(status="done")
        async for image in client.image_predictions(done[0].eval_id): ...

The names below are imported when they are first used, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

from .core.lazy import importer
from .core.version import __version__

if TYPE_CHECKING:
    from .core.errors import (
        AccessDeniedError as AccessDeniedError,
    )
    from .core.errors import (
        APIError as APIError,
    )
    from .core.errors import (
        AttemptTimeoutError as AttemptTimeoutError,
    )
    from .core.errors import (
        AuthenticationError as AuthenticationError,
    )
    from .core.errors import (
        ClientStateError as ClientStateError,
    )
    from .core.errors import (
        ConfigError as ConfigError,
    )
    from .core.errors import (
        ConnectionFailedError as ConnectionFailedError,
    )
    from .core.errors import (
        DeadlineExceededError as DeadlineExceededError,
    )
    from .core.errors import (
        DecodeError as DecodeError,
    )
    from .core.errors import (
        EvalFailedError as EvalFailedError,
    )
    from .core.errors import (
        EvalNotDoneError as EvalNotDoneError,
    )
    from .core.errors import (
        EvalNotFoundError as EvalNotFoundError,
    )
    from .core.errors import (
        EvalsError as EvalsError,
    )
    from .core.errors import (
        InvalidArgumentError as InvalidArgumentError,
    )
    from .core.errors import (
        InvalidRequestError as InvalidRequestError,
    )
    from .core.errors import (
        NotFoundError as NotFoundError,
    )
    from .core.errors import (
        NotTrainedError as NotTrainedError,
    )
    from .core.errors import (
        PaginationDriftError as PaginationDriftError,
    )
    from .core.errors import (
        RateLimitedError as RateLimitedError,
    )
    from .core.errors import (
        ReportNotFoundError as ReportNotFoundError,
    )
    from .core.errors import (
        ServerError as ServerError,
    )
    from .core.errors import (
        TransportError as TransportError,
    )
    from .core.errors import (
        TruncatedBodyError as TruncatedBodyError,
    )
    from .core.events import logging_listener as logging_listener
    from .core.gate import Gate as Gate
    from .otel import tracing_listener as tracing_listener
    from .paging.checkpoint import Checkpoint as Checkpoint
    from .paging.cursor import Page as Page
    from .paging.cursor import WalkReport as WalkReport
    from .paging.walk import Walk as Walk
    from .rivergen.client import RiverGenClient as RiverGenClient
    from .roboflow.client import EvalsClient as EvalsClient

# Where each public name lives; a test holds it against the imports above, which are for type checkers.
_HOMES = {
    "core.errors": (
        "AccessDeniedError",
        "APIError",
        "AttemptTimeoutError",
        "AuthenticationError",
        "ClientStateError",
        "ConfigError",
        "ConnectionFailedError",
        "DeadlineExceededError",
        "DecodeError",
        "EvalFailedError",
        "EvalNotDoneError",
        "EvalNotFoundError",
        "EvalsError",
        "InvalidArgumentError",
        "InvalidRequestError",
        "NotFoundError",
        "NotTrainedError",
        "PaginationDriftError",
        "RateLimitedError",
        "ReportNotFoundError",
        "ServerError",
        "TransportError",
        "TruncatedBodyError",
    ),
    "core.events": ("logging_listener",),
    "core.gate": ("Gate",),
    "otel": ("tracing_listener",),
    "paging.checkpoint": ("Checkpoint",),
    "paging.cursor": ("Page", "WalkReport"),
    "paging.walk": ("Walk",),
    "rivergen.client": ("RiverGenClient",),
    "roboflow.client": ("EvalsClient",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]  # pyright: ignore[reportUnsupportedDunderAll]


__getattr__ = importer(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return sorted(__all__)
