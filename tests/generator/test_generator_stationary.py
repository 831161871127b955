"""Stationary densities against closed forms, elimination without subtractions and the Lyapunov equation."""

import numpy as np
import pytest
from generator_oracles import fitted_order, gth
from scipy.linalg import solve_continuous_lyapunov

from fpsim.density import Density, Grid, from_function
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, propagate, stationarity_residual, stationary_box, stationary_density

ROTATION = np.array([[1.0, 0.8], [-0.5, 2.0]])
DIFFUSIONS = {"diagonal": np.diag([0.1, 0.2]), "full": np.array([[0.1, 0.08], [0.08, 0.2]])}


def normalised(grid, values):
    return Density(grid, values / (values.sum() * grid.cell_volume))


@pytest.mark.parametrize("diffusion", [0.3, 0.05, 0.01])
def test_gibbs_state_of_a_quartic_potential_is_a_fixed_point(diffusion):
    def potential(x, y):
        return x**4 / 4 - x**2 / 2 + y**4 / 4 + 0.4 * x * y * y

    grid = Grid.box((-2, 2, 40), (-2, 2, 36))
    generator = build_generator(FokkerPlanck(potential=potential, diffusion=diffusion), grid)
    v = potential(*grid.mesh())
    gibbs = normalised(grid, np.exp((v.min() - v) / diffusion))
    assert stationarity_residual(generator, gibbs).value < 1e-13
    m = generator.masses(gibbs)
    assert np.abs(generator.matrix.T @ m).max() < 1e-13 * generator.exit_rates.max() * m.max()
    found = stationary_density(generator)
    big = gibbs.values > 1e-280  # beyond it the potential over D has lost digits itself
    np.testing.assert_allclose(found.values[big], gibbs.values[big], rtol=1e-10)
    later = propagate(generator, gibbs, [1.0])[0]
    assert np.abs(later.values - gibbs.values).max() < 1e-13 * gibbs.values.max()


@pytest.mark.parametrize("route", ["potential", "drift"])
def test_student_t(route):
    # dx = -lam x dt + sqrt(2 (D0 + D1 x^2)) dB: p ~ (D0 + D1 x^2)^(-1 - lam / 2 D1), exact at cell centres
    lam, d0, d1 = 1.3, 0.2, 0.5
    grid = Grid.box((-30, 30, 301))
    given = {"potential": lambda x: lam * x**2 / 2} if route == "potential" else {"drift": lambda x: -lam * x}
    generator = build_generator(FokkerPlanck(**given, diffusion=lambda x: d0 + d1 * x**2), grid)
    exact = (d0 + d1 * grid.centers[0] ** 2) ** (-1 - lam / (2 * d1))
    np.testing.assert_allclose(
        stationary_density(generator).values, exact / (exact.sum() * grid.cell_volume), rtol=1e-11
    )


def test_state_dependent_noise_is_second_order():
    # p = exp(-int V' / D) / D by quadrature, D not a function of V
    from scipy.integrate import cumulative_simpson

    fine = np.linspace(-2, 2, 40001)
    d = 0.2 + 0.15 * np.sin(3 * fine)
    exact = np.exp(-cumulative_simpson(fine / d, x=fine, initial=0.0)) / d
    exact /= cumulative_simpson(exact, x=fine)[-1]
    errors, sizes = [], (50, 100, 200)
    for n in sizes:
        grid = Grid.box((-2, 2, n))
        equation = FokkerPlanck(potential=lambda x: x**2 / 2, diffusion=lambda x: 0.2 + 0.15 * np.sin(3 * x))
        found = stationary_density(build_generator(equation, grid)).values
        errors.append(np.abs(found - exact[:-1].reshape(n, -1).mean(axis=1)).sum() * grid.cell_volume)
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.2
    assert errors[-1] < 2e-3


def test_geometric_brownian_motion_is_second_order():
    mu, s = -0.1, 0.3

    def lognormal(t):
        def density(x):
            z = (np.log(x) - (mu - s * s / 2) * t) / (s * np.sqrt(t))
            return np.exp(-z * z / 2) / (x * s * np.sqrt(2 * np.pi * t))

        return density

    errors, sizes = [], (60, 120, 240)
    for n in sizes:
        grid = Grid.box((0, 4, n))
        equation = FokkerPlanck(drift=lambda x: mu * x, diffusion=lambda x: s * s * x * x / 2)
        start = from_function(grid, lognormal(0.5), order=4)
        exact = from_function(grid, lognormal(1.5), order=4)
        found = propagate(build_generator(equation, grid), start, [1.0])[0]
        errors.append(np.abs(found.values - exact.values).sum() * grid.cell_volume)
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.3
    assert errors[-1] < 2e-3


