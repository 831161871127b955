"""Conditional closure: the statistics of the partner are regressed on the matrix itself, over an ensemble.

Assumption: none but enough replicas. It is the only closure of one matrix that converges, to the exact equation of its
density, as the number of replicas grows; it borrows from the experiment what mean field leaves out, the correlation of
the matrices. Errors: statistical, O(neighbours^{-1/2}) locally; regression bias O(bandwidth^2) where the conditional
averages bend within a bandwidth; interpolation between recorded times (cubic for the drift, linear for the diffusion).
Only smooth statistics are regressed, never drift or diffusion themselves (:mod:`fpsim.theory.closures.base`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import CubicSpline

from fpsim.equation import FokkerPlanck
from fpsim.errors import DomainError
from fpsim.theory._mesh import Array, Mesh, columns
from fpsim.theory.averages import Averages, averages_of
from fpsim.theory.closures.base import Matrix, Partner, checked_matrix, marginal_equation
from fpsim.theory.closures.regression import interpolate, nodes_around, regress
from fpsim.theory.coefficients import decoder_factors, factor_products

if TYPE_CHECKING:
    from fpsim.experiment import Experiment
    from fpsim.sgd import Ensemble

__all__ = ["conditional", "partner_samples", "survivors"]


def conditional(
    experiment: Experiment, matrix: Matrix, ensemble: Ensemble, *, neighbours: float | None = None, degree: int = 2
) -> FokkerPlanck:
    """Equation of one matrix with the conditional averages of an ensemble.

    Parameters
    ----------
    experiment : Experiment
        Bottleneck network and its training.
    matrix : {"W1", "W2"}
        Whose equation.
    ensemble : Ensemble
        Weights at two or more recorded times, which should resolve the relaxation; between them the averages are
        interpolated, before the first and after the last they are held.
    neighbours : float, optional
        Replicas a local fit should see; ``max(60, 2 sqrt(R))`` by default.

    Raises
    ------
    DomainError
        If fewer than two times or fewer than 100 surviving replicas are recorded.
    """
    checked_matrix(experiment, matrix)
    weights = survivors(ensemble)
    own, partner = (weights["W1"], weights["W2"]) if matrix == "W1" else (weights["W2"], weights["W1"])
    times, replicas = ensemble.times, own.shape[1]
    if len(times) < 2 or replicas < 100:
        raise DomainError(
            f"conditional closure: {len(times)} times of {replicas} surviving replicas; at least 2 of 100 are accepted"
        )
    wanted = max(60.0, 2.0 * replicas**0.5) if neighbours is None else neighbours
    x = own.reshape(len(times), replicas, -1)
    nodes = nodes_around(x)
    averages = averages_of(experiment)
    tabulate = experiment.network.activations[0] != "linear" and averages.d * averages.k <= 2
    first, second = [], []
    for i in range(len(times)):
        y1, y2 = partner_samples(averages, matrix, partner[i], tabulate=tabulate)
        first.append(
            regress(nodes, x[i], _flat(y1), neighbours=wanted, degree=degree).reshape(*y1.shape[:-1], *nodes.shape)
        )
        second.append(
            regress(nodes, x[i], _flat(y2), neighbours=wanted, degree=0).reshape(*y2.shape[:-1], *nodes.shape)
        )
    drift_path = CubicSpline(times, np.stack(first), axis=0)
    noise_path = np.stack(second)

    def first_at(mesh: Mesh, t: float, p: Any) -> Array:
        return interpolate(nodes, drift_path(np.clip(t, times[0], times[-1])), mesh)

    def second_at(mesh: Mesh, t: float, p: Any) -> Array:
        i = min(max(int(np.searchsorted(times, t, side="right")) - 1, 0), len(times) - 2)
        share = np.clip((t - times[i]) / (times[i + 1] - times[i]), 0.0, 1.0)
        return interpolate(nodes, (1.0 - share) * noise_path[i] + share * noise_path[i + 1], mesh)

    return marginal_equation(experiment, matrix, Partner(first_at, second_at, of_time=True))


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


def partner_samples(
    averages: Averages, matrix: Matrix, partner: Array, *, tabulate: bool = False
) -> tuple[Array, Array]:
    """The two statistics of the partner's matrices (M, rows, columns), trailing axis M."""
    if matrix == "W1":
        theta = decoder_factors(columns(partner), averages.d, averages.k)
        return theta, factor_products(theta)
    w1 = columns(partner)
    if tabulate:
        return _tabulated(averages, w1)
    return averages.decoder(w1), averages.decoder_covariance(w1)


def _tabulated(averages: Averages, w1: Mesh) -> tuple[Array, Array]:
    """Data averages at many points by cubic splines through a table, where a sum per point would cost too much."""
    from scipy.ndimage import map_coordinates

    axes = [np.linspace(w.min() - 1e-9, w.max() + 1e-9, 96) for w in w1]
    mesh = tuple(np.meshgrid(*axes, indexing="ij", sparse=True))
    index = [(w - a[0]) / (a[1] - a[0]) for w, a in zip(w1, axes, strict=True)]
    tables = averages.decoder(mesh), averages.decoder_covariance(mesh)
    out = []
    for table in tables:
        flat = table.reshape(-1, *(len(a) for a in axes))
        values = np.stack([map_coordinates(f, index, order=3, mode="nearest") for f in flat])
        out.append(values.reshape(*table.shape[: table.ndim - len(axes)], -1))
    return out[0], out[1]


def _flat(y: Array) -> Array:
    return y.reshape(-1, y.shape[-1]).T
