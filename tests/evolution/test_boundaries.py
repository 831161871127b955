"""Walls against exact solutions: heat in a box, absorption, advection around a ring and out of a box."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import ndtr

from fpsim.density import Density, Grid, from_function, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import DomainError, ValidityWarning

METHODS = ["sweeps", "generator"]


def l1(a, b):
    return float(np.abs(a - b).sum())


@pytest.mark.parametrize("method", METHODS)
def test_heat_between_reflecting_walls(method):
    """cos(pi x) decays at D pi^2."""
    grid = Grid.box((0, 1, 80))
    start = from_function(grid, lambda x: 1 + 0.9 * np.cos(np.pi * x), order=4)
    result = evolve(FokkerPlanck(diffusion=0.5), start, [0.1, 0.4], method=method)
    mode = np.diff(np.sin(np.pi * grid.edges[0])) / np.pi / grid.spacing[0]
    for t, density in zip(result.times, result.densities, strict=True):
        exact = 1 + 0.9 * mode * np.exp(-0.5 * np.pi**2 * t)
        assert l1(density.values, exact) * grid.cell_volume <= 1.5e-3


@pytest.mark.parametrize("method", METHODS)
def test_heat_between_absorbing_walls(method):
    """sin(pi x) decays at D pi^2, and what is missing has been absorbed."""
    grid = Grid.box((0, 1, 100), boundary="absorbing")
    mode = np.pi / 2 * -np.diff(np.cos(np.pi * grid.edges[0])) / np.pi / grid.spacing[0]
    result = evolve(FokkerPlanck(diffusion=0.5), Density(grid, mode), [0.1, 0.3], method=method)
    for t, density, absorbed in zip(result.times, result.densities, result.absorbed, strict=True):
        survival = np.exp(-0.5 * np.pi**2 * t)
        assert absorbed == pytest.approx(1 - survival, abs=2e-3)
        assert l1(density.values, mode * survival) * grid.cell_volume <= 2e-3
        assert density.mass + absorbed == pytest.approx(1.0, abs=1e-12)


def test_absorption_of_a_tensor_at_a_corner():
    """Independent directions in two dimensions absorb as the product; offsets (1, 0) and (0, 1) only."""
    grid = Grid.box((0, 1, 60), (0, 1, 50), boundary="absorbing")
    line = [np.pi / 2 * -np.diff(np.cos(np.pi * e)) / np.pi / h for e, h in zip(grid.edges, grid.spacing, strict=True)]
    start = Density(grid, np.outer(line[0], line[1]))
    result = evolve(FokkerPlanck(diffusion=[0.3, 0.2]), start, [0.2], method="sweeps")
    assert result.absorbed[0] == pytest.approx(1 - np.exp(-0.5 * np.pi**2 * 0.2), abs=2e-3)


def test_correlated_absorption():
    """A tensor diag(1, 2) turned by 45 degrees absorbs like itself in turned coordinates far from other walls."""
    grid = Grid.box((-2, 2, 100), (-2, 2, 100), boundary=[("absorbing", "reflecting"), "periodic"])
    tensor = [[0.15, 0.05], [0.05, 0.15]]
    start = gaussian(grid, (-1.4, 0.0), 0.02)
    result = evolve(FokkerPlanck(diffusion=tensor), start, [0.5], method="sweeps", estimate_grid_error=False)
    # the distance to the wall at x = -2 is a Brownian motion of variance 2 D_xx t whatever happens along y
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    distance = 0.6 + np.sqrt(0.02) * nodes
    hit = np.where(distance > 0, 2 * ndtr(-np.abs(distance) / np.sqrt(2 * 0.15 * 0.5)), 1.0)
    expected = float(hit @ weights / weights.sum())
    assert result.absorbed[0] == pytest.approx(expected, abs=5e-3)
    assert result.final.mass + result.absorbed[0] == pytest.approx(1.0, abs=1e-12)


def test_once_around_a_ring():
    """Constant drift brings a density back after one period; a non-uniform one stretches it exactly."""
    grid = Grid.box((0, 1, 96), boundary="periodic")
    start = from_function(grid, lambda x: np.exp(5 * np.cos(2 * np.pi * x)), order=4)
    result = evolve(FokkerPlanck(drift=lambda x: 1.0 + 0 * x), start, [0.5, 1.0])
    assert l1(result.densities[0].values, np.roll(start.values, 48)) * grid.cell_volume <= 1e-4
    assert l1(result.final.values, start.values) * grid.cell_volume <= 1e-4

    speed = FokkerPlanck(drift=lambda x: 1 + 0.5 * np.sin(2 * np.pi * x))
    late = evolve(speed, start, [2 / np.sqrt(3.0)])  # one period: int dx / b
    assert l1(late.final.values, start.values) * grid.cell_volume <= 1e-3


def test_carried_out_through_a_wall():
    grid = Grid.box((0, 1, 80), boundary="absorbing")
    start, wind = gaussian(grid, 0.4, 0.0036), FokkerPlanck(drift=lambda x: 1.0 + 0 * x)
    result = evolve(wind, start, [0.3, 0.6, 0.7])
    np.testing.assert_allclose(result.absorbed, 1 - ndtr((0.6 - result.times) / 0.06), atol=1e-4)
    with pytest.raises(DomainError, match="nothing is left"):
        evolve(wind, start, [1.2])


def test_drift_against_a_reflecting_wall():
    """Stationary density exp(-x v / D) against the wall.

    Splitting drift from diffusion is of first order in such a layer: the sweeps take very many steps; the generator,
    which is chosen here by itself, has no trouble.
    """
    grid = Grid.box((0, 1, 100))
    v, d = 1.0, 0.05
    equation, start = FokkerPlanck(drift=lambda x: -v + 0 * x, diffusion=d), from_function(grid, lambda x: 1.0 + 0 * x)
    e = np.exp(-grid.edges[0] * v / d)
    exact = -np.diff(e) / (e[0] - e[-1]) / grid.spacing[0]
    result = evolve(equation, start, [3.0], method="sweeps", tolerance=2e-2)
    assert l1(result.final.values, exact) * grid.cell_volume <= result.error[-1] <= 5e-2
    result = evolve(equation, start, [3.0])
    assert result.method == "generator"
    assert l1(result.final.values, exact) * grid.cell_volume <= 2e-3


@pytest.mark.parametrize("diffusion", [0.003, 0.01, 0.03])
@pytest.mark.parametrize("end", [0.9, 1.0, 1.1, 1.5])
@pytest.mark.parametrize("method", ["auto", "sweeps"])
def test_drift_that_carries_a_density_to_a_wall(diffusion, end, method):
    """The layer at the wall may be thinner than a cell, and steps longer than it takes to get there.

    What is just arriving may be missed by twice the tolerance.
    """
    grid, fine = Grid.box((-1, 1, 160)), Grid.box((-1, 1, 3200))
    equation = FokkerPlanck(drift=lambda x: -1.0 + 0.0 * x, diffusion=diffusion)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)  # of mass at the wall
        result = evolve(equation, gaussian(grid, 0.3, 0.01), [end], method=method)
        exact = evolve(equation, gaussian(fine, 0.3, 0.01), [end], method="rational", tolerance=1e-8)
    averages = exact.final.values.reshape(160, -1).mean(axis=1)
    assert np.abs(result.final.values - averages).sum() * grid.cell_volume <= max(2.5 * result.error[-1], 2e-3)
