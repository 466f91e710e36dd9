"""The API key, held so that it cannot be shown by accident."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from .errors import ConfigError

KeyProvider = Callable[[], Awaitable[str]]


class Key:
    """A key, or an async callable that returns the present one (for keys that are rotated).

    Its `repr` is masked and it refuses to be pickled.
    """

    __slots__ = ("_provider", "_value")

    def __init__(self, source: str | KeyProvider) -> None:
        self._provider = None if isinstance(source, str) else source
        self._value = _checked(source) if isinstance(source, str) else ""

    @property
    def renewable(self) -> bool:
        """Whether asking again can give another key."""
        return self._provider is not None

    @property
    def value(self) -> str:
        """The key last used: for scrubbing it out of texts."""
        return self._value

    async def current(self) -> str:
        """Return the key to send now."""
        if self._provider is not None:
            self._value = _checked(await self._provider())
        return self._value

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
