"""d = k = 1: coordinates (w, q), stationary law on the balanced leaf, collapse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from theory_oracles import normal_pair

from fpsim.datasets import GaussianPopulation, from_array
from fpsim.density import Grid, from_function, gaussian
from fpsim.ensemble import train
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.experiment import SGD, Experiment, Start, scalar_experiment
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.theory import (
    BalancedLaw,
    ScalarNetwork,
    collapse_rate,
    collapse_threshold,
    discrete_collapse_rate,
    discrete_collapse_threshold,
    from_valley,
    landscape_of,
    modified_equation,
    scalar_network,
    scales_of,
    to_valley,
    valley_density,
    weight_moments,
)


def experiment(data=None, start=None, **sgd):
    settings = {"learning_rate": 0.02, "batch_size": 8, "sampling": "fresh", **sgd}
    data = GaussianPopulation(1.0) if data is None else data
    return Experiment(data, BottleneckAutoEncoder(1, 1), SGD(**settings), start or Start.gaussian(0.0, 0.5))


@pytest.mark.parametrize("order", ["sme1", "sme2"])
def test_coefficients_are_the_transformed_ones(order):
    """Ito's formula, term by term with differences, from the (u, v) equation to the (w, q) one."""
    data = from_array(np.random.default_rng(1).exponential(size=(9, 1)))
    more = {} if order == "sme2" else {"temperature": 0.03}
    e = experiment(data, sampling="without_replacement", weight_decay=0.2, label_noise=0.4, batch_size=3, **more)
    equation = modified_equation(landscape_of(e), 0.02, order=order, temperature=e.sgd.temperature)
    network = scalar_network(e)
    for u, v in np.random.default_rng(2).normal(size=(5, 2)):
        b, d = equation.drift([u, v]), equation.diffusion([u, v])
        grad = np.array([[v, u], [2 * u, -2 * v]])
        ito = np.array([2 * d[0, 1], 2 * d[0, 0] - 2 * d[1, 1]])
        w, q = to_valley(u, v)
        np.testing.assert_allclose(network.drift(w, q, order=order), grad @ b + ito, rtol=1e-9, atol=1e-11)
        expected = grad @ d @ grad.T
        np.testing.assert_allclose(np.diag(network.diffusion(w, q)), expected, rtol=1e-10, atol=1e-12)


def test_coordinates_and_density():
    rng = np.random.default_rng(3)
    u, v = rng.normal(size=(2, 50))
    back = from_valley(*to_valley(u, v))
    sign = np.where(np.where(np.abs(u) > np.abs(v), u, v) > 0, 1.0, -1.0)
    np.testing.assert_allclose(back, (sign * u, sign * v), atol=1e-13)
    grid = Grid((-2.0, -4.0), (3.0, 4.0), (300, 300))
    p = from_function(grid, lambda w, q: valley_density(normal_pair(0.7, 0.4, 0.3), w, q), order=4, normalize=False)
    assert abs(p.mass - 1.0) < 1e-3  # the Jacobian is 1 / (2 R) per sheet
    with pytest.raises(DomainError, match="singular"):
        valley_density(normal_pair(0.0, 0.0, 1.0), 0.0, 0.0)


@pytest.mark.parametrize(
    ("order", "time", "sgd"),
    [
        ("sme2", 2.0, {}),
        ("sme1", 2.0, {"learning_rate": 0.005, "temperature": 0.004, "weight_decay": 0.1}),
        ("sme1", 0.8, {"learning_rate": 0.002, "momentum": 0.6, "temperature": 0.004, "weight_decay": 0.1}),
    ],
    ids=["plain", "temperature", "momentum"],
)
def test_equation_against_ensemble(order, time, sgd):
    """Widths and correlation of (u, v) after relaxation: the density in (w, q) against replicas."""
    start = Start.gaussian({"W1": [[0.8]], "W2": [[0.5]]}, 0.1)
    e, replicas = experiment(start=start, **{"label_noise": 0.3, **sgd}), 10_000
    weights = train(e, replicas=replicas, times=[time], rng=1).weights
    u, v = weights["W1"][-1, :, 0, 0], weights["W2"][-1, :, 0, 0]
    grid = Grid((0.05, -0.9), (1.45, 1.6), (160, 64))
    first = from_function(grid, lambda w, q: valley_density(normal_pair(0.8, 0.5, 0.1), w, q), order=3)
    theory = evolve(scalar_network(e).equation(order=order), first, [time], tolerance=3e-3, estimate_grid_error=False)
    mean, covariance = weight_moments(theory.densities[-1])
    exact = np.cov(u, v)
    std = np.sqrt(np.diag(exact))
    assert (np.abs(mean - [u.mean(), v.mean()]) < 4 * std / replicas**0.5 + 0.003).all()
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), std, rtol=4 / (2 * replicas) ** 0.5 + 0.01)
    assert covariance[0, 1] / std.prod() == pytest.approx(
        exact[0, 1] / std.prod(), abs=0.02 + 4 * (1 - 0.9**2) / replicas**0.5
    )
    assert theory.densities[-1].mass == pytest.approx(1.0, abs=1e-12)


