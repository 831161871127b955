"""Tangency residual: what of the flow leaves a family of few couplings.

The claim ``G_n = Z^n Ghat_n(g)`` with flowing couplings means that the rates ``y = d_t G`` are a combination of the
derivatives of ``G`` along the family's parameters. The residual ``min |y - T beta| / |y|``, every component in
units of ``E|f .. f|``, lies between 0 (tangent) and 1 (orthogonal). With no more independent observables than
parameters it is zero whatever the physics, and the verdict is "trivial".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.correlators import Correlators
from fpsim.diagnostics.callan_symanzik.families import Family
from fpsim.uncertainty.estimate import Estimate, stack
from fpsim.uncertainty.verdict import Claim

__all__ = ["tangency", "tangency_dataset", "tangents"]

Array = NDArray[np.float64]

_LOST = 1e-10  # singular values below it, relatively: couplings that are functions of others add no direction
_STEP = 1e-3  # fourth-order differences: truncation 1e-12 of the fourth derivative, rounding 1e-13


def tangents(family: Family, theta: Array, indices: tuple[tuple[int, ...], ...]) -> Array:
    """``d G / d theta_a`` at fixed other parameters, shape (K, parameters)."""
    columns = []
    for a in range(len(theta)):
        step = np.zeros(len(theta))
        step[a] = _STEP * max(abs(theta[a]), 1e-3)
        one, two = (
            family.correlators(theta + k * step, indices) - family.correlators(theta - k * step, indices)
            for k in (1, 2)
        )
        columns.append((8.0 * one - two) / (12.0 * step[a]))
    return np.stack(columns, axis=1)


def tangency(table: Correlators, rate: Estimate, family: Family, *, tolerance: float = 0.01) -> Claim:
    """Tangency residual of a family at one time.

    Parameters
    ----------
    table, rate : Correlators, Estimate
        n-point functions and their rates, from :func:`fpsim.diagnostics.callan_symanzik.rates`.
    family : Family
        Where the flow is claimed to stay.
    tolerance : float
        Residual up to which the family counts as closed.

    Returns
    -------
    Claim
        ``details``: ``theta_rate`` (the best rates of the parameters), ``components`` of the residual vector.
    """
    unit = table.absolute.value

    def residual(joint: Array) -> Array:
        full, y = joint[0], joint[1] / unit
        span = tangents(family, family.read(table.indices, full), table.indices) / unit[:, None]
        basis, sizes, _ = np.linalg.svd(span, full_matrices=False)
        basis = basis[:, sizes > _LOST * sizes[0]]
        norm = np.linalg.norm(y)
        return (y - basis @ (basis.T @ y)) / norm if norm > 0.0 else y

    left = stack([table.full, rate]).map(residual)
    theta = family.read(table.indices, table.full.value)
    span = tangents(family, theta, table.indices) / unit[:, None]
    best = np.linalg.lstsq(span, rate.value / unit, rcond=None)[0]
    directions = int(np.linalg.matrix_rank(span, tol=_LOST * float(np.linalg.norm(span, 2))))
    return Claim(
        "tangency",
        float(np.linalg.norm(left.value)),
        left.norm_error,
        tolerance,
        min(table.independent, len(table.indices)) - directions,
        details={"indices": table.indices, "components": left.value, "theta": theta, "theta_rate": best},
    )


def tangency_dataset(
    rows: Sequence[tuple[Correlators, Estimate]],
    family: Family,
    times: ArrayLike,
    *,
    second_moment: float,
    tolerance: float = 0.01,
) -> xr.Dataset:
    """Tangency residual and mean loss through time as labelled arrays.

    Parameters
    ----------
    rows : sequence
        n-point functions of the error at the first input, and their rates, at the times.
    second_moment : float
        ``c`` of the data: the loss is ``c G_2 / 2``.

    Returns
    -------
    xarray.Dataset
        ``R1``, ``R1_error`` and ``loss`` by time; attribute ``tolerance``.
    """
    claims = [tangency(table, rate, family, tolerance=tolerance) for table, rate in rows]
    loss = [0.5 * second_moment * float(table[0, 0].value) for table, _ in rows]
    return xr.Dataset(
        {
            "R1": ("time", [c.residual for c in claims], {"units": "1", "long_name": "tangency residual"}),
            "R1_error": ("time", [c.error for c in claims], {"units": "1", "long_name": "error of the residual"}),
            "loss": ("time", loss, {"units": "1", "long_name": "mean loss"}),
        },
        {"time": ("time", np.asarray(times, float), {"units": "1", "long_name": "time"})},
        {"tolerance": tolerance},
    )
