"""Problems of the engine benchmark: each with an exact (or independent, far finer) answer as cell averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.special import ndtr

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck


@dataclass(frozen=True)
class Problem:
    """``terms`` is the right-hand side for py-pde; ``most`` is the largest number of cells per axis."""

    name: str
    equation: FokkerPlanck
    grid: Callable[[int], Grid]
    start: Callable[[Grid], Density]
    exact: Callable[[Grid], np.ndarray]
    terms: str
    end: float
    most: int


def _ou_variance(rate, start, noise, t):
    return start * np.exp(-2 * rate * t) + noise / rate * (1 - np.exp(-2 * rate * t))


SMALL_NOISE = Problem(
    "small-noise Ornstein-Uhlenbeck",
    FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01),
    lambda n: Grid.box((-2, 2, n), (-2, 2, n)),
    lambda g: gaussian(g, (1, -1), 0.04),
    lambda g: (
        gaussian(
            g, (np.exp(-1.0), -np.exp(-2.0)), (_ou_variance(1, 0.04, 0.01, 1), _ou_variance(2, 0.04, 0.01, 1))
        ).values
    ),
    "0.01 * laplace(p) + d_dx(x * p) + 2 * d_dy(y * p)",
    1.0,
    512,
)


def _double_well(edges: np.ndarray, t: float, diffusion: float) -> np.ndarray:
    """Cell averages of the double well: central differences on eight times finer cells, stiff integrator."""
    fine = np.linspace(edges[0], edges[-1], 8 * (len(edges) - 1) + 1)
    h, centre = fine[1] - fine[0], 0.5 * (fine[1:] + fine[:-1])
    p0 = np.diff(ndtr((fine + 0.5) / 0.2)) / h
    force = fine[1:-1] - fine[1:-1] ** 3

    def rate(_t, p):
        flux = np.zeros(len(fine))
        flux[1:-1] = force * 0.5 * (p[1:] + p[:-1]) - diffusion * (p[1:] - p[:-1]) / h
        return -(flux[1:] - flux[:-1]) / h

    from scipy.sparse import diags_array

    pattern = diags_array([np.ones(len(centre) - abs(k)) for k in (-1, 0, 1)], offsets=[-1, 0, 1])
    p = solve_ivp(rate, (0, t), p0, method="BDF", rtol=1e-8, atol=1e-10, jac_sparsity=pattern).y[:, -1]
    return p.reshape(-1, 8).mean(axis=1)


DOUBLE_WELL_1D = Problem(
    "double well, 1-D",
    FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2 / 4, diffusion=0.01),
    lambda n: Grid.box((-2, 2, n)),
    lambda g: gaussian(g, -0.5, 0.04),
    lambda g: _double_well(g.edges[0], 3.0, 0.01),
    "0.01 * laplace(p) - d_dx((x - x**3) * p)",
    3.0,
    640,
)

DOUBLE_WELL_2D = Problem(
    "double well, 2-D",
    FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 / 4 + y**2 / 2, diffusion=0.01),
    lambda n: Grid.box((-2, 2, n), (-2, 2, n)),
    lambda g: gaussian(g, (-0.5, 0.5), 0.04),
    lambda g: np.outer(
        _double_well(g.edges[0], 1.5, 0.01),
        gaussian(
            Grid.box((g.lower[1], g.upper[1], g.shape[1])), 0.5 * np.exp(-1.5), _ou_variance(1, 0.04, 0.01, 1.5)
        ).values,
    ),
    "0.01 * laplace(p) - d_dx((x - x**3) * p) + d_dy(y * p)",
    1.5,
    256,
)

_A, _D = np.array([[-0.5, 2.0], [-2.0, -0.5]]), 0.01 * np.array([[1.0, 0.8], [0.8, 1.0]])


def _rotating(g: Grid) -> np.ndarray:
    flow, stationary = expm(_A), solve_continuous_lyapunov(_A, -2 * _D)
    covariance = flow @ (0.03 * np.eye(2) - stationary) @ flow.T + stationary
    return gaussian(g, flow @ [0.8, 0.0], covariance).values


ROTATING = Problem(
    "rotating drift, correlated tensor",
    FokkerPlanck(drift=lambda x, y: (-0.5 * x + 2 * y, -2 * x - 0.5 * y), diffusion=_D),
    lambda n: Grid.box((-2, 2, n), (-2, 2, n)),
    lambda g: gaussian(g, (0.8, 0.0), 0.03),
    _rotating,
    "0.01 * laplace(p) + 0.016 * d_dx(d_dy(p)) + d_dx((0.5 * x - 2 * y) * p) + d_dy((2 * x + 0.5 * y) * p)",
    1.0,
    256,
)


def _lognormal(g: Grid, t: float) -> np.ndarray:
    mu, s = 0.2 + (-0.5 - 0.08) * t, np.sqrt(0.02 + 0.16 * t)
    with np.errstate(divide="ignore"):
        return np.diff(ndtr((np.log(g.edges[0]) - mu) / s)) / g.spacing[0]


MULTIPLICATIVE = Problem(
    "multiplicative noise",
    FokkerPlanck(drift=lambda x: -0.5 * x, diffusion=lambda x: 0.08 * x**2),
    lambda n: Grid.box((0, 5, n)),
    lambda g: Density(g, _lognormal(g, 0.0)),
    lambda g: _lognormal(g, 1.0),
    "d_dx(0.5 * x * p) + laplace(0.08 * x**2 * p)",
    1.0,
    640,
)

PROBLEMS = (SMALL_NOISE, DOUBLE_WELL_1D, DOUBLE_WELL_2D, ROTATING, MULTIPLICATIVE)
