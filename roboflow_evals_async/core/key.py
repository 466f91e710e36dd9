"""The API key, held so that it cannot be shown by accident."""

import inspect
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NoReturn
from urllib.parse import quote

from .errors import ConfigError

KeyProvider = Callable[[], Awaitable[str] | str]

# A server may still echo the key before the present one, while both are in use; older ones are dead.
_KEYS_SCRUBBED = 4


class Key:
    """A key, or an async callable that returns the present one (for keys that are rotated).

    Its `repr` is masked and it refuses to be pickled.
    """

    __slots__ = ("_provider", "_used")

    def __init__(self, source: str | KeyProvider) -> None:
        if not isinstance(source, str) and not callable(source):
            raise ConfigError(
                f"The API key or token is a {type(source).__name__}.",
                hint="Pass a text, or a function that returns it.",
            )
        self._provider = None if isinstance(source, str) else source
        self._used: deque[str] = deque([_checked(source)] if isinstance(source, str) else (), _KEYS_SCRUBBED)

    @property
    def renewable(self) -> bool:
        """Whether asking again can give another key."""
        return self._provider is not None

    @property
    def value(self) -> str:
        """The key last used; empty before a function was first asked for it."""
        return self._used[-1] if self._used else ""

    async def current(self) -> str:
        """Return the present key, asking for it where a function tells it."""
        if self._provider is not None:
            told = self._provider()
            key = _checked(await told if inspect.isawaitable(told) else told)
            if key in self._used:
                self._used.remove(key)
            self._used.append(key)
        return self.value

    def header(self) -> dict[str, str]:
        """Return the header that carries the key: in the header it is in no address, log or trace."""
        return {"Authorization": f"Bearer {self.value}"}

    def scrub(self, text: str) -> str:
        """Take the key out of a text: as it is, as a URL spells it, and in base64."""
        for key in self._used:
            for form in (key, quote(key, safe=""), b64encode(key.encode()).decode().rstrip("=")):
                text = text.replace(form, "***")
        return text

    def __repr__(self) -> str:
        return "Key('***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled: read it again where it is needed.")


def _checked(key: str) -> str:
    # Keys are copied from web pages and files: a newline at the end is common, one inside is a mistake.
    key = key.strip() if isinstance(key, str) else ""
    if not key:
        raise ConfigError("The API key or token is empty.", hint="Pass it, or set it in the environment.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("The API key or token has characters that no key has.", hint="Copy it again.")
    return key
