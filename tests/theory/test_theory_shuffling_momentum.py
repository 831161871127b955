"""Shuffled epochs and momentum: exact variances by enumeration and linear algebra; schedules and scales."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from fpsim.closures import joint
from fpsim.datasets import digits
from fpsim.experiment import SGD, Experiment, PiecewiseConstant, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.theory import (
    LearningRate,
    Scales,
    effective_learning_rate,
    epoch_variance,
    epoch_variance_path,
    iid_variance,
    iid_variance_path,
    kramers,
    kramers_moments,
    momentum_moments,
    momentum_variance,
    scales_of,
)


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_epoch_variance_over_all_orders(batch_size):
    """All 720 orders of six samples: the variance of one epoch's noise, summed over past epochs."""
    g = np.array([1.3, -0.2, 0.7, -1.9, 0.4, -0.3])
    eta, curvature = 0.3, 0.8
    a, batches = 1 - eta * curvature, 6 // batch_size
    powers = a ** np.arange(batches)[::-1]
    sums = np.array([powers @ np.array(order).reshape(batches, -1).mean(axis=1) for order in permutations(g)])
    exact = eta**2 * sums.var() / (1 - a ** (2 * batches))
    theory = epoch_variance(eta, curvature, g.var(), samples=6, batch_size=batch_size)
    assert theory == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_epoch_variance_at_every_step_over_all_orders(batch_size):
    """All 720 orders of six samples, twice: the second epoch begins with the variance of the first."""
    g = np.array([1.3, -0.2, 0.7, -1.9, 0.4, -0.3]) - np.mean([1.3, -0.2, 0.7, -1.9, 0.4, -0.3])
    eta, curvature = 0.3, 0.8
    a, batches = 1 - eta * curvature, 6 // batch_size
    noises = np.array([np.array(order).reshape(batches, -1).mean(axis=1) for order in permutations(g)])
    exact, before = [0.0], 0.0
    for _ in range(2):
        weights = np.zeros(len(noises))
        for j in range(batches):
            weights = a * weights - eta * noises[:, j]
            exact.append(a ** (2 * (j + 1)) * before + weights.var())
        before = exact[-1]
    steps = np.arange(2 * batches + 1)
    theory = epoch_variance_path(eta, curvature, g.var(), samples=6, batch_size=batch_size, steps=steps)
    np.testing.assert_allclose(theory, exact, rtol=1e-12, atol=1e-16)
    late = epoch_variance_path(eta, curvature, g.var(), samples=6, batch_size=batch_size, steps=[500 * batches])
    assert late[0] == pytest.approx(epoch_variance(eta, curvature, g.var(), samples=6, batch_size=batch_size))


def test_iid_variance_at_every_step():
    eta, curvature, variance, path = 0.2, 0.7, 0.0, []
    for _ in range(20):
        path.append(variance)
        variance = (1 - eta * curvature) ** 2 * variance + eta**2 * 0.25 * 1.7
    found = iid_variance_path(eta, curvature, 1.7, batch_factor=0.25, steps=np.arange(20))
    np.testing.assert_allclose(found, path, rtol=1e-12)


def test_epochs_are_far_below_independent_batches():
    samples, batch, eta, curvature = 64, 4, 0.05, 0.3
    factor = (samples - batch) / (batch * (samples - 1))
    ratio = iid_variance(eta, curvature, 1.0, batch_factor=factor) / epoch_variance(
        eta, curvature, 1.0, samples=samples, batch_size=batch
    )
    assert 185.0 < ratio < 205.0  # 1.66e-2 against 8.56e-5


def test_epochs_draw_a_warning():
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, sampling="epochs"), Start.gaussian(0.0, 0.5))
    with pytest.warns(ValidityWarning, match="anticorrelated"):
        joint(e)


