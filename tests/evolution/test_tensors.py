"""Full diffusion tensors: exact covariance, whatever the correlation; positivity at any condition number."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Density, Grid, from_function, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.support.errors import ValidityWarning


def random_tensor(rng, ndim, condition):
    q, _ = np.linalg.qr(rng.standard_normal((ndim, ndim)))
    tensor = (q * np.geomspace(1.0, 1.0 / condition, ndim)) @ q.T
    return 0.5 * (tensor + tensor.T)


def test_strong_correlation_on_a_coarse_grid():
    """D = [[1, .9], [.9, 1]] on 40 x 40: the covariance is start + 2 D t."""
    tensor = np.array([[1.0, 0.9], [0.9, 1.0]])
    grid = Grid.box((-6, 6, 40), (-6, 6, 40))
    start = gaussian(grid, (0, 0), 0.25)
    result = evolve(FokkerPlanck(diffusion=tensor), start, [0.25, 0.5], method="sweeps", estimate_grid_error=False)
    for t, density in zip(result.times, result.densities, strict=True):
        np.testing.assert_allclose(density.covariance, start.covariance + 2 * tensor * t, rtol=0, atol=1e-3)
        assert density.values.min() >= 0.0


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_covariance_of_random_tensors(ndim):
    rng = np.random.default_rng(ndim)
    tensor = random_tensor(rng, ndim, 6.0)
    grid = Grid((-4.5,) * ndim, (4.5,) * ndim, ({2: 60, 3: 32, 4: 20}[ndim],) * ndim)
    start = gaussian(grid, 0.0, 0.25)
    t = 0.3
    result = evolve(
        FokkerPlanck(diffusion=tensor), start, [t], method="sweeps", estimate_grid_error=False, tolerance=5e-3
    )
    np.testing.assert_allclose(result.final.covariance, start.covariance + 2 * tensor * t, rtol=0, atol=1e-3)


@pytest.mark.parametrize("condition", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("ndim", [2, 3])
def test_positive_at_any_condition_number(ndim, condition):
    rng = np.random.default_rng(int(condition) + ndim)
    for _ in range(4):
        shape = tuple(rng.integers(8, 14, ndim))
        grid = Grid((0.0,) * ndim, tuple(rng.uniform(0.5, 2.0, ndim)), shape)
        values = np.zeros(shape)
        values[tuple(n // 2 for n in shape)] = 1.0  # one full cell: as rough as can be
        start = Density(grid, values / grid.cell_volume)
        with pytest.warns(ValidityWarning):  # that peak is narrower than two cells, and soon at the walls
            result = evolve(
                FokkerPlanck(diffusion=random_tensor(rng, ndim, condition)),
                start,
                [1e-4, 1e-2, 1.0],
                method="sweeps",
                tolerance=0.05,
                estimate_grid_error=False,
            )
        for density in result.densities:
            assert density.values.min() >= 0.0
            assert density.mass == pytest.approx(1.0, abs=1e-12)


def test_tensor_that_turns_with_place():
    """d_t <x x^T> = 2 <D(x)> for pure Ito noise, here by the trapezoidal rule over recorded densities."""
    grid = Grid.box((-3.4, 3.4, 90), (-3.4, 3.4, 90))

    def diffusion(x, y):
        angle = 0.5 * x - 0.7 * y
        c, s = np.cos(angle), np.sin(angle)
        return [[0.2 * c * c + 0.02 * s * s, 0.18 * c * s], [0.18 * c * s, 0.2 * s * s + 0.02 * c * c]]

    times = np.linspace(0.0, 0.8, 9)
    start = gaussian(grid, (0.2, 0.1), 0.12)
    result = evolve(FokkerPlanck(diffusion=diffusion), start, times, method="sweeps", estimate_grid_error=False)
    x, y = grid.mesh()
    rates = [
        [d.expectation(np.broadcast_to(entry, grid.shape)) for row in diffusion(x, y) for entry in row]
        for d in result.densities
    ]
    expected = start.covariance + 2 * np.trapezoid(rates, times, axis=0).reshape(2, 2)
    np.testing.assert_allclose(result.final.mean, start.mean, atol=1e-4)
    np.testing.assert_allclose(result.final.covariance, expected, atol=2e-3)


@pytest.mark.parametrize("method", ["sweeps", "generator"])
def test_singular_tensor_says_what_was_added(method):
    grid = Grid.box((-3, 3, 64), (-3, 3, 64))
    v = np.array([1.0, np.sqrt(2.0)]) * 0.2
    with pytest.warns(ValidityWarning, match="isotropic diffusion"):
        result = evolve(
            FokkerPlanck(diffusion=np.outer(v, v)), gaussian(grid, 0.0, 0.06), [0.5], tolerance=1e-2, method=method
        )
    assert any("isotropic" in text for text in result.warnings)


@pytest.mark.parametrize(("entry", "long"), [(0.0705, True), (0.069, True), (0.04, False)])
@pytest.mark.parametrize("cells", [24, 64])
def test_jumps_over_several_cells_are_left_to_the_sweeps(entry, long, cells):
    """A wave on a ring: the generator's grid error does not show on cells twice as wide where its jumps are long."""
    tensor, drift, k, t = np.array([[0.1, entry], [entry, 0.05]]), (0.5, -0.3), 2 * np.pi * np.ones(2), 0.2
    grid = Grid.box((0, 1, cells), (0, 1, cells), boundary="periodic")

    def wave(t):
        size = 0.8 * np.exp(-k @ tensor @ k * t)
        return from_function(grid, lambda x, y: 1 + size * np.sin(2 * np.pi * (x + y) - t * (k @ drift)), order=4)

    result = evolve(FokkerPlanck(drift=drift, diffusion=tensor), wave(0.0), [t])
    assert ("jumps of" in result.reason) is long
    assert result.method == "sweeps" or not long
    assert np.abs(result.final.values - wave(t).values).sum() * grid.cell_volume <= 1.2 * result.error[-1] <= 0.05


