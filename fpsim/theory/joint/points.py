"""Modified equations at points: drift and diffusion of all weights, for methods that follow points.

A linear bottleneck with orders ``sme1`` and ``sme2`` has closed forms in vector lanes (:mod:`.linear_lanes`); any other
network, and ``sme2c``, goes through its landscape, which sums over the data at every point and takes some hundred times
longer.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag

from fpsim.theory.joint.linear_lanes import LinearData, OrderFactors, fill, linear_data
from fpsim.theory.modified_equation import ModifiedEquation, Order
from fpsim.theory.scales import Scales, scales_of
from fpsim.theory.weight_coordinates import Array

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["LandscapePoints", "LinearPoints", "hidden_symmetries", "points_of"]

ODD = ("linear", "tanh")
MOST_UNITS = 3


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
        fill(self.data, self.factors(t), x, drift, diffusion)

    def factors(self, t: float) -> OrderFactors:
        """OrderFactors of the kernel at a time."""
        scales, noise = self.scales, self.scales.noise(t)
        eta = 2.0 * noise / scales.mobility**2 if self.order == "sme2" else 0.0
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


def points_of(experiment: Experiment, equation: ModifiedEquation) -> LinearPoints | LandscapePoints:
    """The fastest coefficients at points of an experiment's modified equation."""
    if experiment.network.activations[0] == "linear" and equation.order != "sme2c":
        data = experiment.data
        moments = linear_data(experiment.network.widths[1], data.second_moment, data.product_covariance)
        return LinearPoints(moments, scales_of(experiment), equation.order)
    return LandscapePoints(equation)


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