LAW = {"c": 1.0, "kappa": 2.0, "s0": 0.5, "theta": 0.1}


def test_stationary_law_has_no_current():
    """``d/dw (D p) = b p`` with the coefficients of the equation on ``q = 0``."""
    network = scalar_network(experiment(batch_size=1, learning_rate=0.1, label_noise=0.5**0.5))
    law, w, h = BalancedLaw(**LAW), np.linspace(0.2, 3.0, 29), 1e-5

    def log_dp(x):
        return np.log(network.diffusion(x, np.zeros_like(x))[0]) + law.log_density(x)

    b, d = network.drift(w, np.zeros_like(w))[0], network.diffusion(w, np.zeros_like(w))[0]
    np.testing.assert_allclose((log_dp(w + h) - log_dp(w - h)) / (2 * h), b / d, rtol=1e-6, atol=1e-6)


def test_stationary_law_tail_and_figures():
    law = BalancedLaw(**LAW)
    far = np.array([1e4, 1e5])
    assert np.diff(law.log_density(far)) / np.diff(np.log(far)) == pytest.approx(-3.5, abs=1e-3)
    np.testing.assert_allclose(law.quantile([0.05, 0.5, 0.95]), [0.602, 0.956, 1.371], atol=1e-3)
    assert law.mean == pytest.approx(0.9687, abs=2e-4)
    np.testing.assert_allclose(law.cdf(law.quantile([0.1, 0.7])), [0.1, 0.7], atol=1e-6)


def test_density_is_normalised_and_that_of_the_distribution_function():
    law, w = BalancedLaw(**LAW), np.linspace(0.3, 2.5, 12)
    slope = (law.cdf(w * 1.001) - law.cdf(w * 0.999)) / (0.002 * w)
    np.testing.assert_allclose(law.density(w), slope, rtol=1e-3)
    total = quad(law.density, 0.0, 1.0, limit=200)[0] + quad(law.density, 1.0, np.inf, limit=200)[0]
    assert total == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "constants",
    [(1, 2, 0.5, 0.1), (1, 2, 0.5, 0.5), (1, 2, 0.5, 0.75), (1, 0.5, 0.2, 0.9), (1, 8, 0.5, 0.2), (1, 2, 0.04, 0.05)],
)
def test_moments_of_the_stationary_law(constants):
    """Against adaptive quadrature in variables without a tail, and against what a law without current must obey.

    ``E[A ln w] = 0`` for the generator ``A`` gives ``2 c (1 - E w) = theta (kappa E (w - 1)^2 + s0)`` exactly.
    """
    law = BalancedLaw(*constants)
    c, kappa, s0, theta = constants

    def integral(function):
        below = quad(lambda y: _weight(law, np.exp(-y)) * function(np.exp(-y)) * np.exp(-y), 0, np.inf, limit=400)
        above = quad(lambda u: _weight(law, u**-2.0) * function(u**-2.0) * 2 * u**-3.0, 0, 1, limit=400)
        return below[0] + above[0]

    total = integral(lambda w: 1.0)
    assert law.mean == pytest.approx(integral(lambda w: w) / total, rel=1e-7)
    assert law.mean_square == pytest.approx(integral(lambda w: (w - 1.0) ** 2) / total, rel=1e-7)
    assert law.balance_rate == pytest.approx(theta * (kappa * law.mean_square + s0), rel=1e-12)
    assert law.balance_rate == pytest.approx(2 * c * (1 - law.mean), rel=1e-9)


