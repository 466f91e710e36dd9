"""Where the token and the address come from: argument, environment, default; the first found wins."""

import os
from collections.abc import Mapping

import msgspec

from ..core.errors import ConfigError
from ..core.key import Key, KeyProvider

# The host of RiverGen's newer samples; its summary page names none.
DEFAULT_BASE_URL = "https://api.rivergen.ai"


class Config(msgspec.Struct, frozen=True):
    """What a client needs to begin."""

    key: Key
    base_url: str


def resolve(
    *, token: str | KeyProvider | None = None, base_url: str | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Find the configuration. Raises `ConfigError`, in one line, if there is no token."""
    environ = os.environ if environ is None else environ
    source = token if token is not None else environ.get("RIVERGEN_TOKEN") or None
    if source is None:
        raise ConfigError("There is no RiverGen token.", hint="Set RIVERGEN_TOKEN, or pass a token.")
    return Config(Key(source), base_url or environ.get("RIVERGEN_BASE_URL") or DEFAULT_BASE_URL)
