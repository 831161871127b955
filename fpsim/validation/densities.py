"""Checks of the Fokker-Planck engine and of the generator: closed forms, quadrature, conservation, threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.generator import build_generator, entropy_production, mean_first_passage_time, stationary_density
from fpsim.validation.check import Check

__all__ = ["engine", "generator"]

Array = NDArray[np.float64]


def _l1(a: Density, b: Density) -> float:
    return float(np.abs(a.values - b.values).sum() * a.grid.cell_volume)


def engine() -> Iterator[Check]:
    """Evolution of a density in two dimensions against the exact Gaussian of a linear drift."""
    grid = Grid.box((-2, 2, 128), (-2, 2, 128))
    equation = FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01)
    start, t = gaussian(grid, (1, -1), 0.04), 1.0
    mean = np.array([np.exp(-t), -np.exp(-2 * t)])
    variance = np.array(
        [
            0.04 * np.exp(-2 * t) + 0.01 * (1 - np.exp(-2 * t)),
            0.04 * np.exp(-4 * t) + 0.005 * (1 - np.exp(-4 * t)),
        ]
    )
    source = "Ornstein & Uhlenbeck 1930"
    one, two = (evolve(equation, start, [t], threads=n) for n in (1, 2))
    found = one.final
    yield Check("linear drift: mean of x", found.mean[0], mean[0], 1e-3, source)
    yield Check("linear drift: variance of y", found.covariance[1, 1], variance[1], 2e-4, source)
    error = _l1(found, gaussian(grid, mean, variance))
    yield Check("linear drift: L1 error, 128 x 128 cells", error, 0.0, 8e-3, source)
    yield Check("mass after evolution", found.mass, start.mass, 1e-12, "conservation")
    yield Check("lowest density (negative part)", min(float(found.values.min()), 0.0), 0.0, 0.0, "positivity")
    yield Check("cells that differ, 1 against 2 threads", _differing(one.final, two.final), 0.0, 0.0, "same bits")


def _differing(a: Density, b: Density) -> float:
    return float(np.count_nonzero(a.values != b.values))


def generator() -> Iterator[Check]:
    """Stationary density, passage time over a barrier, entropy production of a turning flow."""

    def potential(x: Array) -> Array:
        return (x * x - 1) ** 2 / 4

    diffusion = 0.1
    grid = Grid.box((-2.5, 2.5, 400))
    well = build_generator(FokkerPlanck(potential=potential, diffusion=diffusion), grid)
    gibbs = np.exp(-potential(grid.centers[0]) / diffusion)
    gibbs /= gibbs.sum() * grid.cell_volume
    error = float(np.abs(stationary_density(well).values / gibbs - 1)[gibbs > 1e-200].max())
    yield Check("double well: relative error of the Gibbs state", error, 0.0, 1e-10, "exp(-V/D)")

    # T(-1) = int_{-1}^0 exp(V(y)/D) int_{-2.5}^y exp(-V(z)/D) dz dy / D
    fine = np.linspace(-2.5, 0.0, 20_001)
    inner = _primitive(fine, np.exp(-potential(fine) / diffusion))
    outer = _primitive(fine, np.exp(potential(fine) / diffusion) * inner) / diffusion
    exact = float(outer[-1] - np.interp(-1.0, fine, outer))
    times = mean_first_passage_time(well, lambda x: x > 0).value
    measured = float(np.interp(-1.0, grid.centers[0], times))
    yield Check("double well: mean passage time from -1 to 0", measured, exact, 1e-3 * exact, "quadrature")

    rotation, d = 3.0, 0.02
    plane = Grid.box((-0.8, 0.8, 128), (-0.8, 0.8, 128))
    flow = FokkerPlanck(drift=lambda x, y: (-x + rotation * y, -y - rotation * x), diffusion=d)
    turning = build_generator(flow, plane)
    produced = float(entropy_production(turning, stationary_density(turning)).value)
    # J = p rotation (y, -x), <x^2 + y^2> = 2 D: Pi = rotation^2 <r^2> / D
    yield Check("rotating flow: entropy production", produced, 2 * rotation**2, 0.01 * 2 * rotation**2, "2 rotation^2")


def _primitive(x: Array, y: Array) -> Array:
    from scipy.integrate import cumulative_simpson

    return np.asarray(cumulative_simpson(y, x=x, initial=0.0))
