"""Public names that are imported when they are first used, so that importing the package costs next to nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def importer(package: str, home_of: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__`: `home_of` names the module, below the package, in which each name lives."""

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(package)
        value = getattr(import_module(f".{home_of[name]}", package), name)
        setattr(module, name, value)  # the next use finds it at once
        return value

    return get
