"""Fourth-order central differences of fields on cell centres, and point values from cell averages.

Limits: near a wall that is not periodic the stencils wrap around: values there are finite and meaningless, and every
caller masks them (``REACH`` cells).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Grid

__all__ = ["REACH", "first", "point_height", "second"]

Array = NDArray[np.float64]

REACH = 3
"""Cells that a difference of :func:`point_height` reaches along an axis."""


def _shifted(f: Array, axis: int) -> tuple[Array, Array, Array, Array]:
    """Neighbours ``f[i-2], f[i-1], f[i+1], f[i+2]``."""
    far_left, left, right, far_right = (np.roll(f, shift, axis) for shift in (2, 1, -1, -2))
    return far_left, left, right, far_right


def first(f: Array, grid: Grid, axis: int) -> Array:
    """``d f / d x_axis``, error ``h^4``; shape of ``f``."""
    far_left, left, right, far_right = _shifted(f, axis)
    return (8.0 * (right - left) - (far_right - far_left)) / (12.0 * grid.spacing[axis])


def second(f: Array, grid: Grid, a: int, b: int) -> Array:
    """``d^2 f / d x_a d x_b``, error ``h^4``; shape of ``f``."""
    if a != b:
        return first(first(f, grid, a), grid, b)
    far_left, left, right, far_right = _shifted(f, a)
    return (16.0 * (left + right) - (far_left + far_right) - 30.0 * f) / (12.0 * grid.spacing[a] ** 2)


def point_height(h: Array) -> Array:
    """``ln p`` at cell centres from ``h``, the logarithm of the average of ``p`` over each cell, error ``spacing^4``.

    The average exceeds the value at the centre by ``sum_a spacing_a^2 d_a^2 p / 24``, where
    ``d_a^2 p / p = d_a^2 h + (d_a h)^2``.
    """
    excess = np.zeros_like(h)
    for axis in range(h.ndim):
        left, right = np.roll(h, 1, axis), np.roll(h, -1, axis)
        excess += (left - 2.0 * h + right) + 0.25 * (right - left) ** 2
    return h - excess / 24.0