def tensor_in_place(x, y):
    # correlation that turns sign, so that the offsets change from place to place
    c = 0.8 * np.sin(1.5 * x + y)
    return [[0.2 + 0 * c, 0.15 * c], [0.15 * c, 0.15 + 0.1 * np.cos(x) ** 2 + 0 * c]]


@pytest.mark.parametrize("calculus", ["ito", "klimontovich"])
def test_tensor_that_depends_on_place_is_second_order(calculus):
    # exp(-phi) is stationary for b = div D - D grad phi in Ito form, and for b = -D grad phi in Klimontovich's
    def phi(x, y):
        return x**2 + y**2 + 0.5 * x * y

    def drift(x, y):
        (a, c), (_, b) = tensor_in_place(x, y)
        gx, gy = 2 * x + 0.5 * y, 2 * y + 0.5 * x
        slope = 0.15 * 0.8 * np.cos(1.5 * x + y)  # of the off-diagonal entry along y; 1.5 times that along x
        extra = (slope, 1.5 * slope) if calculus == "ito" else (0.0, 0.0)
        return (extra[0] - a * gx - c * gy, extra[1] - c * gx - b * gy)

    errors, sizes = [], (24, 48, 96)
    for n in sizes:
        grid = Grid.box((-3, 3, n), (-3, 3, n))
        equation = FokkerPlanck(drift=drift, diffusion=tensor_in_place, calculus=calculus)
        found = stationary_density(build_generator(equation, grid))
        exact = from_function(grid, lambda x, y: np.exp(-phi(x, y)), order=4)
        errors.append(np.abs(found.values - exact.values).sum() * grid.cell_volume)
    assert 1.8 < fitted_order(1.0 / np.array(sizes), errors) < 2.3
    assert errors[-1] < 5e-3


@pytest.mark.parametrize(("calculus", "power"), [("ito", -1.0), ("stratonovich", -0.5), ("klimontovich", 0.0)])
def test_declared_calculus_of_a_full_tensor(calculus, power):
    # two independent processes du = -u dt + sqrt(2 D(u)) o dB seen in coordinates turned by 30 degrees: a full tensor
    # that depends on place; along each u the law is D^power exp(-int u / D), by quadrature
    from scipy.integrate import cumulative_simpson

    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    noises = (lambda u: 0.3 + 0.15 * np.sin(2 * u), lambda u: 0.25 + 0.1 * np.cos(2 * u))
    fine = np.linspace(-6, 6, 12001)
    laws = [d(fine) ** power * np.exp(-cumulative_simpson(fine / d(fine), x=fine, initial=0.0)) for d in noises]

    def tensor(x, y):
        a, b = noises[0](c * x + s * y), noises[1](c * y - s * x)
        return [[c * c * a + s * s * b, c * s * (a - b)], [c * s * (a - b), s * s * a + c * c * b]]

    def law(x, y):
        return np.interp(c * x + s * y, fine, laws[0]) * np.interp(c * y - s * x, fine, laws[1])

    errors, sizes = [], (24, 48, 96)
    for n in sizes:
        grid = Grid.box((-3, 3, n), (-3, 3, n))
        equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=tensor, calculus=calculus)
        exact = from_function(grid, law, order=4)
        found = stationary_density(build_generator(equation, grid))
        errors.append(np.abs(found.values - exact.values).sum() * grid.cell_volume)
    assert 1.7 < fitted_order(1.0 / np.array(sizes), errors) < 2.4
    assert errors[-1] < 1e-2


@pytest.mark.parametrize("kind", DIFFUSIONS)
def test_covariance_of_a_rotating_ornstein_uhlenbeck_process(kind):
    d = DIFFUSIONS[kind]
    exact = solve_continuous_lyapunov(ROTATION, 2 * d)
    errors, sizes = [], (32, 64, 96)
    for n in sizes:
        grid = Grid.box((-2, 2, n), (-2.2, 2.2, n))
        drift = lambda x, y: (-(x + 0.8 * y), -(-0.5 * x + 2.0 * y))  # noqa: E731
        tensor = d if kind == "full" else list(np.diag(d))
        found = stationary_density(build_generator(FokkerPlanck(drift=drift, diffusion=tensor), grid))
        errors.append(np.abs(found.covariance - exact).max())
    assert 1.85 < fitted_order(1.0 / np.array(sizes), errors) < 2.15
    assert errors[-1] < 2e-3 * exact.max()


def rotating(n=18):
    grid = Grid.box((-2, 2, n), (-2, 2, n + 1))
    drift = lambda x, y: (-x - 3 * y, 3 * x - y + np.sin(x))  # noqa: E731
    return build_generator(FokkerPlanck(drift=drift, diffusion=[0.05, 0.02]), grid)