def test_bins_and_errors_of_quantiles():
    """Bins by quadrature; errors against the scatter of quantiles of drawn samples."""
    law, edges = BalancedLaw(**LAW), np.array([0.0, 0.3, 0.9, 2.0])
    total = quad(lambda x: _weight(law, np.exp(x)) * np.exp(x), -60.0, 20.0, limit=400, points=[-5.0, 0.0, 5.0])[0]
    for k, found in enumerate(law.averaged(edges)):
        inside = quad(lambda w: _weight(law, w), edges[k], edges[k + 1], limit=400)[0]
        assert found == pytest.approx(inside / total / (edges[k + 1] - edges[k]), rel=1e-3)
    levels, rng = np.array([0.1, 0.5, 0.9]), np.random.default_rng(3)
    scatter = np.quantile(law.quantile(rng.random((2_000, 400))), levels, axis=1).std(axis=1)
    np.testing.assert_allclose(law.quantile_error(levels, 400), scatter, rtol=4 * (0.5 / 2_000) ** 0.5 + 0.03)


def _weight(law, w):
    return np.exp(law.log_density(w) - law.log_density(1.0)) if w > 0.0 else 0.0


@pytest.mark.parametrize("batch_size", [1, 4])
def test_discrete_collapse_rate_by_sampling(batch_size):
    """``(2 / eta) E ln |1 + eta mean(x^2 + x e)|`` of drawn batches, 4 sigma; the Fokker-Planck rate in the limit."""
    eta, c, label = 0.02, 1.3, 5.0
    rng = np.random.default_rng(8)
    x, e = rng.normal(size=(2, 400_000, batch_size))
    x *= c**0.5
    sample = 2 / eta * np.log(np.abs(1 + eta * np.mean(x * x + label * x * e, axis=1)))
    found = discrete_collapse_rate(eta, batch_size, variance=c, label_noise=label)
    assert abs(found - sample.mean()) < 4 * sample.std() / len(sample) ** 0.5
    etas, errors = np.array([2e-4, 1e-4, 5e-5]), []
    for rate in etas:
        limit = collapse_rate(c, 2 * c**2, c * label**2, rate / batch_size)
        discrete = discrete_collapse_rate(rate, batch_size, variance=c, label_noise=label)
        errors.append(abs(discrete - limit))
    assert np.polyfit(np.log(etas), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.1)


def test_the_scalar_experiment_starts_where_it_is_told():
    """At a point, or normal around it; u and v are W1 and W2."""
    sgd = SGD(0.01, 4, "fresh")
    at = train(scalar_experiment(sgd, (0.8, 0.5)), replicas=100, times=[0.0], rng=1).weights
    assert np.all(at["W1"] == 0.8)
    assert np.all(at["W2"] == 0.5)
    around = train(scalar_experiment(sgd, 0.5, std=0.1), replicas=10_000, times=[0.0], rng=1).weights["W1"]
    assert around.mean() == pytest.approx(0.5, abs=4 * 0.1 / 100)
    assert around.std() == pytest.approx(0.1, rel=4 / 20_000**0.5)
    assert scalar_experiment(sgd, 0.5, variance=1.3).data.covariance.item() == pytest.approx(1.3)
    for wrong, message in (({"mean": (1.0, 2.0, 3.0)}, "mean has shape"), ({"mean": 1.0, "std": -1.0}, "std = -1")):
        with pytest.raises(DomainError, match=message):
            scalar_experiment(sgd, **wrong)


def test_discrete_collapse_threshold_by_sampling():
    """Drawn multipliers grow below it and shrink above it, 4 sigma; ``nan`` where steps have none near the limit."""
    c, label, found = 1.3, 20.0, discrete_collapse_threshold(2, variance=1.3, label_noise=20.0)
    assert found == pytest.approx(2 * collapse_threshold(c, 2 * c**2, c * label**2), rel=0.05)
    rng = np.random.default_rng(9)
    x, e = rng.normal(size=(2, 400_000, 2))
    x *= c**0.5
    g = np.mean(x * x + label * x * e, axis=1)
    for rate, sign in ((0.85 * found, 1.0), (1.15 * found, -1.0)):
        sample = sign * np.log(np.abs(1 + rate * g))
        assert sample.mean() > 4 * sample.std() / len(sample) ** 0.5
    assert np.isnan(discrete_collapse_threshold(1, variance=1.0, label_noise=0.1))


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")  # one or two of 10,000 replicas diverge
def test_stationary_law_against_svag():
    """SGD on its way to the diffusion limit (SVAG), from a balanced start."""
    point = Start.point({"W1": [[1.0]], "W2": [[1.0]]})
    e = experiment(start=point, batch_size=1, learning_rate=0.1, label_noise=0.5**0.5, noise="svag", svag_l=8)
    replicas = 10_000
    weights = train(e, replicas=replicas, times=[4.0], rng=5).weights
    w = (weights["W1"] * weights["W2"])[-1].ravel()
    levels, law = np.array([0.05, 0.5, 0.95]), BalancedLaw(**LAW)
    for level, quantile in zip(levels, law.quantile(levels), strict=True):
        error = 4 * np.sqrt(level * (1 - level) / replicas)
        assert abs(np.mean(w <= quantile) - level) < error + 0.01  # O(eta / l) of the limit


