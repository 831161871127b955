"""Closed forms against quadrature and against finite differences of exact moments."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fpsim.density import Grid, gaussian
from fpsim.diagnostics.callan_symanzik import (
    CorrelatorRun,
    Correlators,
    GeometricBrownianMotion,
    LinearRegression,
    OrnsteinUhlenbeck,
    Outputs,
    collapse,
    correlators,
    lognormal,
    ornstein_uhlenbeck,
    pure_scaling,
    rates,
    scaled_correlators,
    tangency,
    transfer,
)
from fpsim.diagnostics.callan_symanzik.beta_function import fit_paths
from fpsim.paths import simulate
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import exact

PROCESS = OrnsteinUhlenbeck(relaxation=1.3, diffusion=0.05, target=0.5)


def test_rates_of_the_linear_process_are_slopes_of_its_couplings():
    h = 1e-4
    for mean, variance in ((1.0, 0.05), (-0.4, 0.3)):
        before, here, after = (PROCESS.couplings(mean, variance, 0.7 + k * h) for k in (-1, 0, 1))
        slope = (after - before) / (2 * h * PROCESS.relaxation)
        slope[0] = slope[0] / here[0]
        assert_allclose(slope, PROCESS.rates(here), atol=1e-7)


def test_moments_of_the_linear_process_are_those_of_its_paths():
    paths = simulate(PROCESS.equation, np.full((40_000, 1), 1.5), [0.4, 0.9], step=0.01, rng=3).positions[:, :, 0]
    mean, variance = PROCESS.moments(1.0, 0.0, [0.4, 0.9])
    error = np.sqrt(variance / 40_000)
    assert (np.abs(paths.mean(axis=1) - PROCESS.target - mean) < 4 * error).all()
    assert (np.abs(paths.var(axis=1) / variance - 1) < 4 * np.sqrt(2 / 40_000)).all()


def test_pure_scaling_of_geometric_brownian_motion_from_a_density():
    process = GeometricBrownianMotion(growth=0.6, diffusion=0.15)
    density = gaussian(Grid.box((-3, 3, 400)), 0.0, 0.04)
    table, rate = rates(density, Outputs(lambda x: [np.exp(x)]), process.equation)
    assert_allclose(rate.value[1] / table.full.value[1], 2 * 0.6 + 2 * 0.15, rtol=1e-8)  # d ln E w^2 / dt by hand
    assert_allclose(tangency(table, rate, pure_scaling(table)).residual, process.pure_scaling_residual(4), atol=1e-7)
    z, g = table[0, 0].value, 0.04
    assert_allclose(process.rates, (0.5 * rate.value[1] / z, 2 * 0.15), rtol=1e-8)
    assert_allclose(lognormal().couplings(np.array([0.0, g])), [np.sqrt(z), g], rtol=1e-6)


def test_target_of_a_lognormal_family_is_a_coupling_of_its_own():
    family = lognormal(target=2.0, inputs=(3.0,))
    theta = np.array([-0.5, 0.2])
    z = 3.0 * np.exp(-0.5 + 0.2)  # root of E phi^2 = exp(2 mu + 2 s2)
    assert family.names == ("g", "v")
    assert_allclose(family.couplings(theta), [z, 0.2, z / 6.0], rtol=1e-12)


def test_a_coupling_that_follows_from_others_adds_no_freedom():
    """Z, g and v of the lognormal family are two directions, so that three functions can contradict them."""
    density = gaussian(Grid.box((-3, 3, 400)), 0.0, 0.09)
    process = OrnsteinUhlenbeck(1.0, 0.02)
    outputs = Outputs(lambda x: [np.exp(x) + x])
    assert tangency(*rates(density, outputs, process.equation, order=3), lognormal(target=2.0)).freedom == 1
    assert tangency(*rates(density, outputs, process.equation, order=3), lognormal()).freedom == 1
    assert tangency(*rates(density, outputs, process.equation, order=2), lognormal(target=2.0)).verdict == "trivial"


def logistic(start, s):
    """Z of ``d ln Z / ds = 1 - g``, ``dg / ds = g (1 - g)``: g / (1 - g) grows as exp(s), Z as g."""
    g = 1.0 / (1.0 + (1.0 / start - 1.0) * np.exp(-s))
    return np.stack([g / start, g], axis=1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_beta_functions_fitted_to_paths_by_their_integrals(sign):
    errors = []
    for count in (11, 21, 41):
        s = np.linspace(0.0, 3.0, count)
        found = fit_paths([sign * s, sign * s], [logistic(0.1, s), logistic(0.4, s)], ("g",), 2)
        assert found.powers.tolist() == [[0], [1], [2]]
        expected = sign * np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
        errors.append(np.abs(found.coefficients - expected).max())
    order = -np.polyfit(np.log([10, 20, 40]), np.log(errors), 1)[0]
    assert 3.5 < order < 5.5  # cubic splines
    assert errors[-1] < 1e-4


def test_integrals_do_not_amplify_noise_as_differences_do():
    rng, s = np.random.default_rng(0), np.linspace(0.0, 3.0, 41)
    noisy = [logistic(a, s) * (1 + 1e-3 * rng.standard_normal((41, 2))) for a in (0.1, 0.2, 0.4)]
    found = fit_paths([s] * 3, noisy, ("g",), 2)
    assert np.abs(found.coefficients - [[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]]).max() < 0.03


def test_a_fitted_flow_that_runs_away_makes_the_transfer_fail():
    """Couplings seen at one end only: beta = g^2 of the fit carries a strong start to infinity in finite time."""
    s, indices = np.linspace(0.0, 3.0, 13), ((0,), (0, 0), (0, 0, 0), (0, 0, 0, 0))

    def table(g):
        values = lognormal().correlators(np.array([0.0, g]), indices)
        return Correlators(indices, exact(values), exact(values), 4)

    growing = [CorrelatorRun(s, [table(a / (1 - a * x)) for x in s]) for a in (0.05, 0.1)]  # dg / ds = g^2
    steady = CorrelatorRun(s, [table(1.5) for _ in s])
    claim = transfer(growing, [steady], lognormal())
    assert np.isfinite(claim.residual)
    assert claim.verdict == "fails"


def gaussian_run(means, g):
    """Normal laws of one coupling ``g = m^2 / Z^2`` each, at different means."""
    grid, outputs = Grid.box((-8, 12, 1200)), Outputs(lambda w: [w])
    return CorrelatorRun(np.arange(len(g)), [correlators(gaussian(grid, m, m * m * (1 / x - 1)), outputs)
                                   for m, x in zip(means, g, strict=True)])  # fmt: skip


def test_connected_functions_collapse_where_the_law_does_and_fail_where_it_does_not():
    g, family = np.linspace(0.5, 0.95, 6), ornstein_uhlenbeck()
    runs = [gaussian_run(np.full(6, 1.0), g), gaussian_run(np.linspace(1.0, 0.7, 6), g)]
    assert collapse(runs, family, connected=True).verdict == "holds"
    tilted = Outputs(lambda w: [w + 0.15 * w * w])
    grid = Grid.box((-8, 12, 1200))
    bent = CorrelatorRun(np.arange(6), [correlators(gaussian(grid, 1.0, 1 / x - 1), tilted) for x in g])
    assert collapse([*runs, bent], family, connected=True).verdict == "fails"
    third = scaled_correlators(bent, family, (0, 0, 0), connected=True).value
    p = 1 / g - 1
    a, b = 1.3, 0.15  # w + b w^2 at w = 1 + x: const + a x + b x^2; cumulants of a Gaussian x by hand
    kappa2, kappa3 = a * a * p + 2 * b * b * p * p, 6 * a * a * b * p * p + 8 * b**3 * p**3
    assert_allclose(third, kappa3 / kappa2**1.5, rtol=1e-5)


def test_equation_of_the_regression_has_the_variance_of_one_step():
    """``2 D eta`` against the variance of one SGD step in closed form, at a given distance."""
    model, eta, batch, d = LinearRegression(np.array([[0.7]]), noise=0.3), 0.1, 4, 0.8
    m1, m2 = model.moments(np.array([d]), np.array([[d * d]]), time=eta, learning_rate=eta, batch_size=batch)
    equation = model.equation(eta, batch)
    assert_allclose(2 * equation.diffusion(d) * eta, m2[0, 0] - m1[0] ** 2, rtol=1e-12)
    assert_allclose(d + eta * equation.drift(d), m1[0], rtol=1e-12)
    with pytest.raises(DomainError, match="one coordinate"):
        LinearRegression(np.eye(2)).equation(0.1, 4)


def test_stationary_second_moment_of_regression():
    """A fixed point of the step with two inputs; closed form with one; none beyond the threshold."""
    c, noise, at = np.array([[1.0, 0.3], [0.3, 0.4]]), 0.5, {"learning_rate": 0.2, "batch_size": 4}
    model = LinearRegression(c, noise)
    rest = model.stationary_second_moment(**at)
    np.testing.assert_allclose(model.moments(np.zeros(2), rest, time=0.2, **at)[1], rest, rtol=1e-12)
    one, h = LinearRegression(np.array([[0.7]]), noise), 0.7 * 0.2
    exact = 0.2**2 / 4 * noise**2 * 0.7 / (1 - (1 - h) ** 2 - 2 * h**2 / 4)
    assert one.stationary_second_moment(**at)[0, 0] == pytest.approx(exact, rel=1e-12)
    threshold = 2 / (0.7 * (1 + 2 / 4))  # (1 - h)^2 + 2 h^2 / B = 1
    one.stationary_second_moment(learning_rate=0.999 * threshold, batch_size=4)
    with pytest.raises(DomainError, match="second moments grow"):
        one.stationary_second_moment(learning_rate=1.001 * threshold, batch_size=4)
