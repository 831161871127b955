"""Ornstein-Uhlenbeck against its exact Gaussian: error at small noise, orders, four dimensions, contraction."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.evolution.sweeps.splitting import Splitting
from fpsim.support.errors import ValidityWarning
from fpsim.support.threads import Team

OU = FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01)


def exact(grid, t):
    mean = [np.exp(-t), -np.exp(-2 * t)]
    variance = [
        0.04 * np.exp(-2 * t) + 0.01 * (1 - np.exp(-2 * t)),
        0.04 * np.exp(-4 * t) + 0.005 * (1 - np.exp(-4 * t)),
    ]
    return gaussian(grid, mean, variance)


def l1(a, b):
    return float(np.abs(a.values - b.values).sum() * a.grid.cell_volume)


def box(n):
    return Grid.box((-2, 2, n), (-2, 2, n))


@pytest.mark.parametrize(("n", "bound"), [(128, 8e-3), (256, 2e-3)])
def test_small_noise_with_defaults(n, bound):
    start = gaussian(box(n), (1, -1), 0.04)
    result = evolve(OU, start, [0.5, 1.0])
    for t, density in zip(result.times, result.densities, strict=True):
        assert l1(density, exact(box(n), t)) <= bound
        assert density.values.min() >= 0.0
        assert density.mass == pytest.approx(start.mass, abs=1e-12)
    assert result.method == "sweeps"
    assert l1(result.final, exact(box(n), 1.0)) <= 2 * result.error[-1]  # the estimate is no underestimate


def fixed_steps(equation, start, end, steps):
    u = np.array(start.values).ravel()
    with Team(1) as team:
        Splitting((equation,), (start.grid,), False, team).advance((u,), 0.0, end / steps, steps)
    return u.reshape(start.grid.shape) * start.grid.cell_volume


def fitted_order(sizes, errors):
    return -np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def test_order_in_time():
    grid = box(256)
    start, steps = gaussian(grid, (1, -1), 0.04), np.array([4, 8, 16, 32])
    truth = exact(grid, 1.0).values * grid.cell_volume
    errors = [np.abs(fixed_steps(OU, start, 1.0, n) - truth).sum() for n in steps]
    assert 1.9 <= fitted_order(steps, errors) <= 2.3


def test_order_in_space():
    sizes = np.array([48, 64, 96, 128])
    errors = []
    for n in sizes:
        values = fixed_steps(OU, gaussian(box(n), (1, -1), 0.04), 1.0, 128)
        errors.append(np.abs(values - exact(box(n), 1.0).values * box(n).cell_volume).sum())
    assert fitted_order(sizes, errors) >= 2.0


def test_time_error_estimate_holds_over_tolerances():
    grid = box(192)
    start = gaussian(grid, (1, -1), 0.04)
    for tolerance in (2e-2, 5e-3, 1e-3):
        result = evolve(OU, start, [1.0], tolerance=tolerance, estimate_grid_error=False)
        error = l1(result.final, exact(grid, 1.0))
        assert error <= 1.5 * tolerance
        assert error <= 2.5 * result.time_error[-1] + 5e-4


def test_rotating_drift_and_tensor():
    a = np.array([[-1.0, 2.0], [-2.0, -0.5]])
    tensor = np.array([[0.05, 0.03], [0.03, 0.04]])
    equation = FokkerPlanck(drift=lambda x, y: (a[0, 0] * x + a[0, 1] * y, a[1, 0] * x + a[1, 1] * y), diffusion=tensor)
    grid = Grid.box((-2, 2, 96), (-2, 2, 96))
    result = evolve(equation, gaussian(grid, (0.6, 0.3), 0.03), [1.0, 2.0])
    for t, density in zip(result.times, result.densities, strict=True):
        flow = expm(a * t)
        stationary = solve_continuous_lyapunov(a, -2 * tensor)
        covariance = flow @ (0.03 * np.eye(2) - stationary) @ flow.T + stationary
        np.testing.assert_allclose(density.mean, flow @ [0.6, 0.3], atol=2e-3)
        np.testing.assert_allclose(density.covariance, covariance, atol=5e-4)


def test_contraction_by_fifty():
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=1e-7)
    end = np.log(50.0)
    for n in (96, 192):
        result = evolve(equation, gaussian(box(n), (1, -1), 0.04), [end], follow=True)
        variance = 0.04 * np.exp(-2 * end) + 1e-7 * (1 - np.exp(-2 * end))
        truth = gaussian(result.final.grid, (0.02, -0.02), variance)
        assert l1(result.final, truth) <= 5e-3
        assert result.final.mass == pytest.approx(1.0, abs=1e-12)
        assert result.warnings == ()


def test_grid_follows_a_density_that_moves_and_spreads():
    equation = FokkerPlanck(drift=lambda x: 3.0 + 0.0 * x, diffusion=0.5)
    grid = Grid.box((-1, 1, 120))
    result = evolve(equation, gaussian(grid, 0.0, 0.01), [1.0, 4.0], follow=True)
    for t, density in zip(result.times, result.densities, strict=True):
        assert l1(density, gaussian(density.grid, 3.0 * t, 0.01 + t)) <= 3e-3
        assert density.mass == pytest.approx(1.0, abs=1e-12)


def four_dimensional(n):
    a = np.diag([-1.0, -0.7, -1.2, -0.9])
    a[0, 1], a[2, 3], a[3, 0] = 0.4, -0.5, 0.3
    tensor = 0.05 * np.eye(4)
    tensor[0, 2] = tensor[2, 0] = 0.02
    equation = FokkerPlanck(
        drift=lambda *x: tuple(sum(a[i, j] * x[j] for j in range(4) if a[i, j]) for i in range(4)), diffusion=tensor
    )
    grid = Grid((-1.6,) * 4, (1.6,) * 4, (n,) * 4)
    mean0, t = np.array([0.5, -0.4, 0.4, 0.3]), 0.5
    result = evolve(equation, gaussian(grid, mean0, 0.04), [t], tolerance=5e-3, estimate_grid_error=False)
    flow, stationary = expm(a * t), solve_continuous_lyapunov(a, -2 * tensor)
    covariance = flow @ (0.04 * np.eye(4) - stationary) @ flow.T + stationary
    return result, flow @ mean0, covariance


def check_four_dimensional(n):
    result, mean, covariance = four_dimensional(n)
    width = np.sqrt(np.diag(covariance))
    assert np.abs(result.final.mean - mean).max() <= 0.01 * np.abs(mean).max()
    np.testing.assert_array_less(np.abs(result.final.covariance - covariance), 0.01 * np.outer(width, width))
    assert result.final.mass == pytest.approx(1.0, abs=1e-12)


def test_four_dimensions():
    check_four_dimensional(20)


@pytest.mark.slow
def test_four_dimensions_in_full():
    check_four_dimensional(40)


@pytest.mark.parametrize("cells", [2, 4, 8, 12, 16, 20, 24, 28, 32, 48])
@pytest.mark.parametrize("variance", [0.01, 0.04])
def test_few_cells_do_not_follow_further_than_they_resolve(cells, variance):
    """A box that grows with what its own cells spread has no end."""
    grid = Grid.box((-1, 1, cells))
    equation, start = FokkerPlanck(drift=lambda x: -x, diffusion=0.01), gaussian(grid, 0.0, variance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = evolve(equation, start, [0.5], follow=True)
        fixed = evolve(equation, start, [0.5])
    assert not any("or follow=True" in text for text in result.warnings)
    assert result.final.grid.upper[0] <= 2.0
    width = 0.01 + (variance - 0.01) * np.exp(-1.0)
    distances = [l1(r.final, gaussian(r.final.grid, 0.0, width)) for r in (result, fixed)]
    if cells >= 8:
        assert distances[0] <= max(3.0 * np.nan_to_num(result.error[-1]), 1.2 * distances[1])
    assert cells >= 24 or any("does not grow" in str(w.message) for w in caught) or distances[0] <= 0.02


@pytest.mark.parametrize("cells", [16, 24])
def test_a_box_that_cannot_grow_moves_and_says_so(cells):
    equation = FokkerPlanck(drift=lambda x: 3.0, diffusion=0.001)
    with pytest.warns(ValidityWarning) as caught:
        result = evolve(equation, gaussian(Grid.box((-1, 1, cells)), 0.0, 0.04), [1.0], follow=True)
    assert any("does not grow with the density along x0" in str(w.message) for w in caught)
    assert not any("follow=True" in str(w.message) for w in caught)
    assert result.final.mean[0] == pytest.approx(3.0, abs=1e-3)
    assert l1(result.final, gaussian(result.final.grid, 3.0, 0.042)) <= result.error[-1]


@pytest.mark.parametrize("cells", [32, 64, 128])
def test_the_error_of_a_moving_grid(cells):
    """It is told on the same boxes in cells twice as wide."""
    equation = FokkerPlanck(drift=lambda x: 3.0 - x, diffusion=0.02)
    result = evolve(equation, gaussian(Grid.box((-1, 1, cells)), 0.0, 0.04), [0.3, 1.0], follow=True)
    for k, t in enumerate(result.times):
        density, kept = result.densities[k], np.exp(-2.0 * t)
        exact = gaussian(density.grid, 3.0 * (1.0 - np.exp(-t)), 0.04 * kept + 0.02 * (1.0 - kept))
        assert l1(density, exact) <= 2.0 * result.error[k] <= (0.2 if cells < 64 else 0.02)
