"""RiverGenClient: one method an endpoint."""

from collections.abc import Sequence

import aiohttp

from ..core.client import Client
from ..core.events import Listener
from ..core.gate import Gate
from ..core.key import KeyProvider
from ..core.options import DEFAULT_MAX_BODY, DEFAULT_TIMEOUT, Options
from ..core.session import Session
from . import endpoints
from .config import resolve
from .endpoints import DatasetSplit
from .payloads import PerformanceSummary


class RiverGenClient(Client):
    """Reads RiverGen's Performance Summary. Make one in each event loop, and use it for everything there.

    What is not given is taken from the environment (`RIVERGEN_TOKEN`, `RIVERGEN_BASE_URL`), then from the defaults.
    `token` may be an async callable that returns the present token: it is asked once more after a 401, since
    RiverGen's tokens live for an hour. The other arguments are those of `EvalsClient`: `timeout` and `deadline` in
    seconds, `max_body` in bytes.
    """

    def __init__(
        self,
        *,
        token: str | KeyProvider | None = None,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        deadline: float | None = None,
        max_attempts: int = 4,
        max_concurrency: int = 8,
        max_body: int = DEFAULT_MAX_BODY,
        session: aiohttp.ClientSession | None = None,
        on_event: Listener | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        config = resolve(token=token, base_url=base_url)
        options = Options().changed(timeout=timeout, deadline=deadline, max_attempts=max_attempts, max_body=max_body)
        super().__init__(
            Session(
                config.base_url,
                config.key,
                gate=Gate(max_concurrency),
                session=session,
                on_event=on_event,
                trace_configs=trace_configs,
            ),
            options,
        )

    async def performance_summary(
        self, model_id: str, *, version_id: str | None = None, dataset_split: DatasetSplit = "test"
    ) -> PerformanceSummary:
        """Return the stored scores of a version on a split: "train", "validation" or "test".

        Without `version_id` it is the version promoted at that moment, which `.version_id` tells; a gate should name
        one. Raises `InvalidArgumentError` before sending, `AuthenticationError` (401), `AccessDeniedError` (403),
        `NotFoundError` (404: model or version), `NotTrainedError` (422: no fully trained version), other `APIError`,
        `TransportError`, `DeadlineExceededError`, and `DecodeError` for a reply that is not what the page documents
        or that describes another split or version than was asked for.
        """
        return await self.send(
            endpoints.performance_summary(model_id, version_id=version_id, dataset_split=dataset_split)
        )
