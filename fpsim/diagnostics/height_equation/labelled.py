"""Term budgets of the height equation and recovered coefficients as labelled arrays.

What :mod:`~fpsim.diagnostics.height_equation.height` and
:mod:`~fpsim.diagnostics.height_equation.height_regression` find, as :class:`xarray.Dataset`. Limits: budgets in two
dimensions; cuts run along the first axis, through the largest density at the last time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fpsim.density import Density
from fpsim.diagnostics.height_equation.height import HeightTerms, burgers_velocity
from fpsim.diagnostics.height_equation.height_regression import KPZCoefficients

__all__ = ["TERMS", "coefficients_dataset", "height_budget_dataset"]

TERMS = ("rate", "diffusion", "nonlinear", "advection", "source", "residual")
"""Terms of the height equation, and what they leave over."""


def height_budget_dataset(
    times: ArrayLike, budgets: Mapping[int, Sequence[HeightTerms]], densities: Sequence[Density], viscosity: float
) -> xr.Dataset:
    """Budgets through time on several grids.

    Parameters
    ----------
    times : array_like, shape (T,)
    budgets : mapping
        By cells along an axis, the finest grid last: one budget for each time.
    densities : sequence of Density
        On the finest grid, whose coordinates the arrays have.
    viscosity : float
        Of the Burgers velocity ``-2 nu grad h``.

    Returns
    -------
    xarray.Dataset
        ``relative_residual`` and ``largest_residual`` by cells and time; of the finest grid ``term_size`` (root mean
        square over the density) by time and term, ``term_cut`` along the first axis, ``residual`` over the largest term
        in every cell, and ``velocity`` along the first axis. Attribute ``cut``: ordinate of the cuts.
    """
    finest = list(budgets.values())[-1]
    grid = finest[0].grid
    x, y = grid.names
    row = int(np.argmax(densities[-1].values.max(axis=0)))
    inside = [np.where(b.mask, 1.0, np.nan) for b in finest]
    sizes = [[float(np.sqrt(np.sum(b.weight * getattr(b, t) ** 2))) for t in TERMS] for b in finest]
    cut = [[(getattr(b, t) * m)[:, row] for t in TERMS] for b, m in zip(finest, inside, strict=True)]
    residual = [b.residual * m / b.scale for b, m in zip(finest, inside, strict=True)]
    velocity = [burgers_velocity(p, viscosity, floor=1e-6)[0][:, row] for p in densities]
    share = "residual over the largest term"
    return xr.Dataset(
        {
            "term_size": _variable(("time", "term"), sizes, "root mean square over the density", "1/time"),
            "term_cut": _variable(("time", "term", x), cut, f"terms of the height equation along {x}", "1/time"),
            "residual": _variable(("time", x, y), residual, share),
            "relative_residual": _variable(
                ("cells", "time"),
                [[b.relative_residual for b in rows] for rows in budgets.values()],
                f"root mean square {share}",
            ),
            "largest_residual": _variable(
                ("cells", "time"), [[b.largest_residual for b in rows] for rows in budgets.values()], f"largest {share}"
            ),
            "velocity": _variable(("time", x), velocity, f"Burgers velocity along {x}", "weight/time"),
        },
        {
            "time": _variable("time", times, "time"),
            "term": list(TERMS),
            "cells": _variable("cells", list(budgets), "cells along an axis"),
        },
        {"cut": float(grid.centers[1][row])},
    )


def coefficients_dataset(found: Mapping[str, KPZCoefficients]) -> xr.Dataset:
    """``value`` and ``error`` by source and coefficient (viscosity, nonlinearity, ratio), and the ``misfit``."""
    three = [[c.viscosity, c.nonlinearity, c.ratio] for c in found.values()]
    error = "standard error, or the difference to cells twice as wide"
    misfits = [c.misfit for c in found.values()]
    dims = ("source", "coefficient")
    return xr.Dataset(
        {
            "value": _variable(dims, [[float(e.value) for e in row] for row in three], "recovered coefficient"),
            "error": _variable(dims, [[float(e.error) for e in row] for row in three], error),
            "misfit": _variable("source", [float(m.value) for m in misfits], "relative root mean square misfit"),
            "misfit_error": _variable("source", [float(m.error) for m in misfits], error),
        },
        {"source": list(found), "coefficient": ["viscosity", "nonlinearity", "ratio"]},
    )


def _variable(
    dims: str | tuple[str, ...], values: Any, long_name: str, units: str = "1"
) -> tuple[Any, Any, dict[str, str]]:
    return dims, values, {"units": units, "long_name": long_name}
