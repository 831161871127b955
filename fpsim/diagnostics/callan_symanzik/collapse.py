"""Collapse of runs with other learning rates, batches and starts on one curve ``G_n / Z^n`` against a coupling.

At several values of the coupling that all runs pass, the ratios are interpolated along each run, and the variance
between runs is divided by their noise: with ``Q = sum_r (ratio_r - mean)^2 / noise_r^2``, ``F = Q / (R - 1)`` has
the F distribution if the claim is true and errors are statistical. Functions that the couplings were read from
(``n`` = 1 and 2 at the reference input) collapse by construction and are left out; if nothing remains the verdict is
"trivial".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.correlators import Index, connected_of, index_label
from fpsim.diagnostics.callan_symanzik.families import Family
from fpsim.diagnostics.callan_symanzik.flow import running_couplings
from fpsim.diagnostics.callan_symanzik.transfer import CorrelatorRun
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate, stack
from fpsim.uncertainty.verdict import Claim

__all__ = ["collapse", "monotone_parts", "scaled_correlators", "scaled_dataset"]

Array = NDArray[np.float64]


def collapse(
    runs: Sequence[CorrelatorRun],
    family: Family,
    *,
    coupling: str | None = None,
    orders: Sequence[int] = (3, 4),
    connected: bool = False,
    places: int = 5,
    tolerance: float = 0.02,
) -> Claim:
    """Collapse residual over runs with independent replicas.

    Parameters
    ----------
    coupling : str, optional
        The coupling along the horizontal axis; the family's first by default.
    orders : sequence of int
        Which ``n``.
    connected : bool
        Take connected functions, ``kappa_n / kappa_2^(n/2)``, ``kappa_2`` at the reference input: where fluctuations
        are small against the mean, full functions are those of the mean alone and collapse whatever happens.
    places : int
        Number of values of the coupling at which runs are compared.
    tolerance : float
        Relative spread between runs (in units of ``E|f .. f| / Z^n``) up to which they count as one curve.

    Returns
    -------
    Claim
        Residual: root mean square spread between runs in excess of their noise; error: the noise. ``details``: ``F``
        (largest), ``p_value`` (smallest, times the number of tests), ``at`` (values of the coupling), ``curves``,
        ``indices``.

    Raises
    ------
    DomainError
        If there are fewer than two runs, their couplings do not overlap, or one turns back along its run.
    """
    from scipy.stats import f as f_distribution  # slow to import

    if len(runs) < 2:
        raise DomainError(f"collapse of {len(runs)} run: two or more are accepted")
    name = coupling if coupling is not None else family.names[0]
    if name not in family.names:
        raise DomainError(f"coupling {name!r}: {', '.join(family.names)} are accepted")
    column = 1 + family.names.index(name)
    indices = runs[0].tables[0].indices
    chosen = [i for i, x in enumerate(indices) if len(x) in orders and not (len(x) <= 2 and set(x) == {0})]
    charts = [_chart(run, family, column, chosen, connected) for run in runs]
    for k, chart in enumerate(charts):
        _check_monotone(chart[:, 0], f"coupling {name} of run {k}")
    low = max(float(c.value[:, 0].min()) for c in charts)
    high = min(float(c.value[:, 0].max()) for c in charts)
    if not low < high:
        raise DomainError(f"runs share no value of the coupling {name}: they leave {low:.4g} ... {high:.4g}")
    at = np.linspace(low, high, places + 2)[1:-1]
    curves = [chart.map(lambda v: _interpolated(v, at)) for chart in charts]
    if not chosen:
        return Claim("collapse", 0.0, 0.0, tolerance, 0, details={"at": at, "indices": ()})

    values, noise = np.stack([c.value for c in curves]), np.stack([c.error for c in curves])
    unit = np.mean([[1.0 if connected else _unit(run, family, i) for i in chosen] for run in runs], axis=0)
    noise = np.maximum(noise, 1e-13 * unit)
    mean = np.sum(values / noise**2, axis=0) / np.sum(1.0 / noise**2, axis=0)
    freedom = len(runs) - 1
    ratio = np.sum(((values - mean) / noise) ** 2, axis=0) / freedom
    inner = sum(max(len(c.weights) - 1, 1) for c in curves) if any(c.statistical for c in curves) else 10**6
    p_value = float(min(1.0, ratio.size * f_distribution.sf(ratio.max(), freedom, inner)))
    spread = np.sum((values - values.mean(axis=0)) ** 2, axis=0) / freedom / unit**2
    floor = np.mean((noise / unit) ** 2, axis=0)
    details = {"F": float(ratio.max()), "p_value": p_value, "at": at, "curves": tuple(curves),
               "indices": tuple(indices[i] for i in chosen)}  # fmt: skip
    excess = float(np.sqrt(max(float(np.mean(spread - floor)), 0.0)))
    error = float(np.sqrt(np.mean(floor) / freedom))
    return Claim("collapse", excess, error, tolerance, len(chosen), details=details)


def monotone_parts(runs: Sequence[CorrelatorRun], family: Family) -> tuple[list[CorrelatorRun], list[CorrelatorRun]]:
    """Runs before the first and after the last maximum of the family's first coupling, where it can be an abscissa;
    three times or more of each.
    """
    tops = [int(np.argmax(running_couplings(run.tables, run.family or family).value[:, 1])) for run in runs]
    before, after = max(min(tops), 2), min(max(tops), len(runs[0].tables) - 3)
    return [run.part(slice(0, before + 1)) for run in runs], [run.part(slice(after, None)) for run in runs]


def scaled_correlators(run: CorrelatorRun, family: Family, index: Index, *, connected: bool = False) -> Estimate:
    """``G_n / Z^n`` (connected: ``kappa_n / kappa_2^(n/2)``) of one index along a run, shape (T,): a function of the
    couplings alone if the claim is true.
    """
    return _chart(run, family, 0, [run.tables[0].position(*index)], connected)[:, 1]


def scaled_dataset(
    runs: Mapping[str, CorrelatorRun], family: Family, indices: Sequence[Index], times: ArrayLike
) -> xr.Dataset:
    """``scaled``, ``G_n / Z^n`` of several runs, with ``scaled_error``, by run, time and scaled index: what must
    collapse when it is drawn against the couplings.
    """
    found = [[scaled_correlators(run, family, index) for index in indices] for run in runs.values()]
    dims, labels = ("run", "time", "scaled_index"), [index_label(index) for index in indices]
    value, error = (
        np.array([np.stack([getattr(e, name) for e in run], axis=1) for run in found]) for name in ("value", "error")
    )
    return xr.Dataset(
        {
            "scaled": (dims, value, {"units": "1", "long_name": "G_n / Z^n"}),
            "scaled_error": (dims, error, {"units": "1", "long_name": "error of G_n / Z^n"}),
        },
        {
            "run": list(runs),
            "time": ("time", np.asarray(times, float), {"units": "1", "long_name": "time"}),
            "scaled_index": labels,
        },
    )


def _chart(run: CorrelatorRun, family: Family, column: int, chosen: list[int], connected: bool) -> Estimate:
    """Coupling and scaled functions along a run, shape (T, 1 + chosen)."""
    indices = run.tables[0].indices
    powers, pair = np.array([len(indices[i]) for i in chosen]), run.tables[0].position(0, 0)

    def chart(full: Array) -> Array:
        values = run.couplings(family, full)
        if connected:
            kappa = np.array([connected_of(indices, row) for row in full])
            return np.column_stack([values[:, column], kappa[:, chosen] / np.sqrt(kappa[:, [pair]]) ** powers])
        return np.column_stack([values[:, column], full[:, chosen] / values[:, :1] ** powers])

    return stack([table.full for table in run.tables]).map(chart)


def _check_monotone(coupling: Estimate, what: str) -> None:
    """A coupling that goes both ways by more than three errors is no abscissa."""
    steps = coupling.map(np.diff)
    slack = 3.0 * steps.error + 1e-12
    if (steps.value > slack).any() and (steps.value < -slack).any():
        raise DomainError(f"{what} turns back: a monotone coupling is accepted; cut the run where it turns")


def _interpolated(chart: Array, at: Array) -> Array:
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(chart[:, 0])
    g = chart[order, 0]
    keep = np.append(True, np.diff(g) > 0.0)
    return np.asarray(PchipInterpolator(g[keep], chart[order, 1:][keep], extrapolate=True)(at))


def _unit(run: CorrelatorRun, family: Family, i: int) -> float:
    """``E|f .. f| / |Z|^n`` averaged over the run."""
    values = run.couplings(family, np.array([table.full.value for table in run.tables]))
    absolute = np.array([table.absolute.value[i] for table in run.tables])
    return float(np.mean(absolute / np.abs(values[:, 0]) ** len(run.tables[0].indices[i])))
