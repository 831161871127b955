"""Boundaries: what becomes of probability at the ends of an axis."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from fpsim.support.errors import DomainError

__all__ = ["Boundary", "Sides", "boundaries_of"]


class Boundary(StrEnum):
    """Boundary condition of one side of one axis.

    ``REFLECTING``: the total probability current through the wall is zero (not the derivative of the density).
    ``PERIODIC``: both sides of the axis are the same place.
    ``ABSORBING``: what reaches the wall leaves, and is accounted for as absorbed mass.
    """

    REFLECTING = "reflecting"
    PERIODIC = "periodic"
    ABSORBING = "absorbing"


Sides = tuple[Boundary, Boundary]


def _boundary(name: object, where: str) -> Boundary:
    try:
        return Boundary(name)  # type: ignore[arg-type]
    except ValueError:
        accepted = ", ".join(b.value for b in Boundary)
        raise DomainError(f"boundary {name!r} {where}: accepted are {accepted}") from None


def boundaries_of(spec: object, ndim: int) -> tuple[Sides, ...]:
    """Boundaries as one (lower, upper) pair per axis, from one name, one per axis, or one pair per axis.

    Raises
    ------
    DomainError
        If a name is unknown, the count is wrong, or only one side of an axis is periodic.
    """
    if not isinstance(spec, Iterable):
        raise DomainError(f"boundary is {spec!r}: one name, or one entry for each of {ndim} axes")
    per_axis: list[Any] = [spec] * ndim if isinstance(spec, str) else list(spec)
    if len(per_axis) != ndim:
        raise DomainError(f"boundary has {len(per_axis)} entries: one name, or one entry for each of {ndim} axes")
    sides = []
    for axis, entry in enumerate(per_axis):
        pair = (entry, entry) if isinstance(entry, str) else tuple(entry) if isinstance(entry, Iterable) else ()
        if len(pair) != 2:
            raise DomainError(f"boundary of axis {axis} is {entry!r}: accepted are a name or a (lower, upper) pair")
        lower, upper = (_boundary(name, f"of axis {axis}") for name in pair)
        if (lower is Boundary.PERIODIC) != (upper is Boundary.PERIODIC):
            raise DomainError(f"boundary of axis {axis} is periodic on one side only: both or none")
        sides.append((lower, upper))
    return tuple(sides)