def test_momentum_variance_is_the_lyapunov_solution():
    eta, mu, curvature, variance = 0.2, 0.7, 1.3, 0.9
    step = np.array([[1 - eta * curvature, mu], [-eta * curvature, mu]])  # (W, v) -> (W + v', v')
    noise = eta**2 * variance * np.ones((2, 2))
    exact = solve_discrete_lyapunov(step, noise)[0, 0]
    assert momentum_variance(eta, mu, curvature, variance) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.95])
def test_momentum_moments_are_those_of_all_signs(momentum):
    """Noise +-s: the moments over all 2^8 sequences of signs, each trained by hand."""
    eta, curvature, s = 0.4, 1.3, 0.7
    w, v = np.full(2**8, 0.9), np.zeros(2**8)
    means, variances = [0.9], [0.0]
    for k in range(8):
        sign = 2.0 * ((np.arange(2**8) >> k) & 1) - 1.0
        v = momentum * v - eta * (curvature * w + s * sign)
        w = w + v
        means.append(w.mean())
        variances.append(w.var())
    found = momentum_moments(eta, momentum, curvature, s**2, np.arange(9), start=0.9)
    np.testing.assert_allclose(found[0], means, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[1], variances, rtol=1e-12, atol=1e-14)
    late = momentum_moments(eta, momentum, curvature, s**2, [3000])[1][0]
    assert late == pytest.approx(momentum_variance(eta, momentum, curvature, s**2), rel=1e-10)


def test_kramers_moments_converge_to_those_of_the_steps():
    """At fixed friction and fixed ``tau``: mean and variance (in units of ``sqrt(eta)``), error O(sqrt(eta))."""
    etas, errors = np.array([0.01, 0.0025, 0.000625]), []
    for eta in etas:
        mu, steps = 1 - 0.8 * eta**0.5, np.round(np.array([1.0, 2.0, 4.0]) / eta**0.5).astype(int)
        exact = momentum_moments(eta, mu, 1.3, 0.9, steps, start=1.0)
        theory = kramers_moments(eta, mu, 1.3, 0.9, steps, start=1.0)
        scale = np.array([1.0, eta**0.5])[:, None]
        errors.append(np.abs((np.array(theory) - np.array(exact)) / scale).max())
    assert abs(slope(etas, errors) - 0.5) < 0.1
    # the mean swings through zero, which no effective learning rate can do
    assert min(kramers_moments(0.01, 0.92, 1.3, 0.9, range(40), start=1.0)[0]) < -0.1


def test_kramers_moments_solve_the_equation_of_the_density():
    """``d/dtau`` of the moments by differences, against the coefficients of :func:`kramers` itself."""
    eta, mu, h = 0.04, 0.7, 1e-4
    equation = kramers(Harmonic(), eta, mu)
    j = np.array([equation.drift(*(np.array([x]) for x in unit)) for unit in np.eye(2)])[..., 0].T
    d = np.diag([0.0, equation.diffusion(np.zeros(1), np.zeros(1))[1][1][0]])
    mean, covariance = np.array([1.0, 0.0]), np.zeros((2, 2))
    for _ in range(round(2.0 / h)):  # Heun's method to tau = 2, that is ten steps of 0.2
        half, wide = mean + h * j @ mean, covariance + h * (j @ covariance + covariance @ j.T + 2 * d)
        mean = mean + h / 2 * j @ (mean + half)
        covariance = covariance + h / 2 * (j @ (covariance + wide) + (covariance + wide) @ j.T + 4 * d)
    found = kramers_moments(eta, mu, 1.3, 0.9, [10], start=1.0)
    assert found[0][0] == pytest.approx(mean[0], abs=1e-7)
    assert found[1][0] == pytest.approx(covariance[0, 0], rel=1e-6)


class Harmonic:
    def gradient(self, w):
        return 1.3 * w

    def covariance(self, w):
        return np.full((*w.shape, 1), 0.9)


