"""FiPy behind the same call: first order against exact densities, mass, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, from_function, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.support.errors import DomainError
from fpsim.validation.fipy import evolve_fipy


def test_ornstein_uhlenbeck_at_a_small_peclet_number():
    grid = Grid.box((-2, 2, 80))
    densities, error, steps, said = evolve_fipy(
        FokkerPlanck(drift=lambda x: -x, diffusion=0.2), gaussian(grid, 0.8, 0.05), np.array([0.5, 1.0]), tolerance=5e-3
    )
    for t, p, estimate in zip((0.5, 1.0), densities, error, strict=True):
        variance = 0.05 * np.exp(-2 * t) + 0.2 * (1 - np.exp(-2 * t))
        exact = gaussian(grid, 0.8 * np.exp(-t), variance)
        assert p.mass == pytest.approx(1.0, abs=1e-10)
        assert np.abs(p.values - exact.values).sum() * grid.cell_volume < 2 * estimate + 2e-3 < 0.05
    assert steps == 60
    assert said == ()


def test_noise_that_depends_on_place_is_meant_in_itos_sense():
    # no drift, D(x): the stationary density is 1 / D, not flat as Fick's form would have it
    grid = Grid.box((-1, 1, 60))
    d = lambda x: 0.5 + 0.4 * np.sin(3 * x)  # noqa: E731
    p = evolve_fipy(FokkerPlanck(diffusion=d), from_function(grid, lambda x: 1 + 0 * x), np.array([20.0]))[0][0]
    exact = from_function(grid, lambda x: 1 / d(x), order=4)
    assert np.abs(p.values - exact.values).sum() * grid.cell_volume < 5e-3


@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
def test_walls_that_are_refused(boundary):
    grid = Grid.box((0, 1, 8), boundary=boundary)
    with pytest.raises(DomainError, match=r"method 'fipy'.*reflecting walls are accepted"):
        evolve_fipy(FokkerPlanck(diffusion=0.1), gaussian(grid, 0.5, 0.01), np.array([1.0]))


def test_four_dimensions_are_refused():
    grid = Grid.box(*[(0, 1, 3)] * 4)
    with pytest.raises(DomainError, match="up to three dimensions"):
        evolve_fipy(FokkerPlanck(diffusion=0.1), gaussian(grid, 0.5, 0.01), np.array([1.0]))
