"""Immutable values: read-only arrays, and pickles and deep copies that are as immutable as the original.

A frozen dataclass protects its attributes; its arrays stay writable, and a pickle of one forgets what ``__post_init__``
did. :class:`Immutable` makes pickles and copies by the constructor, from the fields alone, so that whatever was derived
from them is derived anew.

Limits: fields that no constructor takes are not kept. Functions are pickled by name; one that has none, as a lambda, is
refused with the name of its field.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from fpsim.support.errors import DomainError

__all__ = ["Immutable", "read_only", "read_only_mapping"]

A = TypeVar("A", bound=np.ndarray[Any, Any])


class Immutable:
    """Base of frozen dataclasses whose pickles and deep copies come from the constructor."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        taken = _taken(self)
        for name, value in taken.items():
            if callable(value):
                try:
                    pickle.dumps(value)
                except (pickle.PicklingError, AttributeError, TypeError):
                    raise DomainError(
                        f"{name} of {type(self).__name__} is {value!r}, which cannot be pickled: a function or class "
                        "of a module is accepted"
                    ) from None
        return _rebuilt, (type(self), taken)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _rebuilt(type(self), {name: copy.deepcopy(value, memo) for name, value in _taken(self).items()})


def read_only(array: A) -> A:
    """A view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def read_only_mapping(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A copy of a mapping that cannot be changed."""
    return MappingProxyType(dict(mapping))


def _taken(value: Any) -> dict[str, Any]:
    """What the constructor of a value took, read-only mappings as plain ones."""
    taken = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
    return {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in taken.items()}


def _rebuilt(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**values)
