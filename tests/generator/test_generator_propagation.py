"""Propagation against the Poisson law, exact densities and Fourier series."""

import numpy as np
import pytest
from generator_oracles import fitted_order
from scipy.stats import poisson

from fpsim.density import Grid, from_function, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import (
    absorbed_mass,
    build_generator,
    exit_probability,
    mean_first_passage_time,
    passage_time_variance,
    propagate,
    quasi_stationary,
)
from fpsim.generator.propagation.poisson_series import poisson_windows


@pytest.mark.parametrize("mean", [0.0, 1e-12, 0.3, 7.9, 250.0, 1e5])
@pytest.mark.parametrize("tail", [1e-6, 1e-14])
def test_poisson_windows(mean, tail):
    # the law asked for, and another one before it
    (_, first), (_, begin, end), weights = poisson_windows(np.array([0.7 * mean, mean]), tail)
    assert end == len(weights)
    weights = weights[begin:]
    k = first + np.arange(len(weights))
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(weights, poisson.pmf(k, mean), rtol=1e-9 + 3 * tail, atol=1e-300)
    assert poisson.cdf(first - 1, mean) + poisson.sf(k[-1], mean) < 2 * tail


def test_ornstein_uhlenbeck_is_second_order():
    # mean and variance of the exact Gaussian; full tensor
    d, t = np.array([[0.1, 0.06], [0.06, 0.1]]), 0.4
    decay = np.array([1.0, 2.0])
    rate = decay[:, None] + decay[None, :]
    exact = gaussian
    mean = np.array([0.5, -0.4]) * np.exp(-decay * t)
    covariance = 0.03 * np.eye(2) * np.exp(-rate * t) + 2 * d / rate * (1 - np.exp(-rate * t))
    errors, spacings = [], []
    for n in (24, 48, 96):
        grid = Grid.box((-2, 2, n), (-2, 2, n))
        generator = build_generator(FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=d), grid)
        p = propagate(generator, gaussian(grid, (0.5, -0.4), 0.03), [t])[0]
        q = exact(grid, mean, covariance)
        errors.append(np.abs(p.values - q.values).sum() * grid.cell_volume)
        spacings.append(grid.spacing[0])
    assert 1.8 < fitted_order(spacings, errors) < 2.3
    assert errors[-1] < 0.02


