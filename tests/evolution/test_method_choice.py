"""Choice of the method: a finer grid or a smaller tolerance never makes a result worse."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve

NOISE = 0.05


def error_of_rotation(cells, *, turning, start=(1.0, 0.0), end=0.5):
    """True L1 error, and the result, of an Ornstein-Uhlenbeck process that turns; its Gaussian is known."""
    grid = Grid.box((-2, 2, cells), (-2, 2, cells))
    equation = FokkerPlanck(drift=lambda x, y: (-x - turning * y, turning * x - y), diffusion=NOISE)
    result = evolve(equation, gaussian(grid, start, 0.04), [end])
    decay, (c, s) = np.exp(-end), (np.cos(turning * end), np.sin(turning * end))
    mean = decay * np.array([[c, -s], [s, c]]) @ start
    exact = gaussian(grid, mean, 0.04 * decay**2 + NOISE * (1 - decay**2))
    return float(np.abs(result.final.values - exact.values).sum()) * grid.cell_volume, result


@pytest.mark.parametrize("turning", [2.0, 4.0])
def test_drift_towards_walls_without_mass(turning):
    """Drift points outwards at the walls, which the density never reaches."""
    for cells in (96, 128, 192, 256):
        error, result = error_of_rotation(cells, turning=turning)
        assert error <= 1e-3
        assert error <= result.error[-1] <= 2e-3, cells


@pytest.mark.filterwarnings("ignore:.*unless that wall is meant")
@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_saddle_whose_tails_touch_the_walls(noise):
    """Drift (x, -y): a millionth of the mass lies at the walls where noise is large."""
    end = 0.5
    grow, decay = np.exp([end, -end])
    for cells in (64, 96, 128, 192):
        grid = Grid.box((-3, 3, cells), (-3, 3, cells))
        equation = FokkerPlanck(drift=lambda x, y: (x, -y), diffusion=noise)
        result = evolve(equation, gaussian(grid, (0.0, 0.3), 0.04), [end])
        variance = [0.04 * grow**2 + noise * (grow**2 - 1), 0.04 * decay**2 + noise * (1 - decay**2)]
        exact = gaussian(grid, (0.0, 0.3 * decay), variance)
        error = np.abs(result.final.values - exact.values).sum() * grid.cell_volume
        assert error <= 1e-3, cells
        assert error <= 1.05 * result.error[-1], cells


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4])
def test_the_tolerance_binds_where_cells_resolve_the_noise(tolerance):
    """Peclet numbers fall below those from which on the generator is considered."""
    decay = np.exp(-0.5)
    for cells in (256, 512, 1024, 2048):
        grid = Grid.box((-2, 2, cells))
        equation = FokkerPlanck(drift=lambda x: -x, diffusion=NOISE)
        result = evolve(equation, gaussian(grid, 1.0, 0.04), [0.5], tolerance=tolerance)
        exact = gaussian(grid, decay, 0.04 * decay**2 + NOISE * (1 - decay**2))
        assert np.abs(result.final.values - exact.values).sum() * grid.cell_volume <= tolerance, cells


def test_what_exceeds_the_tolerance_says_so():
    """Gravity: exp(-x / 0.1) lies on the wall, where sweeps are of first order."""
    grid = Grid.box((0, 1, 64))
    with pytest.warns(match="unless that wall is meant"):
        result = evolve(FokkerPlanck(drift=-1.0, diffusion=0.1), gaussian(grid, 0.5, 0.01), [0.3], tolerance=1e-4)
    assert result.method == "generator"
    assert result.grid_error[-1] > 1e-4
    assert "above the tolerance 0.0001" in result.reason
