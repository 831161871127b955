"""Derivatives of callable coefficients: fourth-order central differences over a sixteenth of a cell.

Where a mesh is small, the time of a difference is that of calling the user's function. Its four shifted meshes are then
put one after the other along the axis and answered in one call, to the last bit the same for a function that treats
every place by itself. Whether a function does so is tried, not assumed: along each axis it is first called the plain
way and compared (at two times, if it depends on time or on the density). One that answers otherwise, or refuses, is
called four times for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fpsim.equation.evaluation import Mesh, call, checked, open_shape, shape_of
from fpsim.equation.fokker_planck import parameters_of

__all__ = ["SMALL", "derivative", "downhill"]

Array = NDArray[np.float64]

SMALL = 3200
"""Places of a mesh up to which four calls are made one: beyond, arrays of four times the size cost more than calls."""

_STEPS = np.array([1.0, -1.0, 2.0, -2.0])

_Record = dict[tuple[str, int], frozenset[float] | None]
"""Per quantity and axis, times at which one call answered what four did; ``None`` once it did not."""

_records: WeakKeyDictionary[Callable[..., Any], _Record] = WeakKeyDictionary()


def derivative(
    function: Callable[[Mesh], Array], x: Mesh, axis: int, h: float, *, of: Callable[..., Any], what: str, t: float
) -> Array:
    """Fourth-order central difference along an axis of a quantity made of a coefficient.

    Parameters
    ----------
    function : callable
        The quantity at the places of a mesh; entries of tensors follow behind the axes of the mesh.
    x, axis, h
        Places, the axis, and the width of its cells.
    of, what, t
        The coefficient that is called, the name of the quantity, and the time: what trust in it is remembered by.
    """
    d, entries = h / 16.0, len(x) * (len(x) + 1) // 2
    return _difference(_shifted(function, x, axis, d, of, what, t, SMALL // entries), d)


def downhill(scalar: Callable[..., Any], what: str, x: Mesh, axis: int, h: float, t: float, p: Any) -> Array:
    """Minus the derivative of a callable scalar along an axis.

    Raises
    ------
    DomainError
        If an answer has a wrong shape or is not finite (with the place).
    """
    d = h / 16.0

    def at(y: Mesh) -> Array:
        return checked(call(scalar, y, t, p), what, shape_of(y), y)

    return _difference(_shifted(at, x, axis, d, scalar, what, t, SMALL), -d)  # the bits of the negative difference


def _shifted(
    function: Callable[[Mesh], Array],
    x: Mesh,
    axis: int,
    d: float,
    of: Callable[..., Any],
    what: str,
    t: float,
    small: int,
) -> Iterable[Array]:
    """The quantity at ``+d, -d, +2 d, -2 d``, from one call of the coefficient where that is known to be the same."""
    record = _record_of(of, x, small)
    times = None if record is None else record.setdefault((what, axis), frozenset())
    if record is None or times is None:
        return _four_calls(function, x, axis, d)
    values = _one_call(function, x, axis, d)
    if values is None or len(times) <= (not parameters_of(of).isdisjoint(("t", "p"))):
        plain = list(_four_calls(function, x, axis, d))
        agrees = values is not None and all(map(np.array_equal, values, plain))
        record[what, axis] = times | {t} if agrees else None
        return plain
    return values


def _record_of(coefficient: Callable[..., Any], x: Mesh, small: int) -> _Record | None:
    """What is known of a callable; ``None`` if it cannot be remembered, or the mesh is large or not open."""
    shape = open_shape(x)
    if shape is None or prod(shape) > small:
        return None
    try:
        return _records.setdefault(coefficient, {})
    except TypeError:  # neither hashable nor weakly referable
        return None


def _four_calls(function: Callable[[Mesh], Array], x: Mesh, axis: int, d: float) -> Iterator[Array]:
    return (function((*x[:axis], x[axis] + k * d, *x[axis + 1 :])) for k in _STEPS.tolist())


def _one_call(function: Callable[[Mesh], Array], x: Mesh, axis: int, d: float) -> list[Array] | None:
    """The answers at the four shifted meshes, from one call; ``None`` if it fails in any way."""
    n, rest = x[axis].size, (1,) * (len(x) - 1 - axis)
    shifted = np.add.outer(_STEPS * d, x[axis].ravel()).reshape((1,) * axis + (-1, *rest))
    try:
        values = function((*x[:axis], shifted, *x[axis + 1 :]))
    except Exception:  # noqa: BLE001 - the plain calls that follow succeed, or raise with the right place
        return None
    if values.shape[axis] == 1:
        return [values] * 4
    before = (slice(None),) * axis
    return [values[(*before, slice(k, k + n))] for k in range(0, 4 * n, n)]


def _difference(values: Iterable[Array], d: float) -> Array:
    """``(8 (f(d) - f(-d)) - (f(2 d) - f(-2 d))) / (12 d)``; never more than two of the four values at a time."""
    f = iter(values)
    slope = next(f) - next(f)
    slope *= 8.0
    slope = slope - (next(f) - next(f))
    slope /= 12.0 * d
    return slope