def test_squaring_and_uniformization_agree():
    # two methods for one exponential: the Poisson sum of 1e5 terms, and squared transition matrices
    grid = Grid.box((-2, 2, 60), boundary=[("absorbing", "reflecting")])
    generator = build_generator(FokkerPlanck(potential=lambda x: (x * x - 1) ** 2 / 4, diffusion=0.2), grid)
    p, times = gaussian(grid, -1.0, 0.05), [0.3, 40.0, 600.0]
    terms, squares = (
        [propagate(generator, q, times, method=method) for q in (p, lambda x: x)]
        + [absorbed_mass(generator, p, times, method=method).value]
        for method in ("uniformization", "dense")
    )
    for a, b in zip(terms[0], squares[0], strict=True):
        # the Poisson tail bounds the error relative to the mass, not cell by cell
        np.testing.assert_allclose(a.values, b.values, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(terms[1].value, squares[1].value, atol=1e-11)
    np.testing.assert_allclose(terms[2], squares[2], rtol=1e-11)


def diffusion_between_walls(n, drift=0.0):
    grid = Grid.box((0, 1, n), boundary="absorbing")
    return build_generator(FokkerPlanck(drift=lambda x: drift + 0 * x, diffusion=0.5), grid)


def test_survival_between_absorbing_walls():
    # Fourier series of the survival probability from x; observables evolve from f = 1
    generator = diffusion_between_walls(200)
    x, t = generator.grid.centers[0], 0.2
    k = np.arange(1, 60, 2)[:, None]
    exact = np.sum(4 / (np.pi * k) * np.sin(np.pi * k * x) * np.exp(-0.5 * (np.pi * k) ** 2 * t), axis=0)
    survival = propagate(generator, lambda x: 1 + 0 * x, [t]).value[0]
    np.testing.assert_allclose(survival, exact, atol=2e-5)


def test_exit_time_variance_and_place_of_brownian_motion():
    # x (1 - x) / 2D, its variance, and exit through the upper wall with probability x (or its drifted form)
    generator = diffusion_between_walls(200)
    x = generator.grid.centers[0]
    np.testing.assert_allclose(mean_first_passage_time(generator).value, x * (1 - x), atol=3e-5)
    second = (x - 2 * x**3 + x**4) / 3  # of E[tau^2], D = 1/2
    np.testing.assert_allclose(passage_time_variance(generator).value, second - (x * (1 - x)) ** 2, atol=3e-5)
    exits = exit_probability(diffusion_between_walls(200, drift=1.5))
    assert exits.details["walls"] == [(0, 0), (0, 1)]
    exact = (1 - np.exp(-3 * x)) / (1 - np.exp(-3.0))
    np.testing.assert_allclose(exits.value[1], exact, atol=3e-5)
    np.testing.assert_allclose(exits.value.sum(axis=0), 1.0, atol=1e-12)


@pytest.mark.parametrize("cells", [20, 12])
def test_jumps_of_several_cells_meet_both_walls_where_they_are(cells):
    # correlated noise on oblong cells: offsets up to (4, 1); across the strip it is one-dimensional Brownian motion
    grid = Grid.box((0, 1, 60), (0, 1, cells), boundary=["absorbing", "periodic"])
    generator = build_generator(FokkerPlanck(diffusion=[[0.5, 0.4], [0.4, 0.5]]), grid)
    assert max(abs(step) for link in generator.links for step in link.offset) > 2
    x = grid.centers[0][:, None]
    np.testing.assert_allclose(mean_first_passage_time(generator).value, x * (1 - x) + 0 * grid.mesh()[1], atol=1e-3)
    np.testing.assert_allclose(exit_probability(generator).value[1], x + 0 * grid.mesh()[1], atol=1e-3)


def test_one_cell_outside_the_target_dies_exponentially():
    grid = Grid.box((0, 1, 2))
    generator = build_generator(FokkerPlanck(drift=lambda x: 1 + 0 * x, diffusion=0.2), grid)
    mean = mean_first_passage_time(generator, [1]).value[0]
    assert passage_time_variance(generator, [1]).value[0] == pytest.approx(mean**2, rel=1e-14)
    assert quasi_stationary(generator, [1]).rate.value == pytest.approx(1 / mean, rel=1e-12)


def test_quasi_stationary_state_between_walls():
    generator = diffusion_between_walls(400)
    found = quasi_stationary(generator)
    x = generator.grid.centers[0]
    assert found.rate.value == pytest.approx(0.5 * np.pi**2, rel=2e-5)
    np.testing.assert_allclose(found.density.values, np.pi / 2 * np.sin(np.pi * x), atol=5e-5)
    assert found.density.mass == pytest.approx(1.0, abs=1e-12)


def test_quasi_stationary_density_leans_with_the_drift():
    # forward eigenfunction sin(pi x) e^{b x / 2 D}; the backward one leans the other way
    generator = diffusion_between_walls(400, drift=1.0)
    exact = from_function(generator.grid, lambda x: np.sin(np.pi * x) * np.exp(x))
    np.testing.assert_allclose(quasi_stationary(generator).density.values, exact.values, atol=2e-4)


@pytest.mark.parametrize("quantity", ["time", "rate"])
def test_absorption_is_second_order(quantity):
    errors, sizes = [], (20, 40, 80)
    for n in sizes:
        generator = diffusion_between_walls(n, drift=1.0)
        x = generator.grid.centers[0]
        if quantity == "rate":
            errors.append(quasi_stationary(generator).rate.value - (0.5 * np.pi**2 + 0.5))
        else:
            exact = (1 - np.exp(-2 * x)) / (1 - np.exp(-2.0)) - x
            errors.append(np.abs(mean_first_passage_time(generator).value - exact).max())
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2
