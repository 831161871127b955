"""What closures take from an ensemble: surviving replicas, the partner's statistics, paths through recorded times."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates

from fpsim.errors import DomainError
from fpsim.theory._mesh import Array, Mesh, columns
from fpsim.theory.averages import Averages
from fpsim.theory.closures.base import Matrix
from fpsim.theory.coefficients import decoder_factors, factor_products

if TYPE_CHECKING:
    from fpsim.sgd import Ensemble

__all__ = ["cubic_path", "linear_path", "partner_samples", "recorded_times", "survivors"]

TABLE = 96
"""Nodes per axis of a table of data averages."""


def survivors(ensemble: Ensemble) -> dict[str, Array]:
    """Recorded weights of the replicas that never diverged; frozen matrices are repeated.

    Raises
    ------
    DomainError
        If no weights were recorded.
    """
    keep = ~ensemble.divergence.mask
    network = ensemble.experiment.network
    if any(name not in ensemble.weights for name in network.trained):
        raise DomainError("the ensemble holds no weights: train with full weights recorded")
    weights = {name: np.asarray(w)[:, keep] for name, w in ensemble.weights.items()}
    shape = next(iter(weights.values())).shape[:2]
    for name, w in network.frozen.items():
        weights.setdefault(name, np.broadcast_to(w, (*shape, *w.shape)))
    return weights


def recorded_times(ensemble: Ensemble) -> Array:
    """Times of the recorded weights.

    Raises
    ------
    DomainError
        If fewer than two times or fewer than 100 surviving replicas are recorded.
    """
    replicas = int(np.count_nonzero(~ensemble.divergence.mask))
    if len(ensemble.times) < 2 or replicas < 100:
        raise DomainError(
            f"the ensemble has {len(ensemble.times)} recorded times of {replicas} surviving replicas; "
            "at least 2 of 100 are accepted"
        )
    return np.asarray(ensemble.times, dtype=np.float64)


def partner_samples(averages: Averages, matrix: Matrix, partner: Array) -> tuple[Array, Array]:
    """The two statistics of :mod:`fpsim.theory.closures.base` at the partner's matrices (M, rows, columns).

    The trailing axis is M. Data averages of many encoders come from splines through a table, where that is cheaper than
    a sum per matrix.
    """
    if matrix == "W1":
        theta = decoder_factors(columns(partner), averages.d, averages.k)
        return theta, factor_products(theta)
    w1 = columns(partner)
    if not averages.closed_form and len(w1) <= 2 and len(partner) > TABLE ** len(w1):
        return _tabulated(averages, w1)
    return averages.decoder(w1), averages.decoder_covariance(w1)


def cubic_path(times: Array, values: Array) -> Callable[[float], Array]:
    """Cubic spline through values (T, ...) at the recorded times, held outside them."""
    spline = CubicSpline(times, values, axis=0)
    return lambda t: spline(min(max(t, times[0]), times[-1]))


def linear_path(times: Array, values: Array) -> Callable[[float], Array]:
    """Linear interpolation of values (T, ...), which keeps covariances positive semidefinite; held outside."""

    def at(t: float) -> Array:
        i = min(max(int(np.searchsorted(times, t, side="right")) - 1, 0), len(times) - 2)
        share = min(max((t - times[i]) / (times[i + 1] - times[i]), 0.0), 1.0)
        return (1.0 - share) * values[i] + share * values[i + 1]

    return at


def _tabulated(averages: Averages, w1: Mesh) -> tuple[Array, Array]:
    """Data averages at many points by cubic splines through a table, where a sum per point would cost too much."""
    axes = [np.linspace(w.min() - 1e-9, w.max() + 1e-9, TABLE) for w in w1]
    mesh = tuple(np.meshgrid(*axes, indexing="ij", sparse=True))
    index = [(w - a[0]) / (a[1] - a[0]) for w, a in zip(w1, axes, strict=True)]
    tables = averages.decoder(mesh), averages.decoder_covariance(mesh)
    out = []
    for table in tables:
        flat = table.reshape(-1, *(len(a) for a in axes))
        values = np.stack([map_coordinates(f, index, order=3, mode="nearest") for f in flat])
        out.append(values.reshape(*table.shape[: table.ndim - len(axes)], -1))
    return out[0], out[1]