def in_logarithm(theta):
    """The equation of ``x = ln w`` on the balanced leaf, by Ito's formula from the coefficients in (w, q)."""
    network = scalar_network(experiment(batch_size=1, learning_rate=theta, label_noise=0.5**0.5))

    def coefficients(x):
        w = np.exp(x)
        b, d = network.drift(w, np.zeros_like(w))[0], network.diffusion(w, np.zeros_like(w))[0]
        return b / w - d / w**2, d / w**2

    return FokkerPlanck(drift=lambda x: coefficients(x)[0], diffusion=lambda x: coefficients(x)[1])


def evolved(theta, low, times):
    start = gaussian(Grid((low,), (1.6,), (600,)), -2.0, 1.0)
    return evolve(in_logarithm(theta), start, times, method="generator", estimate_grid_error=False).densities


@pytest.mark.filterwarnings("ignore:.*outermost cells")  # the tail w^(-7/2) fits no box
def test_collapse_beyond_the_threshold():
    """Below ``theta*`` the law is reached; beyond, ``ln w`` falls for ever, at ``2 c - theta (kappa + s0)``."""
    assert collapse_threshold(1.0, 2.0, 0.5) == pytest.approx(0.8)
    with pytest.raises(DomainError, match="collapse threshold"):
        BalancedLaw(**{**LAW, "theta": 0.85})
    (below,) = evolved(0.5, -60.0, [60.0])
    mass = np.cumsum(below.values) / below.values.sum()
    median = np.interp(0.5, mass, below.grid.edges[0][1:])
    assert median == pytest.approx(np.log(BalancedLaw(**{**LAW, "theta": 0.5}).quantile(0.5)), abs=0.01)
    early, late = evolved(1.0, -300.0, [100.0, 200.0])
    assert (late.mean[0] - early.mean[0]) / 100.0 == pytest.approx(2.0 - 2.5, rel=0.03)


def test_absorbing_valley_draws_a_warning():
    with pytest.warns(ValidityWarning, match="absorbs"):
        scalar_network(experiment())


def test_bad_input():
    with pytest.raises(DomainError, match="network 1-1-1"):
        scalar_network(
            Experiment(
                GaussianPopulation([1.0, 0.5]),
                BottleneckAutoEncoder(2, 1),
                SGD(0.1, 8, sampling="fresh"),
                Start.gaussian(0.0, 0.5),
            )
        )
    with pytest.raises(DomainError, match="sme2 without"):
        scalar_network(experiment(temperature=0.1)).equation(order="sme2")
    with pytest.raises(DomainError, match="absorbing"):
        BalancedLaw(**{**LAW, "s0": 0.0})


def test_far_below_the_valley_the_logarithm_is_a_brownian_motion_with_drift():
    """``d ln W = (2 c - s^2) dt + sqrt(4 s^2) dB`` for ``w << 1``, ``s^2 = eta c_B kappa``, by hand from the steps."""
    c, kappa, eta, batch = 1.3, 0.7, 0.05, 4
    data = from_array(np.array([[1.0], [2.0]]))
    experiment = Experiment(data, BottleneckAutoEncoder(1, 1), SGD(eta, batch), Start.gaussian(0.1, 0.0))
    network = ScalarNetwork(c, kappa, scales_of(experiment))
    equation = network.log_equation()
    x, s2 = np.array([-14.0, -12.0]), eta / batch * kappa
    np.testing.assert_allclose(np.broadcast_to(equation.drift(x), 2), 2 * c - s2, rtol=1e-4)
    np.testing.assert_allclose(np.broadcast_to(equation.diffusion(x), 2), 2 * s2, rtol=1e-4)
