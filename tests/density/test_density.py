"""Grids and densities: shapes, moments, marginals, sampling, interpolation, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from fpsim.density import Density, Grid, from_function, from_samples, gaussian, mixture, place_points
from fpsim.support.errors import DomainError, ValidityWarning


def test_grid_places():
    grid = Grid.box((-1, 1, 4), (0, 3, 3), names=("a", "b"))
    assert (grid.ndim, grid.size, grid.spacing, grid.cell_volume) == (2, 12, (0.5, 1.0), 0.5)
    np.testing.assert_allclose(grid.centers[0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(grid.edges[1], [0, 1, 2, 3])
    assert [m.shape for m in grid.mesh()] == [(4, 1), (1, 3)]
    assert [m.shape for m in grid.mesh(faces_of=0)] == [(5, 1), (1, 3)]
    assert "a: [-1, 1] / 4 reflecting" in repr(grid)
    assert hash(grid) == hash(Grid.box((-1, 1, 4), (0, 3, 3), names=("a", "b")))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grid((0,), (1, 2), (3,)), "accepted are equal numbers"),
        (lambda: Grid.box((1, 0, 3)), "axis 0 goes from 1.0 to 0.0"),
        (lambda: Grid.box((0, np.inf, 3)), "finite, increasing"),
        (lambda: Grid.box((0, 1, 1)), "cells of axis 0 is 1: a whole number >= 2"),
        (lambda: Grid.box(*[(0, 1, 2)] * 5), "from 1 to 4"),
        (lambda: Grid.box((0, 1, 2), boundary="open"), "accepted are reflecting, periodic, absorbing"),
        (lambda: Grid.box((0, 1, 2), boundary=[("periodic", "reflecting")]), "periodic on one side only"),
        (lambda: Grid.box((0, 1, 2), (0, 1, 2), names=("a", "a")), "different names"),
    ],
)
def test_grid_refuses(make, message):
    with pytest.raises(DomainError, match=message):
        make()


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_gaussian_cell_averages(ndim):
    rng = np.random.default_rng(ndim)
    a = rng.standard_normal((ndim, ndim))
    covariance = 0.2 * (a @ a.T / ndim + 0.5 * np.eye(ndim))
    mean = rng.uniform(-0.2, 0.2, ndim)
    grid = Grid((-4.0,) * ndim, (4.0,) * ndim, ({1: 60, 2: 48, 3: 32}[ndim],) * ndim)
    density = gaussian(grid, mean, covariance)
    assert density.mass == pytest.approx(1.0, abs=1e-13)
    np.testing.assert_allclose(density.mean, mean, atol=1e-4)
    np.testing.assert_allclose(density.covariance, covariance, atol=2e-3)
    entropy = multivariate_normal(mean, covariance).entropy()
    smoothing = np.trace(np.linalg.inv(covariance)) * grid.spacing[0] ** 2 / 24  # of cell averages
    assert density.entropy == pytest.approx(entropy + smoothing, abs=0.1 * smoothing + 1e-4)


def test_gaussian_tails_keep_relative_accuracy():
    grid = Grid.box((-12, 12, 240))
    density = gaussian(grid, 0.0, 1.0)
    exact = norm.sf(grid.edges[0][-2]) - norm.sf(grid.edges[0][-1])
    assert density.values[-1] * grid.cell_volume == pytest.approx(exact, rel=1e-10)


def test_mixture_and_marginals():
    grid = Grid.box((-3, 3, 90), (-2, 2, 60), (-2, 2, 30))
    density = mixture(grid, [1, 3], [(-1, 0, 0.2), (1, 0.3, 0)], [0.05, [0.1, 0.05, 0.04]])
    np.testing.assert_allclose(density.mean, [0.5, 0.225, 0.05], atol=1e-6)
    part = density.marginal(2, 0)
    assert part.grid.names == ("x0", "x2")
    assert part.mass == pytest.approx(1.0, abs=1e-13)
    np.testing.assert_allclose(part.mean, density.mean[[0, 2]], atol=1e-12)
    np.testing.assert_allclose(part.covariance, density.covariance[np.ix_([0, 2], [0, 2])], atol=1e-12)


def test_samples_there_and_back():
    grid = Grid.box((-3, 3, 40), (-3, 3, 30))
    density = gaussian(grid, (0.3, -0.2), [[0.4, 0.2], [0.2, 0.3]])
    draws = density.sample(200_000, rng=3)
    np.testing.assert_allclose(draws.mean(axis=0), density.mean, atol=4 * np.sqrt(0.4 / 200_000))
    back = from_samples(grid, draws)
    noise = np.sqrt(density.values * grid.cell_volume / 200_000) / grid.cell_volume
    assert (np.abs(back.values - density.values) <= 5.5 * noise + 5.5 / 200_000 / grid.cell_volume).all()
    with pytest.warns(ValidityWarning, match="samples: 0.5 of the mass lies outside"):
        assert from_samples(grid, [[0.0, 0.0], [9.0, 0.0]]).mass == pytest.approx(0.5)


def test_points_are_as_wide_as_the_density():
    # cells of 1.5 to 0.5 standard deviations; points spread evenly over cells would be wider by h^2 / 6
    spacings, excess = [], []
    level = (np.arange(200_000) + 0.5) / 200_000
    for n in (8, 12, 16, 24):
        grid = Grid.box((-6, 6, n))
        density = gaussian(grid, 0.13, 1.0)
        sums = np.append(0.0, np.cumsum(density.values) / density.values.sum())
        cell = np.searchsorted(sums[1:-1], level, side="right")
        inside = np.clip((level - sums[cell]) / np.diff(sums)[cell], 0.0, 1.0)
        points = place_points(density.grid, density.values, level, inside[:, None])
        excess.append(points.var() - 1.0)
        spacings.append(grid.spacing[0])
    assert (np.array(excess)[1:] < 0.2 * np.array(spacings)[1:] ** 2 / 6).all()
    assert np.polyfit(np.log(spacings), np.log(excess), 1)[0] > 4.0


def test_draws_of_a_correlated_density():
    exact, count = np.array([[1.0, 0.4], [0.4, 0.8]]), 200_000
    grid = Grid.box((-5, 5, 20), (-4, 4, 16))
    x = gaussian(grid, (0.2, -0.1), exact).sample(count, rng=5)
    error = np.sqrt((exact**2 + np.outer(np.diag(exact), np.diag(exact))) / count)
    assert (np.abs(np.cov(x.T) - exact) < 4 * error + 1e-3).all()
    np.testing.assert_allclose(x.mean(axis=0), (0.2, -0.1), atol=4 * np.sqrt(1.0 / count))


def test_points_inside_a_cell_follow_its_slope():
    # a linear density is rebuilt exactly: its cumulative is x^2, so evenly spread levels give square roots
    grid = Grid.box((0, 1, 5))
    density = from_function(grid, lambda x: 2 * x)
    level = (np.arange(1000) + 0.5) / 1000
    edges = grid.edges[0] ** 2
    cell = np.searchsorted(edges, level, side="right") - 1
    inside = (level - edges[cell]) / np.diff(edges)[cell]
    np.testing.assert_allclose(
        place_points(density.grid, density.values, level, inside[:, None])[:, 0], np.sqrt(level), rtol=1e-12
    )


def test_no_point_lies_where_there_is_no_density():
    values = np.array([0, 0, 3.0, 1.0, 0, 2.0, 0, 0])
    for boundary in ("reflecting", "periodic"):
        grid = Grid.box((0, 8, 8), boundary=boundary)
        x = place_points(grid, values, [0, 0.2, 0.5, 0.9, 1.0], [[0.01], [0.5], [0.99], [0.3], [0.99]])[:, 0]
        assert values[np.floor(x).astype(int)].all()


def test_interpolation_and_expectation():
    grid = Grid.box((0, 1, 100), boundary="periodic")
    density = from_function(grid, lambda x: 1 + 0.5 * np.sin(2 * np.pi * x))
    points = np.linspace(0, 0.999, 37)[:, None]
    np.testing.assert_allclose(density.at(points), 1 + 0.5 * np.sin(2 * np.pi * points[:, 0]), atol=2e-3)
    assert density.at([[2.0]]) == 0.0
    assert density.expectation(lambda x: np.sin(2 * np.pi * x)) == pytest.approx(0.25, abs=1e-3)


def test_interpolation_is_exact_for_a_linear_density():
    # between centres, along reflecting axes and around a ring of the other coordinate
    grid = Grid.box((0, 2, 10), (0, 1, 8), (-1, 1, 6), boundary=["reflecting", "periodic", "absorbing"])
    density = from_function(grid, lambda x, y, z: 5 + x - 2 * z + 0 * y, normalize=False)
    rng = np.random.default_rng(4)
    points = np.stack([rng.uniform(0.1, 1.9, 50), rng.uniform(0, 1, 50), rng.uniform(-5 / 6, 5 / 6, 50)], axis=1)
    np.testing.assert_allclose(density.at(points), 5 + points[:, 0] - 2 * points[:, 2], rtol=1e-12)


def test_entropy_of_flat_densities():
    # ln of the volume that is filled, whatever the mass
    grid = Grid.box((0, 2, 10), (0, 3, 6))
    assert Density(grid, np.full(grid.shape, 0.7)).entropy == pytest.approx(np.log(6.0), rel=1e-14)
    half = np.zeros(grid.shape)
    half[:5] = 2.0
    assert Density(grid, half).entropy == pytest.approx(np.log(3.0), rel=1e-14)


def test_refusals():
    grid = Grid.box((0, 1, 4))
    with pytest.raises(DomainError, match=r"density has shape \(3,\)"):
        Density(grid, np.ones(3))
    with pytest.raises(DomainError, match=r"density is nan at cell \(2,\)"):
        Density(grid, [1, 1, np.nan, 1])
    with pytest.raises(DomainError, match="not symmetric positive definite"):
        gaussian(grid, 0.5, -1.0)
    with pytest.raises(DomainError, match="of the mass lies outside the box"):
        gaussian(grid, 1e6, 1e-4)
    with pytest.raises(DomainError, match="samples are not all finite"):
        from_samples(grid, [0.1, np.inf])
    with pytest.raises(ValueError, match="read-only"):
        Density(grid, np.ones(4)).values[0] = 2.0


def test_a_density_over_an_array_is_not_a_copy():
    grid = Grid.box((0, 1, 4), (0, 1, 5))
    values = np.arange(1.0, 21.0)
    p = Density.over(grid, values)
    assert np.shares_memory(p.values, values)
    np.testing.assert_array_equal(p.mean, Density(grid, values.reshape(4, 5)).mean)
    with pytest.raises(ValueError, match="read-only"):
        p.values[0, 0] = 2.0
    values[0] = 3.0  # the array stays its owner's
    values[1] = np.nan
    with pytest.raises(DomainError, match=r"density is nan at cell \(0, 1\)"):
        Density.over(grid, values)


def test_moments_that_were_given_out_are_the_callers():
    p = gaussian(Grid.box((-2, 2, 40), (-2, 2, 40)), (0.2, 0.1), 0.04)
    for moment in ("mean", "covariance"):
        first = getattr(p, moment)
        first += 1.0
        np.testing.assert_allclose(getattr(p, moment), first - 1.0, atol=1e-15)
