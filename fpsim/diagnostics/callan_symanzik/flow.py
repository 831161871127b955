"""Running couplings, beta functions and the anomalous dimension.

With a clock ``s`` (any monotone function of time: ``lambda t``, ``ln t``, ``-ln L``) and couplings ``(Z, g)`` read
off at every time, ``beta_a = dg_a / ds`` and ``gamma = d ln|Z| / ds``. Two ways to get them: :func:`measured_flow`
differentiates the couplings in time and needs no equation; :func:`exact_flow` takes the rates of the n-point
functions from the hierarchy identity and needs no differencing. They agree where the equation is right.

Limits: for densities the error of :func:`measured_flow` contains the difference between two stencils, a bound once the
times resolve the flow; for ensembles it is the standard error alone, so choose times that resolve the flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.correlators import Correlators
from fpsim.diagnostics.callan_symanzik.families import Family
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate, stack

__all__ = ["Flow", "exact_flow", "flow_dataset", "measured_flow", "running_couplings"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Flow:
    """Couplings along the clock and how fast they run.

    Attributes
    ----------
    names : tuple of str
        Couplings, without ``Z``.
    clock : ndarray, shape (T,)
        ``s``.
    couplings : Estimate, shape (T, 1 + a)
        ``Z`` and the couplings.
    rates : Estimate, shape (T, 1 + a)
        ``gamma`` and the beta functions.
    truncation : ndarray, shape (T, 1 + a)
        Error of the rates from differencing in time, zero if there was none.
    """

    names: tuple[str, ...]
    clock: Array
    couplings: Estimate
    rates: Estimate
    truncation: Array

    @property
    def gamma(self) -> Array:
        """Anomalous dimension ``d ln|Z| / ds``, shape (T,)."""
        return self.rates.value[:, 0]

    @property
    def beta(self) -> Array:
        """Beta functions ``dg / ds``, shape (T, a)."""
        return self.rates.value[:, 1:]

    @property
    def error(self) -> Array:
        """Error of gamma and the beta functions, shape (T, 1 + a); standard errors if statistical."""
        return np.hypot(self.rates.error, self.truncation)

    def band(self, sigmas: float = 1.96) -> tuple[Array, Array]:
        """Lower and upper edge of the confidence band of gamma and the beta functions (95 % by default)."""
        half = sigmas * self.error
        return self.rates.value - half, self.rates.value + half


def running_couplings(tables: Sequence[Correlators], family: Family) -> Estimate:
    """``(Z, g_1, ..)`` at every time, shape (T, 1 + a).

    The tables are those of one run: their replicates (blocks of replicas, or grids) belong together.
    """
    indices = tables[0].indices
    full = stack([table.full for table in tables])
    return full.map(lambda g: np.array([family.couplings(family.read(indices, row)) for row in g]))


def measured_flow(clock: ArrayLike, tables: Sequence[Correlators], family: Family, *, stencil: int = 5) -> Flow:
    """Flow of the couplings by differences along the clock.

    Parameters
    ----------
    clock : array_like, shape (T,)
        Strictly monotone.
    tables : sequence of Correlators
        One per time, of one run.
    stencil : int
        Number of neighbouring times in a difference, odd: order ``stencil - 1`` in the spacing.

    Raises
    ------
    DomainError
        If the clock is not monotone or has fewer times than the stencil.
    """
    s = checked_clock(clock, len(tables))
    if stencil < 3 or stencil % 2 == 0 or stencil > len(s):
        raise DomainError(f"stencil is {stencil} with {len(s)} times: an odd number from 3 to the times is accepted")
    couplings = running_couplings(tables, family)
    fine = difference_matrix(s, stencil)
    coarse = difference_matrix(s, stencil - 2) if stencil > 3 else None

    def slopes(matrix: Array, values: Array) -> Array:
        return matrix @ np.column_stack([np.log(np.abs(values[:, 0])), values[:, 1:]])

    rates = couplings.map(lambda v: slopes(fine, v))
    truncation = np.zeros_like(rates.value)
    if coarse is not None and not rates.statistical:
        truncation = np.abs(rates.value - slopes(coarse, couplings.value))
    return Flow(family.names, s, couplings, rates, truncation)


def exact_flow(
    clock: ArrayLike, found: Sequence[tuple[Correlators, Estimate]], family: Family, *, speed: ArrayLike = 1.0
) -> Flow:
    """Flow of the couplings from n-point functions and their rates ``d_t G`` (see
    :func:`fpsim.diagnostics.callan_symanzik.rates`).

    Parameters
    ----------
    speed : array_like, scalar or shape (T,)
        ``ds / dt`` of the clock.
    """
    s = checked_clock(clock, len(found)) if len(found) > 1 else np.atleast_1d(np.asarray(clock, float))
    indices, pace = found[0][0].indices, np.broadcast_to(np.asarray(speed, float), s.shape)
    joint = stack([stack([table.full, rate]) for table, rate in found])
    units = [table.absolute.value for table, _ in found]

    def read(full: Array) -> Array:
        values = family.couplings(family.read(indices, full))
        return np.array([np.log(abs(values[0])), *values[1:]])

    def derivative(full: Array, rate: Array, unit: Array) -> Array:
        step = 1e-3 / max(float(np.max(np.abs(rate) / unit)), 1e-300)
        one, two = (read(full + k * step * rate) - read(full - k * step * rate) for k in (1, 2))
        return (8.0 * one - two) / (12.0 * step)

    values = stack([table.full for table, _ in found]).map(
        lambda g: np.array([family.couplings(family.read(indices, row)) for row in g])
    )
    rates = joint.map(
        lambda v: (
            np.array([derivative(row[0], row[1], unit) for row, unit in zip(v, units, strict=True)]) / pace[:, None]
        )
    )
    return Flow(family.names, s, values, rates, np.zeros_like(rates.value))


def difference_matrix(s: Array, stencil: int) -> Array:
    """Matrix of the first derivative on a clock, from the ``stencil`` nearest times (Lagrange), one-sided at the
    ends.
    """
    matrix = np.zeros((len(s), len(s)))
    for k in range(len(s)):
        first = min(max(k - stencil // 2, 0), len(s) - stencil)
        nodes = s[first : first + stencil] - s[k]
        scale = float(np.abs(nodes).max())
        powers = np.vander(nodes / scale, stencil, increasing=True).T
        unit = np.zeros(stencil)
        unit[1] = 1.0 / scale
        matrix[k, first : first + stencil] = np.linalg.solve(powers, unit)
    return matrix


def checked_clock(clock: ArrayLike, count: int) -> Array:
    """A strictly monotone clock with one value per table."""
    s = np.atleast_1d(np.asarray(clock, float))
    steps = np.diff(s)
    if s.ndim != 1 or len(s) != count or not np.isfinite(s).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise DomainError(f"clock of shape {s.shape} for {count} times: strictly monotone finite values are accepted")
    return s


def flow_dataset(
    flows: Mapping[str, Flow], times: ArrayLike, *, exact: Mapping[str, ArrayLike] | None = None
) -> xr.Dataset:
    """Flows of several runs through time as labelled arrays.

    Parameters
    ----------
    flows : mapping
        By run, along one clock.
    times : array_like, shape (T,)
        Time at each value of the clock.
    exact : mapping, optional
        Gamma and the beta functions in closed form by run, shape (T, 1 + a).

    Returns
    -------
    xarray.Dataset
        ``couplings`` (``Z`` and the family's) by run, time and coupling, ``rates`` (gamma and the beta functions) by
        run, time and rate, with ``couplings_error`` and ``rates_error``; ``rates_exact``; coordinate ``clock``.
    """
    runs, couplings, rates = list(flows.values()), ("run", "time", "coupling"), ("run", "time", "rate")
    variables = {
        "couplings": (couplings, np.array([f.couplings.value for f in runs]), _named("coupling")),
        "couplings_error": (couplings, np.array([f.couplings.error for f in runs]), _named("error of the coupling")),
        "rates": (rates, np.array([f.rates.value for f in runs]), _named("gamma or beta function")),
        "rates_error": (rates, np.array([f.error for f in runs]), _named("error of gamma or the beta function")),
    }
    if exact is not None:
        closed = np.array([np.asarray(exact[name], float) for name in flows])
        variables["rates_exact"] = rates, closed, _named("gamma or beta function in closed form")
    return xr.Dataset(
        variables,
        {
            "run": list(flows),
            "time": ("time", np.asarray(times, float), _named("time")),
            "clock": ("time", runs[0].clock, _named("clock")),
            "coupling": ["Z", *runs[0].names],
            "rate": ["gamma", *(f"beta_{name}" for name in runs[0].names)],
        },
    )


def _named(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}