def between_walls(n, tensor, k):
    """A ring x [-1, 1] of cells with an aspect of pi, and the wave that meets the conormal condition at its walls.

    ``1 + cos(k x - k s y) / 2`` with ``s = D12 / D22`` has ``(D grad p)_y = 0`` and decays at the rate
    ``k^2 (D11 - D12^2 / D22)``.
    """
    grid = Grid.box((0, 2 * np.pi, n), (-1, 1, n // 3), boundary=["periodic", "reflecting"])
    slope = tensor[0, 1] / tensor[1, 1]
    rate = k**2 * (tensor[0, 0] - tensor[0, 1] * slope)

    def wave(t):
        return from_function(grid, lambda x, y: 1 + 0.5 * np.cos(k * (x - slope * y)) * np.exp(-rate * t), order=4)

    return wave


@pytest.mark.parametrize("method", ["sweeps", "generator"])
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("entry", [0.06, 0.12, -0.12, 0.25])
def test_second_order_at_reflecting_walls(entry, k, method):
    tensor, sizes, errors = np.array([[0.3, entry], [entry, 0.36]]), (18, 36, 72), []
    for n in sizes:
        wave = between_walls(n, tensor, k)
        start, exact = wave(0.0), wave(0.5)
        result = evolve(FokkerPlanck(diffusion=tensor), start, [0.5], method=method, tolerance=2e-5)
        errors.append(np.abs(result.final.values - exact.values).sum() * start.grid.cell_volume / start.mass)
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] > 1.8
    assert errors[-1] <= 1.2 * result.error[-1]


@pytest.mark.parametrize("method", ["sweeps", "generator"])
def test_error_at_walls_that_jumps_cross_several_cells_at_a_time(method):
    tensor = np.array([[0.3, 0.25], [0.25, 0.36]])
    for n in (32, 64):
        grid = Grid.box((0, 2 * np.pi, n), (-1, 1, n), boundary=["periodic", "reflecting"])
        slope = tensor[0, 1] / tensor[1, 1]

        def wave(t, grid=grid, slope=slope):
            size = 0.5 * np.exp(-(tensor[0, 0] - tensor[0, 1] * slope) * t)
            return from_function(grid, lambda x, y: 1 + size * np.cos(x - slope * y), order=4)

        start, exact = wave(0.0), wave(1.0)
        result = evolve(FokkerPlanck(diffusion=tensor), start, [1.0], method=method, tolerance=3e-4)
        error = np.abs(result.final.values - exact.values).sum() * grid.cell_volume / start.mass
        assert error <= 1.2 * result.error[-1] <= 0.02
