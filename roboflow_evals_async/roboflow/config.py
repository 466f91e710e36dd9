"""Where the key, the workspace and the address come from.

First found wins: argument; environment; the official SDK's file (read, never written); default. The rules are pure
functions over the environment and the file's content; only `read_file` touches the disk.
"""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from ..core.errors import ConfigError
from ..core.key import Key, KeyProvider

# Hosts of the official SDK's config.py, by (region, environment).
_HOSTS = {
    ("us", "prod"): "https://api.roboflow.com",
    ("eu", "prod"): "https://api.roboflow.eu",
    ("us", "staging"): "https://api.roboflow.one",
    ("eu", "staging"): "https://api.roboflow-eu.one",
}

File = Mapping[str, Any]


class Config(msgspec.Struct, frozen=True):
    """What a client needs to begin. `workspace` None: the server is asked which one the key belongs to."""

    key: Key
    workspace: str | None
    base_url: str


def resolve(
    *,
    api_key: str | KeyProvider | None = None,
    workspace: str | None = None,
    base_url: str | None = None,
    region: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Find the configuration. Raises `ConfigError`, in one line, if there is no key or something is unreadable."""
    environ = os.environ if environ is None else environ
    # Read at the first question, and not at all if nobody asks.
    file = cache(lambda: read_file(environ))
    workspace = (
        workspace
        or _text(environ.get("RF_WORKSPACE"))
        or _text(environ.get("ROBOFLOW_WORKSPACE"))
        or _text(file().get("RF_WORKSPACE"))
    )
    source = api_key if api_key is not None else environ.get("ROBOFLOW_API_KEY") or stored_key(file(), workspace)
    if source is None:
        about = f" for workspace {workspace!r}" if workspace else ""
        raise ConfigError(
            f"There is no API key{about}.",
            hint="Set ROBOFLOW_API_KEY, pass a key, or log in with the official command: roboflow login.",
        )
    return Config(Key(source), workspace, base_url or host(environ, file, region))


def host(environ: Mapping[str, str], file: Callable[[], File], region: str | None) -> str:
    """Return the API's address for the region ("us" or "eu"). Raises `ConfigError` for an unknown region."""
    place = region
    for settings in (lambda: environ, file):
        if place is None:
            if address := _text(settings().get("API_URL")):
                return address
            place = _text(settings().get("ROBOFLOW_REGION"))
    place = (place or "us").strip().lower()
    stage = _text(environ.get("ROBOFLOW_ENVIRONMENT")) or _text(file().get("ROBOFLOW_ENVIRONMENT")) or "prod"
    stage = stage.strip().lower()
    found = _HOSTS.get((place, stage))
    if found is None:
        # Falling back to the US, as the official command does, would send data and key to another region.
        raise ConfigError(
            f"The region {place!r} with environment {stage!r} is unknown.",
            hint="Use us or eu, with prod or staging, or give the base URL.",
        )
    return found


def stored_key(file: File, workspace: str | None) -> str | None:
    """Return the key of the workspace, else of the file's default workspace; None if the file has neither."""
    entries = file.get("workspaces")
    by_slug = {
        entry["url"]: _text(entry.get("apiKey"))
        for entry in (entries.values() if isinstance(entries, dict) else ())
        if isinstance(entry, dict) and isinstance(entry.get("url"), str)
    }
    return by_slug.get(workspace) or by_slug.get(_text(file.get("RF_WORKSPACE")))


def file_path(environ: Mapping[str, str]) -> Path | None:
    """Return where the official SDK keeps its file; None without a home folder.

    `ROBOFLOW_CONFIG_DIR` names the file itself, not its folder.
    """
    given = environ.get("ROBOFLOW_CONFIG_DIR")
    if given:
        return Path(given)
    if os.name == "nt":
        home, rest = environ.get("USERPROFILE"), Path("roboflow", "config.json")
    else:
        home, rest = environ.get("HOME"), Path(".config", "roboflow", "config.json")
    return Path(home) / rest if home else None


def read_file(environ: Mapping[str, str]) -> File:
    """Return the content of the official SDK's file, empty if there is none. Raises `ConfigError` if it is broken."""
    path = file_path(environ)
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (FileNotFoundError, NotADirectoryError):  # accounts without a home often have HOME=/dev/null
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON object"
        raise ConfigError(
            f"The configuration file {path} cannot be read: {reason}.",
            hint="Mend or remove it, or log in again with the official command: roboflow login.",
        ) from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
