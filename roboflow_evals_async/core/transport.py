"""One exchange over aiohttp: a GET, its answer whole, and aiohttp's failures under our own names."""

import urllib.request
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from .errors import (
    APIError,
    AttemptTimeoutError,
    ConfigError,
    ConnectionFailedError,
    DecodeError,
    TransportError,
    TruncatedBodyError,
)
from .key import Key
from .options import Options
from .request import Request
from .version import __version__

# A TCP and TLS handshake that takes longer than this has failed, whatever the patience for the answer.
_CONNECT_SECONDS = 10.0

# Redirects that stay on the server: one for a trailing slash, one for a renamed path; more is a loop.
_MAX_REDIRECTS = 3

# An error's body is a line or a page; what comes after this many bytes explains nothing.
_ERROR_BODY = 64 * 1024

_HEADERS = {"Accept": "application/json", "User-Agent": f"roboflow-evals-async/{__version__}"}


async def exchange(
    http: aiohttp.ClientSession, base_url: str, request: Request[Any], options: Options, key: Key
) -> tuple[int, Mapping[str, str], bytes]:
    """Send one GET and return status, headers and the whole body. Raises `TransportError` if no whole answer came.

    Redirects are followed on the same origin only: the key is sent to no other. A body over `max_body` is refused.
    """
    url = URL(base_url + request.target, encoded=True)
    shown = base_url + request.path
    try:
        for _ in range(_MAX_REDIRECTS):
            async with http.get(
                url,
                headers={**_HEADERS, **key.header()},
                allow_redirects=False,
                raise_for_status=False,  # a session that was handed in may have it on, and would lose the body
                timeout=_timeout(options.timeout),
            ) as response:
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or location is None:
                    return response.status, response.headers, await _body(response, options.max_body, shown)
                url = _same_origin(url, location, shown, response.status)
        failure: TransportError = ConnectionFailedError("The server redirects in a circle.", url=shown, retryable=False)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        failure = _transport_error(error, shown, options.timeout)
    # Raised out here, for inside, even with `from None`, it would keep aiohttp's error, and with it the headers.
    raise failure


def _parsed(text: object) -> URL:
    if not isinstance(text, str):
        return URL()
    try:
        return URL(text.strip().rstrip("/"))
    except ValueError:
        return URL()


def check_base_url(text: object) -> str:
    """Return the base URL without a trailing slash; raises `ConfigError` if it is not an http(s) address."""
    url = _parsed(text)
    # What is refused may hold a secret, so it is not repeated.
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("The base URL is no http or https address.", hint="Example: https://api.example.com")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ConfigError("The base URL must have no user, query or fragment.", hint="Example: https://api.example.com")
    return str(url)


def proxy_for(base_url: str) -> str | None:
    """Return the proxy that the environment names for the address (HTTPS_PROXY, NO_PROXY and their like), or None."""
    url = URL(base_url)
    if urllib.request.proxy_bypass(url.host or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


@lru_cache(maxsize=16)  # a program uses a handful of timeouts
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # No total: it would count the body, and the time of a large body says nothing about the server's health.
    return aiohttp.ClientTimeout(total=None, sock_connect=min(seconds, _CONNECT_SECONDS), sock_read=seconds)


async def _body(response: aiohttp.ClientResponse, limit: int, url: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        chunks.append(chunk)
        if response.status != 200 and size > _ERROR_BODY:
            response.close()
            break
        if size > limit:
            response.close()
            raise DecodeError(f"The body of {url} is larger than {limit} bytes (max_body).")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _same_origin(url: URL, location: str, shown: str, status: int) -> URL:
    try:
        target = url.join(URL(location, encoded=True))
        origin = target.origin()
    except ValueError:
        target, origin = url, None
    if origin != url.origin():
        raise APIError(
            "The server redirects to another origin, and the key is sent to no other.",
            status=status,
            url=shown,
            hint="Check the base URL.",
        )
    return target.with_user(None)  # aiohttp would set it against the key


def _transport_error(error: Exception, url: str, timeout: float) -> TransportError:
    # Only the class and the system's text are taken over: texts of aiohttp may hold addresses and headers.
    where = f"{URL(url).host}:{URL(url).port}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return TruncatedBodyError("The answer ended before it was whole.", url=url)
    if isinstance(error, TimeoutError):
        return AttemptTimeoutError(f"No answer from {where} within {timeout:g} s.", url=url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConnectionFailedError(f"The certificate of {where} is not trusted.", url=url, retryable=False)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(error).__name__
    return ConnectionFailedError(f"The connection to {where} failed: {text}.", url=url)
