"""Drift that carries a density into an absorbing wall: exact by the method of images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import DomainError

ABSORBING = [("absorbing", "reflecting")]


def cells(grid, t, speed, diffusion):
    """Cell averages on the first axis for ``dx = -speed dt + sqrt(2 D) dW`` from 1, absorbed at 0."""
    y, s = grid.edges[0], np.sqrt(2 * diffusion * t)
    image = np.exp(speed / diffusion + log_ndtr(-(y + 1 + speed * t) / s))  # exp(v x0 / D), v = -speed
    return np.diff(ndtr((y - 1 + speed * t) / s) + image) / grid.spacing[0]


@pytest.mark.parametrize("times", [[1.0], [0.5, 1.0, 1.3], [0.75, 1.0], [0.96, 1.0]])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3])
@pytest.mark.parametrize(("speed", "diffusion"), [(1.0, 0.002), (3.0, 0.02), (0.3, 0.002), (1.0, 0.1)])
def test_what_outflow_loses_too_early_is_in_the_error(speed, diffusion, tolerance, times):
    """Half of the mass leaves at about the same time; a step may not take what is only near the wall."""
    grid, begin = Grid.box((0, 3, 1500), boundary=ABSORBING), 0.02 / speed
    start = Density(grid, np.maximum(cells(grid, begin, speed, diffusion), 0.0))
    equation = FokkerPlanck(drift=-speed, diffusion=diffusion)
    when = np.array(times) / speed
    result = evolve(equation, start, when, tolerance=tolerance, method="sweeps")
    for k, t in enumerate(when):
        exact = cells(grid, begin + t, speed, diffusion)
        distance = np.abs(result.densities[k].values - exact).sum() * grid.cell_volume
        assert distance <= 2.5 * result.error[k]
        assert result.time_error[k] <= 1.5 * tolerance
        missing = exact.sum() * grid.cell_volume + result.absorbed[k] - start.mass
        assert abs(missing) <= 2.5 * result.error[k]


def test_drift_that_turns_to_the_wall_later():
    grid = Grid.box((0, 3, 1500), boundary=ABSORBING)
    begin = 0.02
    start = Density(grid, np.maximum(cells(grid, begin, 1.0, 0.002), 0.0))
    equation = FokkerPlanck(drift=lambda x, t: -2.0 * (t > 0.5), diffusion=lambda x, t: 0.002 * 2.0 * (t > 0.5))
    result = evolve(equation, start, [1.0], tolerance=1e-3)  # nothing, then everything twice as fast
    exact = cells(grid, begin + 1.0, 1.0, 0.002)
    assert np.abs(result.final.values - exact).sum() * grid.cell_volume <= 2.5 * result.error[-1] <= 0.01


def test_in_two_dimensions():
    """The other axis goes its own way."""
    grid = Grid.box((0, 2, 200), (-1, 1, 40), boundary=[("absorbing", "reflecting"), "reflecting"])
    line, y = Grid.box((0, 2, 200), boundary=ABSORBING), grid.edges[1]
    start = np.maximum(cells(line, 0.1, 1.0, 0.02), 0.0)[:, None] * np.diff(ndtr(y / 0.3))[None, :] / grid.spacing[1]
    equation = FokkerPlanck(drift=lambda x, y: (-1.0, -y), diffusion=0.02)
    density = Density(grid, start)
    result = evolve(equation, density, [0.9], tolerance=3e-3)
    width = np.sqrt(0.02 + (0.09 - 0.02) * np.exp(-1.8))
    exact = cells(line, 1.0, 1.0, 0.02)[:, None] * np.diff(ndtr(y / width))[None, :] / grid.spacing[1]
    assert np.abs(result.final.values - exact).sum() * grid.cell_volume <= 2.0 * result.error[-1] <= 0.02
    assert result.absorbed[-1] + result.final.mass == pytest.approx(density.mass, rel=1e-12)


def test_nothing_left_for_coefficients_that_depend_on_the_density():
    grid = Grid.box((-1, 1, 40), boundary="absorbing")
    equation = FokkerPlanck(drift=lambda x, p: 30.0 + 0.0 * x + p.mean[0], diffusion=0.0)
    with pytest.raises(DomainError, match=r"nothing is left at t=0\.\d+: all mass has been absorbed"):
        evolve(equation, gaussian(grid, 0.0, 0.01), [1.0])
