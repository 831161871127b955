"""Immutable values: read-only arrays, and pickles and deep copies that are as immutable as the original.

A frozen dataclass protects its attributes; its arrays stay writable, and a pickle of one forgets what ``__post_init__``
did. :class:`Immutable` makes pickles and copies by the constructor, from the fields alone, so that whatever was derived
from them is derived anew.

Limits: fields that no constructor takes are not kept; what cannot be pickled (a user's lambda) raises as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

__all__ = ["Immutable", "read_only", "read_only_mapping"]

A = TypeVar("A", bound=np.ndarray[Any, Any])


class Immutable:
    """Base of frozen dataclasses whose pickles and deep copies come from the constructor."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        taken = {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]
        return _rebuilt, (type(self), {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in taken.items()})


def read_only(array: A) -> A:
    """A view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def read_only_mapping(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A copy of a mapping that cannot be changed."""
    return MappingProxyType(dict(mapping))


def _rebuilt(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**values)
