"""Long times: steps whose error shows, another method where steps would be too many, errors that cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import Propagator, evolve
from fpsim.generator import build_generator, slowest_modes

OU = FokkerPlanck(drift=lambda x: -x, diffusion=0.01)
LINE = Grid.box((-1, 1, 64))


def l1(density, exact):
    return float(np.abs(density.values - exact.values).sum()) * density.grid.cell_volume


@pytest.mark.parametrize("tolerance", [1e-3, 1e-2, 0.3])
@pytest.mark.parametrize("end", [30.0, 100.0, 1e4, 1e7])
def test_an_ornstein_uhlenbeck_process_long_after_it_has_come_to_rest(end, tolerance):
    """A step of any tenth of these times would gather everything, then spread it over the whole box: so would half."""
    result = evolve(OU, gaussian(LINE, 0, 0.04), [end], tolerance=tolerance)
    assert l1(result.final, gaussian(LINE, 0, 0.01)) <= result.error[-1]
    assert result.error[-1] <= 1.5 * tolerance + 0.02
    assert result.method == ("sweeps" if end <= 1000 else "generator" if end <= 1e4 else "rational")


def test_sweeps_by_request_and_several_times():
    result = evolve(OU, gaussian(LINE, 0, 0.04), [0, 1.0, 100.0], tolerance=0.3, method="sweeps")
    for t, p, error in zip(result.times, result.densities, result.error, strict=True):
        exact = gaussian(LINE, 0, 0.04 * np.exp(-2 * t) + 0.01 * (1 - np.exp(-2 * t)))
        assert l1(p, exact) <= 1.5 * error + 1e-12


def test_two_dimensions():
    grid = Grid.box((-1, 1, 32), (-1, 1, 32))
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.01)
    with pytest.warns(match="sweeps would take too many steps: more cells"):
        result = Propagator(equation, grid).evolve(gaussian(grid, 0, 0.04), [1e4], estimate_grid_error=False)
    assert l1(result.final, gaussian(grid, 0, 0.01)) <= result.error[-1]


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
def test_escape_over_a_barrier_is_that_of_the_slowest_mode():
    """From one well, the share in the other is (1 - exp(-rate t)) / 2."""
    equation, grid = FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.05), Grid.box((-2, 2, 128))
    rate = -float(np.sort(np.real(slowest_modes(build_generator(equation, grid), 2).eigenvalues))[0])
    times = [1e3, 1e5, 1e8]
    result = evolve(equation, gaussian(grid, -1, 0.01), times)
    for t, p in zip(times, result.densities, strict=True):
        there = p.values[grid.centers[0] > 0].sum() * grid.cell_volume
        assert there == pytest.approx(0.5 * -np.expm1(-rate * t), rel=0.02)


def test_drift_on_a_wall_is_the_generators():
    """exp(-x / 0.1) is exactly stationary for exponential fluxes; splitting would take a hundred thousand steps."""
    for boundary in ("reflecting", [("reflecting", "absorbing")]):
        grid = Grid.box((0, 1, 64), boundary=boundary)
        equation = FokkerPlanck(drift=lambda x: -1 + 0 * x, diffusion=0.1)
        with pytest.warns(match="unless that wall is meant"):
            result = evolve(equation, gaussian(grid, 0.5, 0.01), [10.0] if boundary == "reflecting" else [1.0])
        assert result.method == "generator"
    grid = Grid.box((0, 1, 64))
    with pytest.warns(match="unless that wall is meant"):
        p = evolve(equation, gaussian(grid, 0.5, 0.01), [10.0]).final
    exact = -np.diff(np.exp(-grid.edges[0] / 0.1)) / (1 - np.exp(-10.0)) / grid.spacing[0]
    np.testing.assert_allclose(p.values, exact, atol=1e-9)


@pytest.mark.parametrize("cells", [48, 64, 96])
def test_the_generators_grid_error_where_drift_dominates(cells):
    """First order there: the stated error covers the true one within a factor of two."""
    grid = Grid.box((-2, 2, cells), (-2, 2, cells))
    equation = FokkerPlanck(drift=lambda x, y: (-2 * x, -3 * y), diffusion=0.01)
    result = evolve(equation, gaussian(grid, (0.9, -0.7), 0.04), [0.3], method="generator")
    decay = np.exp(-0.3 * np.array([2.0, 3.0]))
    exact = gaussian(grid, np.array([0.9, -0.7]) * decay, 0.04 * decay**2 + 0.01 / np.array([2, 3]) * (1 - decay**2))
    assert 0.5 * l1(result.final, exact) <= result.grid_error[-1] <= 2.0 * l1(result.final, exact)


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
def test_what_the_generator_does_not_take_is_left_to_the_sweeps():
    """A tilted potential on a ring drifts by the tilt; the wall across, on which drift presses, is no matter."""
    grid = Grid.box((-1, 1, 40), (0, 1, 32), boundary=["periodic", "reflecting"])
    equation = FokkerPlanck(potential=lambda x, y: -2.0 * x + y, diffusion=0.02)
    result = evolve(equation, gaussian(grid, (-0.4, 0.5), 0.01), [0.1], tolerance=1e-2)
    assert result.method == "sweeps"
    assert result.final.mean[0] == pytest.approx(-0.2, abs=5e-3)
