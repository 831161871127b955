"""Ensemble statistics for closures: surviving replicas, the partner's two statistics, paths through recorded times."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates

from fpsim.closures.marginal_equation import Matrix
from fpsim.support.errors import DomainError
from fpsim.theory.bottleneck.landscape import BottleneckLandscape
from fpsim.theory.weight_coordinates import Array, columns

if TYPE_CHECKING:
    from fpsim.ensemble import Ensemble

__all__ = ["cubic_path", "linear_path", "partner_statistics", "recorded_times", "survivors"]

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
    weights = {name: np.asarray(w)[:, keep] for name, w in ensemble.weights.items()}
    shape = next(iter(weights.values())).shape[:2]
    if ensemble.experiment is None:  # a user's own trajectories
        return weights
    network = ensemble.experiment.network
    if any(name not in weights for name in network.trained):
        raise DomainError("the ensemble holds no weights: train with full weights recorded")
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


def partner_statistics(
    landscape: BottleneckLandscape, matrix: Matrix, partners: Array
) -> Callable[[Array], tuple[Array, Array]]:
    """The two statistics of a :class:`Partner` as a function of partner matrices (M, rows, columns).

    Answers have a trailing axis M. ``partners`` (..., rows, columns) are all matrices that will be asked for: data
    averages of many encoders come from splines through one table that covers them, where that is cheaper than a sum
    per matrix.
    """
    first, second = landscape.statistics_of_partner(matrix)
    everything = columns(partners)
    n = len(everything)
    if matrix == "W1" or landscape.averages.closed_form or n > 2 or everything[0].size < TABLE**n:
        return lambda w: (first(columns(w)), second(columns(w)))
    axes = [np.linspace(w.min() - 1e-9, w.max() + 1e-9, TABLE) for w in everything]
    mesh = tuple(np.meshgrid(*axes, indexing="ij", sparse=True))
    tables = first(mesh), second(mesh)

    def of_encoder(w1: Array) -> tuple[Array, Array]:
        index = [(w - a[0]) / (a[1] - a[0]) for w, a in zip(columns(w1), axes, strict=True)]
        return _interpolated(tables[0], index), _interpolated(tables[1], index)

    return of_encoder


def _interpolated(table: Array, index: list[Array]) -> Array:
    """Cubic splines through tables (..., nodes) at points given in node spacings, shape (..., M)."""
    n = len(index)
    flat = table.reshape(-1, *table.shape[-n:])
    values = np.stack([map_coordinates(f, index, order=3, mode="nearest") for f in flat])
    return values.reshape(*table.shape[:-n], -1)


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
