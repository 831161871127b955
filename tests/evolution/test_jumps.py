"""Coefficients that jump in time, as learning rates do: noticed wherever the jump lies, and paid for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.equation.time_averages import time_average
from fpsim.evolution import evolve
from fpsim.support.errors import DomainError

GRID = Grid.box((-2.5, 2.5, 400))


def relaxed(mean, variance, rate, diffusion, t):
    """Mean and variance of an Ornstein-Uhlenbeck process after a time."""
    kept = np.exp(-2 * rate * t)
    spread = diffusion / rate * (1 - kept) if rate else 2 * diffusion * t
    return mean * np.exp(-rate * t), variance * kept + spread


def cells(grid, mean, variance):
    """Cell averages of a Gaussian."""
    return np.diff(ndtr((grid.edges[0] - mean) / np.sqrt(variance))) / grid.spacing[0]


@pytest.mark.parametrize("when", np.linspace(0.03, 0.97, 24))
def test_a_drift_that_is_switched_on(when):
    equation = FokkerPlanck(drift=lambda x, t: -4.0 * (t > when) * x, diffusion=0.01)
    result = evolve(equation, gaussian(GRID, 0.8, 0.04), [1.0])
    mean, variance = relaxed(*relaxed(0.8, 0.04, 0.0, 0.01, when), 4.0, 0.01, 1.0 - when)
    distance = np.abs(result.final.values - cells(GRID, mean, variance)).sum() * GRID.cell_volume
    assert distance <= min(2.0 * result.error[-1], 2e-3)  # an estimate, and the default tolerance is 1e-3
    assert result.steps <= 400


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_a_learning_rate_that_drops_three_times(tolerance):
    """Drift and noise of SGD both scale with it."""
    drops, factor = np.array([0.21, 0.48, 0.83]), 0.3

    def scale(t):
        return factor ** np.searchsorted(drops, t)

    equation = FokkerPlanck(drift=lambda x, t: -4 * scale(t) * x, diffusion=lambda x, t: 0.01 * scale(t) ** 2)
    result = evolve(equation, gaussian(GRID, 0.8, 0.04), [1.0], tolerance=tolerance)
    mean, variance = 0.8, 0.04
    for k, span in enumerate(np.diff([0.0, *drops, 1.0])):
        mean, variance = relaxed(mean, variance, 4 * factor**k, 0.01 * factor ** (2 * k), span)
    distance = np.abs(result.final.values - cells(GRID, mean, variance)).sum() * GRID.cell_volume
    assert distance <= 2.0 * min(result.error[-1], tolerance)


@pytest.mark.parametrize("coupled", [False, True])
def test_in_two_dimensions_and_with_the_density(coupled):
    """Pulled towards the mean of the density or towards zero from a time on."""
    grid = Grid.box((-2, 2, 80), (-2, 2, 80))
    on = {True: lambda x, y, t, p: (-4.0 * (t > 0.7) * (x - p.mean[0]), -4.0 * (t > 0.7) * (y - p.mean[1])),
          False: lambda x, y, t: (-4.0 * (t > 0.7) * x, -4.0 * (t > 0.7) * y)}[coupled]  # fmt: skip
    spread = lambda x, y: [[0.02 + 0 * x * y, 0.0], [0.0, 0.02 + 0 * x * y]]  # noqa: E731
    result = evolve(FokkerPlanck(drift=on, diffusion=spread), gaussian(grid, (0.5, -0.4), 0.09), [1.0], tolerance=1e-2)
    mean, variance = relaxed(*relaxed(0.5, 0.09, 0.0, 0.02, 0.7), 4.0, 0.02, 0.3)
    np.testing.assert_allclose(result.final.mean[0], 0.5 if coupled else mean, atol=3e-3)
    np.testing.assert_allclose(np.diag(result.final.covariance), variance, rtol=0.02)


@pytest.mark.parametrize("density", [False, True])
def test_named_jumps_cost_no_search(density):
    """Steps end at the named times: fewer of them, none rejected for a jump, and the error of the tolerance."""
    drops, factor = (0.21, 0.48, 0.83), 0.3

    def scale(t):
        return factor ** np.searchsorted(drops, t)

    pull = (lambda x, t, p: -4 * scale(t) * (x - 0 * p.mean[0])) if density else (lambda x, t: -4 * scale(t) * x)
    steps = {}
    for jumps in (None, drops):
        equation = FokkerPlanck(drift=pull, diffusion=lambda x, t: 0.01 * scale(t) ** 2, jumps=jumps)
        result = evolve(equation, gaussian(GRID, 0.8, 0.04), [1.0])
        mean, variance = 0.8, 0.04
        for k, span in enumerate(np.diff([0.0, *drops, 1.0])):
            mean, variance = relaxed(mean, variance, 4 * factor**k, 0.01 * factor ** (2 * k), span)
        distance = np.abs(result.final.values - cells(GRID, mean, variance)).sum() * GRID.cell_volume
        assert distance <= 2.0 * min(result.error[-1], 1e-3)
        steps[jumps] = result.steps + result.rejected
    assert steps[drops] < 0.7 * steps[None]


@pytest.mark.parametrize("jumps", [[0.5, 0.2], [np.nan], "soon", [0.1, 0.1]])
def test_jumps_that_are_no_times(jumps):
    with pytest.raises(DomainError, match="jumps"):
        FokkerPlanck(drift=lambda x, t: -t * x, diffusion=0.01, jumps=jumps)


@pytest.mark.parametrize(("begin", "end"), [(0.25, 0.5), (0.3, 0.8), (0.5, 0.75), (0.1, 0.9)])
def test_a_drift_that_is_off_for_a_while(begin, end):
    """Also where two steps and the ends and middle of both see it for the same share of the time."""
    grid = Grid.box((-3, 3, 200))
    equation = FokkerPlanck(drift=lambda x, t: 2.0 * (not begin < t < end) + 0.0 * x, diffusion=0.02)
    result = evolve(equation, gaussian(grid, -1.0, 0.04), [1.0])
    exact = cells(grid, -1.0 + 2.0 * (1.0 - end + begin), 0.08)
    assert np.abs(result.final.values - exact).sum() * grid.cell_volume <= min(2.0 * result.error[-1], 2e-3)


@pytest.mark.parametrize("cycles", [2, 3, 4, 6, 9, 13, 16, 18])
def test_a_learning_rate_that_goes_up_and_down(cycles):
    """Steps are shares 2^(-k/4) of the time, as many a schedule's are."""
    grid = Grid.box((-3, 3, 200))
    equation = FokkerPlanck(drift=lambda x, t: 2.0 * ((cycles * t) % 1 < 0.5) + 0.0 * x, diffusion=0.02)
    result = evolve(equation, gaussian(grid, -1.0, 0.04), [1.0])
    distance = np.abs(result.final.values - cells(grid, 0.0, 0.08)).sum() * grid.cell_volume
    assert distance <= min(3.0 * result.error[-1], 3e-3)


