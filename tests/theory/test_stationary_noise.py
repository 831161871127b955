"""Stationary covariance around a minimum: closed forms, the Lyapunov equations by other means, ensembles."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.closures import linear_noise
from fpsim.datasets import GaussianPopulation, iris
from fpsim.experiment import SGD, Experiment, Start, quadratic_experiment
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.theory import landscape_of, minimum_near, stationary_covariance


def decaying(learning_rate=0.05, batch_size=4, **sgd):
    settings = SGD(learning_rate, batch_size, weight_decay=0.3, **sgd)
    return Experiment(iris(2), BottleneckAutoEncoder(2, 1), settings, Start.gaussian(0.5, 0.1))


def test_minimum_with_weight_decay_in_closed_form():
    """Along the first principal component ``u = v`` with ``c (u^2 - 1) + weight_decay = 0``, nothing across it."""
    e = decaying()
    c = e.data.second_moment[0, 0]
    u = np.sqrt(1 - 0.3 / c)
    np.testing.assert_allclose(minimum_near(landscape_of(e), [0.8, 0.1, 0.9, -0.1]), [u, 0.0, u, 0.0], atol=1e-9)


def test_covariance_is_where_the_linear_noise_closure_ends():
    """The Lyapunov equation against the integration of ``Lambda' = J Lambda + Lambda J^T + 2 D`` to rest."""
    e = decaying()
    landscape = landscape_of(e)
    minimum = minimum_near(landscape, [0.8, 0.1, 0.9, -0.1])
    late = linear_noise(e, minimum, 0.0, [0.0, 80.0]).covariance[-1]
    found = stationary_covariance(landscape, 0.05, minimum)
    np.testing.assert_allclose(found, late, rtol=1e-5, atol=1e-9)
    assert np.trace(found) > 1e-5


def test_discrete_covariance_is_the_sum_over_past_steps():
    """``sum_k eta^2 A^k S A^k`` with ``A = 1 - eta H``, the Hessian by differences of the gradient written out."""
    e = decaying(learning_rate=0.3)
    landscape = landscape_of(e)
    minimum = minimum_near(landscape, [0.8, 0.1, 0.9, -0.1])
    c = e.data.second_moment

    def gradient(w):
        a, b = w[:2], w[2:]
        ga = (b @ b) * (c @ a) - c @ b + 0.3 * a
        gb = (a @ c @ a) * b - c @ a + 0.3 * b
        return np.concatenate([ga, gb])

    h = np.stack([(gradient(minimum + d) - gradient(minimum - d)) / 2e-5 for d in 1e-5 * np.eye(4)], axis=1)
    step, s = np.eye(4) - 0.3 * h, landscape.covariance(minimum)
    total, power = np.zeros((4, 4)), np.eye(4)
    for _ in range(2000):
        total, power = total + 0.09 * power @ s @ power.T, power @ step
    found = stationary_covariance(landscape, 0.3, minimum, discrete=True)
    np.testing.assert_allclose(found, total, rtol=1e-6, atol=1e-10)
    first = stationary_covariance(landscape, 0.3, minimum)
    assert np.trace(found) > 1.05 * np.trace(first)  # finite steps widen


def test_fresh_gaussian_data_against_the_known_lyapunov_solution():
    """Theory 2.3 with the valley held by a little weight decay: across the principal direction nothing changes."""
    l1, l2, eta = 2.0, 0.8, 0.01
    sgd = SGD(eta, 1, "fresh", weight_decay=1e-4)
    e = Experiment(GaussianPopulation([l1, l2]), BottleneckAutoEncoder(2, 1), sgd, Start.gaussian(0.5, 0.1))
    landscape = landscape_of(e)
    found = stationary_covariance(landscape, eta, minimum_near(landscape, [1.0, 0.0, 1.0, 0.0]))
    variance = eta / 2 * l1 * l2**2 / ((l1 - l2) * (l2 + l1))
    exact = variance * np.array([[1.0, 1.0], [1.0, l1 / l2]])
    np.testing.assert_allclose(found[np.ix_([1, 3], [1, 3])], exact, rtol=2e-3)


def test_refuses_what_has_no_stationary_state():
    flat = Experiment(iris(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 4), Start.gaussian(0.5, 0.1))
    with pytest.raises(DomainError, match="isolated minimum"):
        minimum_near(landscape_of(flat), [0.9, 0.0, 1.1, 0.0])
    landscape = landscape_of(decaying())
    minimum = minimum_near(landscape, [0.8, 0.1, 0.9, -0.1])
    with pytest.raises(DomainError, match="and below"):
        stationary_covariance(landscape, 5.0, minimum, discrete=True)
    with pytest.raises(DomainError, match="at most 1000"):
        minimum_near(landscape, [1e300, 0.0, 1.0, 0.0])
    with pytest.raises(DomainError, match="above zero"):
        stationary_covariance(landscape, 0.0, minimum)


def test_quadratic_experiment_is_quadratic_with_additive_noise():
    """Gradients of all samples, written out: one curvature, mean zero at zero, the variance that was asked for."""
    e = quadratic_experiment(SGD(0.1, 4), curvature=0.3, noise=2.0, samples=63, start=0.7)
    x1, x2 = e.data.x.T
    gradient = {b: (b * x1 - x2) * x1 for b in (0.0, 0.7)}
    np.testing.assert_allclose(gradient[0.7] - gradient[0.0], 0.3 * 0.7, rtol=1e-13)
    assert gradient[0.0].mean() == pytest.approx(0.0, abs=1e-15)
    assert gradient[0.0].std() == pytest.approx(2.0, rel=1e-13)
    with pytest.raises(DomainError, match="curvature = -1"):
        quadratic_experiment(SGD(0.1, 4), curvature=-1.0)
