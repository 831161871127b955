"""Observables: values in the cells of a callable of the coordinates or of an array.

Their evolution ``u(x, t) = E[f(X_t) | X_0 = x]`` is the adjoint of the density's: ``<u(t), m> = <f, m(t)>`` to
rounding, and ``min f <= u <= max f`` without absorbing walls (a maximum principle, up to the Poisson tail). A particle
that was absorbed counts as ``f = 0``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Grid
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

__all__ = ["Observable", "observable_on_cells"]

Observable = Callable[..., Any] | ArrayLike
"""A callable of the coordinates, or an array that broadcasts to the grid."""


def observable_on_cells(grid: Grid, observable: Observable) -> NDArray[np.float64]:
    """Values of an observable in the cells, flat.

    Raises
    ------
    DomainError
        If the shape does not broadcast to the grid or a value is not finite.
    """
    raw = real_array(observable(*grid.mesh()) if callable(observable) else observable, "observable")
    try:
        values = np.broadcast_to(raw, grid.shape).ravel()
    except ValueError:
        raise DomainError(f"observable has shape {raw.shape}: what broadcasts to {grid.shape} is accepted") from None
    if not np.isfinite(values).all():
        where = np.unravel_index(int(np.flatnonzero(~np.isfinite(values))[0]), grid.shape)
        raise DomainError(
            f"observable is not finite at cell {tuple(int(i) for i in where)}: finite values are accepted"
        )
    return np.array(values)