@pytest.mark.parametrize("cycles", [64, 128, 256])
def test_oscillations_that_steps_could_be_in_tune_with(cycles):
    grid = Grid.box((-3, 3, 200))
    equation = FokkerPlanck(drift=lambda x, t: 1.0 - np.cos(2 * np.pi * cycles * t) + 0.0 * x, diffusion=0.02)
    result = evolve(equation, gaussian(grid, -1.0, 0.04), [1.0])
    distance = np.abs(result.final.values - cells(grid, 0.0, 0.08)).sum() * grid.cell_volume
    assert distance <= min(2.0 * result.error[-1], 3e-3)


def test_averages():
    """Straight lines have that of the middle, parabolas a variance of 1/8 of the step's square."""
    drift = lambda x, y, t: (t * x, 0.0)  # noqa: E731
    spread = lambda x, y, t: [[1.0, None], [None, t**2]]  # noqa: E731
    mean = time_average(FokkerPlanck(drift=drift, diffusion=spread), 1.0, 2.0)
    x = y = np.array([1.0, 2.0])
    np.testing.assert_allclose(mean.drift(x, y)[0], 2.0 * x, rtol=1e-14)
    assert mean.drift(x, y)[1] == 0.0
    (first, *others), (_, last) = mean.diffusion(x, y)
    assert (first, others) == (pytest.approx(1.0, rel=1e-14), [None])
    assert last == pytest.approx(2.0**2 + 2.0**2 / 8, rel=1e-14)
    assert not mean.time_dependent


@pytest.mark.parametrize(
    "diffusion",
    [
        lambda x, y, t: 0.1 if t < 0.3 else (0.1, 0.1),
        lambda x, y, t: 0.1 if t < 1.0 else np.inf,
        lambda x, y, t: [[0.1, None], [None, 0.1]] if t < 0.2 else 0.1,
    ],
)
def test_answers_without_an_average_are_those_of_the_middle(diffusion):
    grid = Grid.box((-4, 4, 80), (-4, 4, 80))
    result = evolve(FokkerPlanck(diffusion=diffusion), gaussian(grid, 0.0, 0.1), [1.0])
    np.testing.assert_allclose(np.diag(result.final.covariance), 0.3, rtol=0.02)