def test_stationary_density_by_another_elimination():
    generator = rotating()
    exact = gth(generator.jumps.toarray())
    found = generator.masses(stationary_density(generator))
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    assert exact.max() / exact.min() > 1e6


@pytest.mark.parametrize("solver", ["lu", "iterative"])
def test_stationary_density_by_the_methods_of_large_grids(solver):
    generator = rotating()
    exact = gth(generator.jumps.toarray())
    np.testing.assert_allclose(generator.masses(stationary_density(generator, solver=solver)), exact, atol=1e-12)


@pytest.mark.slow
def test_stationary_density_of_a_hundred_thousand_cells_in_three_dimensions():
    # rotation about an axis and a quadratic potential: N(0, T) in the rotating plane, T / 2 along the axis
    grid = Grid.box(*[(-2, 2, 48)] * 3)
    drift = lambda x, y, z: (-x + y, -y - x, -2 * z)  # noqa: E731
    generator = build_generator(FokkerPlanck(drift=drift, diffusion=0.1), grid)
    found = stationary_density(generator)
    assert stationarity_residual(generator, found).value < 1e-12
    np.testing.assert_allclose(found.covariance, np.diag([0.1, 0.1, 0.05]), atol=1e-3)


def test_weights_of_wells_behind_a_barrier_of_two_thousand():
    # exp(-2000) is no double, the ratio of the wells is: exp(-2 * 0.3 / 0.03) to the accuracy of the potential
    def potential(x):
        return 60 * (x * x - 1) ** 2 + 0.3 * x

    grid = Grid.box((-1.3, 1.3, 300))
    found = stationary_density(build_generator(FokkerPlanck(potential=potential, diffusion=0.03), grid)).values
    v = potential(grid.centers[0])
    gibbs = np.exp((v.min() - v) / 0.03)
    gibbs /= gibbs.sum() * grid.cell_volume
    big = gibbs > 1e-280
    np.testing.assert_allclose(found[big], gibbs[big], rtol=1e-11)


def test_cells_that_are_left_for_ever_hold_nothing():
    grid = Grid.box((-1, 1, 20))
    generator = build_generator(FokkerPlanck(drift=lambda x: 1.0 + 0 * x, diffusion=0.0), grid)
    values = stationary_density(generator).values
    assert not values[:-1].any()
    assert values[-1] == pytest.approx(10.0)


def test_mean_field_coefficients_are_taken_at_the_given_density():
    # b = -(l + K) x + K <x>: stationary mean K <x> / (l + K), variance D / (l + K)
    grid = Grid.box((-4, 4, 160))
    equation = FokkerPlanck(drift=lambda x, p: -(1.0 + 2.0) * x + 2.0 * p.mean[0], diffusion=0.3)
    p = from_function(grid, lambda x: np.exp(-((x - 1.2) ** 2)))
    found = stationary_density(build_generator(equation, grid, p=p))
    assert found.mean[0] == pytest.approx(2.0 * p.mean[0] / 3.0, abs=1e-12)
    assert found.covariance[0, 0] == pytest.approx(0.1, rel=3e-3)


def test_time_dependent_coefficients_are_taken_at_the_given_time():
    grid = Grid.box((-3, 3, 100))
    equation = FokkerPlanck(potential=lambda x, t: (x - t) ** 2 / 2, diffusion=0.1)
    for t in (0.0, 0.7):
        assert stationary_density(build_generator(equation, grid, t=t)).mean[0] == pytest.approx(t, abs=1e-8)


def test_box_of_the_stationary_density():
    """Five standard deviations on either side, from a box that is much too large; a periodic axis keeps its box."""
    grid = Grid.box((-8.0, 8.0, 80), (-8.0, 8.0, 64))
    equation = FokkerPlanck(potential=lambda x, y: (x - 1) ** 2 / 2 + y**2, diffusion=0.04)
    box = stationary_box(equation, grid)
    assert box.shape == grid.shape
    sigma = np.array([0.2, 0.2 / np.sqrt(2)])
    np.testing.assert_allclose(box.lower, np.array([1.0, 0.0]) - 5 * sigma, atol=0.02)
    np.testing.assert_allclose(box.upper, np.array([1.0, 0.0]) + 5 * sigma, atol=0.02)
    ring = Grid.box((0.0, 2 * np.pi, 32), (-8.0, 8.0, 64), boundary=["periodic", "reflecting"])
    turning = stationary_box(FokkerPlanck(potential=lambda x, y: y**2 / 2 - np.cos(x), diffusion=0.04), ring)
    assert (turning.lower[0], turning.upper[0]) == (0.0, 2 * np.pi)
    assert turning.upper[1] < 1.2