def test_kramers_variance_and_its_limit():
    """Stationary variance of the underdamped equation, at fixed friction, against the exact one: error O(eta)."""
    etas, errors = np.array([0.04, 0.02, 0.01]), []
    for eta in etas:
        mu = 1 - 1.5 * eta**0.5
        equation = kramers(Harmonic(), eta, mu)
        j = np.array([equation.drift(*(np.array([x]) for x in unit)) for unit in np.eye(2)])[..., 0].T
        d = equation.diffusion(np.zeros(1), np.zeros(1))[1][1]
        theory = solve_continuous_lyapunov(j, np.diag([0.0, -2.0 * d[0]]))
        assert theory[0, 0] == pytest.approx(eta * 0.9 / (2 * (1 - mu) * 1.3), rel=1e-12)
        errors.append(abs(theory[0, 0] / momentum_variance(eta, mu, 1.3, 0.9) - 1))
    assert abs(slope(etas, errors) - 1.0) < 0.15


def test_kramers_keeps_gibbs_at_a_temperature():
    class Noiseless(Harmonic):
        def covariance(self, w):
            return np.zeros((*w.shape, 1))

    equation = kramers(Noiseless(), 0.04, 0.8, temperature=0.3)
    j = np.array([equation.drift(*(np.array([x]) for x in unit)) for unit in np.eye(2)])[..., 0].T
    d = equation.diffusion(np.zeros(1), np.zeros(1))[1][1]
    np.testing.assert_allclose(
        solve_continuous_lyapunov(j, np.diag([0.0, -2.0 * d[0]])), np.diag([0.3 / 1.3, 0.3]), atol=1e-14
    )


def test_overdamped_scales_against_exact_variance():
    etas, errors = np.array([0.04, 0.02, 0.01]), []
    for eta in etas:
        scales = Scales(eta, 1.0, mobility=1 / (1 - 0.6))
        theory = scales.noise(0.0) * 0.9 / (scales.mobility * 1.3)
        errors.append(abs(theory / momentum_variance(eta, 0.6, 1.3, 0.9) - 1))
        assert theory == pytest.approx(effective_learning_rate(eta, 0.6) * 0.9 / (2 * 1.3))
    assert abs(slope(etas, errors) - 1.0) < 0.15


def test_schedule_in_time():
    sgd = SGD(PiecewiseConstant((0.1, 0.02), (10,)), 8)
    rate = LearningRate(sgd)
    assert [rate(t) for t in (0.0, 0.95, 1.01, 50.0)] == [0.1, 0.1, 0.02, 0.02]
    e = Experiment(digits(2), BottleneckAutoEncoder(2, 1), sgd, Start.gaussian(0.0, 0.5))
    equation, at = joint(e), [np.full((1,) * 4, x) for x in (0.3, 0.1, 0.5, -0.2)]
    early, late = equation.diffusion(*at, t=0.5)[0][0], equation.diffusion(*at, t=2.0)[0][0]
    assert equation.time_dependent
    assert early.item() == pytest.approx(5 * late.item())


def test_svag_has_the_diffusion_of_its_limit():
    plain = SGD(0.1, 4, label_noise=0.2)
    svag = SGD(0.1, 4, label_noise=0.2, noise="svag", svag_l=9)
    one, nine = (
        scales_of(Experiment(digits(2), BottleneckAutoEncoder(2, 1), s, Start.gaussian(0.0, 0.5)))
        for s in (plain, svag)
    )
    assert nine.noise(0.0) * nine.batch_factor == pytest.approx(one.noise(0.0) * one.batch_factor)
    assert nine.noise(0.0) * nine.label_variance == pytest.approx(one.noise(0.0) * one.label_variance)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: epoch_variance(0.1, 1.0, 1.0, samples=10, batch_size=3), "divisor"),
        (lambda: iid_variance(3.0, 1.0, 1.0, batch_factor=1.0), "between 0 and 2"),
        (lambda: momentum_variance(0.1, 1.0, 1.0, 1.0), "momentum = 1.0"),
        (lambda: momentum_variance(9.0, 0.5, 1.0, 1.0), "between 0 and 3"),
        (lambda: kramers(Harmonic(), -0.1, 0.5), "learning_rate = -0.1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(DomainError, match=message):
        call()
