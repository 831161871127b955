"""Modified equations at points: drift and diffusion of all weights, for methods that follow points.

Orders ``sme1`` and ``sme2`` have kernels in vector lanes: closed forms of a linear bottleneck (:mod:`.linear_lanes`),
sums over few nodes of the data for tanh (:mod:`.tanh_lanes`, :mod:`.data_quadrature`). Any other network, and a
population under tanh, go through the landscape, which takes some hundred times longer.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag

from fpsim.datasets import Dataset
from fpsim.theory.joint.data_quadrature import data_nodes
from fpsim.theory.joint.linear_lanes import LinearData, OrderFactors, fill, linear_data
from fpsim.theory.joint.tanh_lanes import fill_tanh
from fpsim.theory.modified_equation import ModifiedEquation, Order
from fpsim.theory.scales import Scales, scales_of
from fpsim.theory.weight_coordinates import Array

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["LandscapePoints", "LinearPoints", "TanhPoints", "hidden_symmetries", "points_of"]

ODD = ("linear", "tanh")
MOST_UNITS = 3
DEGREES = (8, 12, 16, 20)
NODE_ERROR = 2e-3
"""Accepted error of nodes in place of all data, root mean square, relative."""
SPREAD = 0.6
"""Standard deviation of the random weights at which it is measured."""


@dataclass(frozen=True, eq=False)
class LinearPoints:
    """Drift and diffusion of a linear bottleneck (:class:`fpsim.equation.PointCoefficients`).

    Attributes
    ----------
    data : LinearData
    scales : Scales
    order : {"sme1", "sme2"}
    """

    data: LinearData
    scales: Scales
    order: Order

    def __call__(self, t: float, x: Array, drift: Array, diffusion: Array) -> None:
        """Fill ``drift`` (n, P) and ``diffusion`` (n (n + 1) / 2, P) at weights ``x`` (n, P)."""
        fill(self.data, _factors(self.scales, self.order, t), x, drift, diffusion)


@dataclass(frozen=True, eq=False)
class TanhPoints:
    """Drift and diffusion of a tanh bottleneck, by sums over data nodes.

    Attributes
    ----------
    nodes, weights : ndarray, shapes (M, d) and (M,)
    k : int
    scales : Scales
    order : {"sme1", "sme2"}
    error : float
        Relative root mean square error that the nodes make against the whole data, at random weights.
    """

    nodes: Array
    weights: Array
    k: int
    scales: Scales
    order: Order
    error: float = 0.0

    def __call__(self, t: float, x: Array, drift: Array, diffusion: Array) -> None:
        """Fill ``drift`` (n, P) and ``diffusion`` (n (n + 1) / 2, P) at weights ``x`` (n, P)."""
        fill_tanh(self.nodes, self.weights, self.k, _factors(self.scales, self.order, t), x, drift, diffusion)


@dataclass(frozen=True, eq=False)
class LandscapePoints:
    """Drift and diffusion of any landscape, by NumPy at many weights at once."""

    equation: ModifiedEquation

    def __call__(self, t: float, x: Array, drift: Array, diffusion: Array) -> None:
        """Fill ``drift`` (n, P) and ``diffusion`` (n (n + 1) / 2, P) at weights ``x`` (n, P)."""
        w = np.ascontiguousarray(x.T)
        drift[:] = self.equation.drift(w).T
        lower = np.tril_indices(len(x))
        diffusion[:] = self.equation.diffusion(w, t)[:, lower[0], lower[1]].T


def _factors(scales: Scales, order: Order, t: float) -> OrderFactors:
    """OrderFactors of the kernel at a time."""
    noise = scales.noise(t)
    eta = 2.0 * noise / scales.mobility**2 if order == "sme2" else 0.0
    return OrderFactors(
        mobility=scales.mobility,
        second=0.5 * eta,
        temperature=scales.temperature,
        noise=noise * scales.batch_factor,
        label=noise * scales.label_variance,
        thermal=scales.thermal,
        hessian=eta * scales.temperature,
        decay=scales.weight_decay,
    )


def points_of(experiment: Experiment, equation: ModifiedEquation) -> LinearPoints | TanhPoints | LandscapePoints:
    """The fastest coefficients at points of an experiment's modified equation."""
    if experiment.network.activations[0] == "linear":
        data = experiment.data
        moments = linear_data(experiment.network.widths[1], data.second_moment, data.product_covariance)
        return LinearPoints(moments, scales_of(experiment), equation.order)
    scales = scales_of(experiment)
    tanh = experiment.network.activations[0] == "tanh" and not scales.label_variance
    if tanh and isinstance(experiment.data, Dataset):
        return _tanh_points(np.array(experiment.data.x), experiment.network.widths[1], scales, equation.order)
    return LandscapePoints(equation)


def _tanh_points(x: Array, k: int, scales: Scales, order: Order) -> TanhPoints:
    """The fewest nodes whose error is accepted, or all samples."""
    whole = TanhPoints(x, np.full(len(x), 1.0 / len(x)), k, scales, order)
    w = SPREAD * np.random.default_rng(0).standard_normal((2 * k * x.shape[1], 64))
    truth = _values(whole, w)
    for degree in DEGREES:
        nodes, weights = data_nodes(x, degree)
        if len(nodes) == len(x):
            break
        few = TanhPoints(nodes, weights, k, scales, order)
        error = max(
            float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(_values(few, w), truth, strict=True)
        )
        if error <= NODE_ERROR:
            return replace(few, error=error)
    return whole


def _values(points: TanhPoints, w: Array) -> tuple[Array, Array]:
    n, count = w.shape
    drift, diffusion = np.empty((n, count)), np.empty((n * (n + 1) // 2, count))
    points(0.0, w, drift, diffusion)
    return drift, diffusion


def hidden_symmetries(experiment: Experiment) -> Array:
    """Signed permutations (G, n, n) of the weights under which a bottleneck network computes the same function.

    Hidden units may change places and, if their activation is odd, signs; at most ``MOST_UNITS`` units are permuted.
    """
    d, k, _ = experiment.network.widths
    orders = itertools.permutations(range(k)) if k <= MOST_UNITS else [tuple(range(k))]
    odd = experiment.network.activations[0] in ODD and k <= MOST_UNITS
    signs = list(itertools.product((1.0, -1.0), repeat=k)) if odd else [(1.0,) * k]
    group = []
    for order in orders:
        for sign in signs:
            unit = np.zeros((k, k))
            unit[np.arange(k), order] = sign
            group.append(block_diag(np.kron(unit, np.eye(d)), np.kron(np.eye(d), unit)))
    return np.array(group)
