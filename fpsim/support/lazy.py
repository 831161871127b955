"""Names of a package that are imported when they are first used (PEP 562).

A package's ``__init__`` names the module of every public name; importing the package then imports none of them. The
same names stand there under ``TYPE_CHECKING``, for editors and type checkers; ``tests/test_architecture.py`` holds the
two lists against each other. Limits: a name must not be that of a module of the package, which would take its place.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]], *, modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping
        Public names by the full name of the module that defines them.
    modules : sequence of str
        Modules and packages below it that can be had as attributes.

    Returns
    -------
    tuple of callables
        ``__getattr__``, which keeps what it has imported in the package, and ``__dir__``.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        value = getattr(importlib.import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of, *modules})

    return __getattr__, __dir__
