"""A network that the library does not know enters theory by its gradient and covariance alone."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fpsim.closures import gaussian_path, linear_noise
from fpsim.datasets import digits
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.theory import (
    MeshLandscape,
    bottleneck_of,
    hessian,
    hessian_product,
    landscape_of,
    minimum_near,
    modified_equation,
    modified_equation_of,
    stationary_covariance,
)

X = np.random.default_rng(0).normal(size=200)
DECAY = 0.05


class Deep:
    """``f(x) = c tanh(b tanh(a x))``, three layers, loss ``(f - x)^2 / 2 + DECAY |W|^2 / 2``, batches of ``size``."""

    def __init__(self, size):
        self.size = size

    def samples(self, w, x):
        """Gradients of single samples, (..., samples, 3)."""
        a, b, c = (w[..., i, None] for i in range(3))
        h = np.tanh(a * x)
        k = np.tanh(b * h)
        r = c * k - x
        inner = r * c * (1 - k**2)
        return np.stack([inner * b * (1 - h**2) * x, inner * h, r * k], axis=-1) + DECAY * w[..., None, :]

    def gradient(self, w):
        return self.samples(w, X).mean(axis=-2)

    def covariance(self, w):
        g = self.samples(w, X)
        g = g - g.mean(axis=-2, keepdims=True)
        return np.einsum("...si,...sj->...ij", g, g) / len(X) / self.size


def train(start, eta, size, steps, replicas, seed):
    """Plain SGD on the deep network, batches drawn with replacement."""
    rng, w, deep = np.random.default_rng(seed), np.broadcast_to(start, (replicas, 3)).copy(), Deep(size)
    for _ in range(steps):
        batch = X[rng.integers(len(X), size=(replicas, size))]
        w = w - eta * deep.samples(w, batch).mean(axis=-2)
    return w


def test_deep_network_follows_its_modified_equation():
    eta, size, start = 0.02, 16, np.array([1.0, 0.8, 1.2])
    w = train(start, eta, size, 100, 8_000, 1)
    path = gaussian_path(modified_equation(Deep(size), eta, order="sme2"), start, 0.0, [0.0, 2.0])
    covariance = np.cov(w.T)
    std = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(path.mean[-1], w.mean(axis=0), atol=(4 * std / 8_000**0.5).max() + std.max() ** 2)
    np.testing.assert_allclose(np.sqrt(np.diag(path.covariance[-1])), std, rtol=4 / 16_000**0.5 + eta)


def test_deep_network_has_a_minimum_and_a_stationary_width():
    deep, eta = Deep(16), 0.02
    minimum = minimum_near(deep, [1.0, 1.0, 1.0])
    assert np.abs(deep.gradient(minimum)).max() < 1e-9
    expected = stationary_covariance(deep, eta, minimum)
    late = gaussian_path(modified_equation(deep, eta), minimum, 0.0, [0.0, 400.0]).covariance[-1]
    np.testing.assert_allclose(late, expected, rtol=1e-4)


def test_joint_equation_of_any_landscape():
    """On a mesh as at points; the diffusion follows a schedule, momentum enters as a mobility."""
    deep = Deep(4)
    mesh = tuple(np.meshgrid(*(np.linspace(-1, 1, 3),) * 3, indexing="ij", sparse=True))
    points = np.stack(np.meshgrid(*(np.linspace(-1, 1, 3),) * 3, indexing="ij"), axis=-1)
    equation = modified_equation(deep, lambda t: 0.1 / (1 + t), temperature=0.01, mobility=2.0)
    p = equation.fokker_planck()
    np.testing.assert_array_equal(np.stack(p.drift(*mesh), axis=-1), -2.0 * deep.gradient(points))
    rows = p.diffusion(*mesh, t=1.0)
    found = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    np.testing.assert_allclose(found, 0.025 * 4 * deep.covariance(points) + 0.02 * np.eye(3), rtol=1e-13, atol=1e-15)
    with pytest.raises(DomainError, match="constant learning rate"):
        modified_equation(deep, lambda t: 0.1, order="sme2")
    with pytest.raises(DomainError, match=r"mobility = 0\.5"):
        modified_equation(deep, 0.1, mobility=0.5)


def test_hessians_are_derivatives_of_the_gradient():
    """Against the exact Hessian of ``L = (u v - 1)^2 / 2``."""

    class Valley:
        def gradient(self, w):
            return (w.prod(axis=-1, keepdims=True) - 1.0) * w[..., ::-1]

        def covariance(self, w):
            raise NotImplementedError

    w, v = np.random.default_rng(1).normal(size=(2, 6, 2))
    product = w.prod(axis=-1)
    exact = np.empty((6, 2, 2))
    exact[:, 0, 0], exact[:, 1, 1] = w[:, 1] ** 2, w[:, 0] ** 2
    exact[:, 0, 1] = exact[:, 1, 0] = 2.0 * product - 1.0
    np.testing.assert_allclose(hessian(Valley(), w), exact, atol=1e-10)
    np.testing.assert_allclose(hessian_product(Valley(), w, v), np.einsum("mij,mj->mi", exact, v), atol=1e-10)
    assert not isinstance(Valley(), MeshLandscape)


def digits_experiment(activation, **sgd):
    settings = {"learning_rate": 0.05, "batch_size": 8, "label_noise": 0.2, **sgd}
    return Experiment(digits(2), BottleneckAutoEncoder(2, 1, activation), SGD(**settings), Start.gaussian(0.0, 0.5))


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_one_matrix_is_a_block_of_all_weights(activation):
    """Gradient and covariance of a matrix, given its partner, are blocks of those of all weights."""
    landscape = landscape_of(digits_experiment(activation, weight_decay=0.1))
    assert isinstance(landscape, MeshLandscape)
    w = np.random.default_rng(2).normal(size=(5, 4))
    own = {"W1": tuple(w[:, :2].T), "W2": tuple(w[:, 2:].T)}
    g, s = landscape.gradient(w), landscape.covariance(w)
    for matrix, partner, block in (("W1", "W2", slice(0, 2)), ("W2", "W1", slice(2, 4))):
        first, second = (f(own[partner]) for f in landscape.statistics_of_partner(matrix))
        found = landscape.gradient_of(matrix, own[matrix], first)
        np.testing.assert_allclose(np.stack(found, axis=-1), g[:, block], rtol=1e-13)
        rows = landscape.covariance_of(matrix, own[matrix], first, second)
        rows = np.stack([np.stack(np.broadcast_arrays(*row, w[:, 0])[:-1], axis=-1) for row in rows], axis=-2)
        np.testing.assert_allclose(rows, s[:, block, block], rtol=1e-13)


def test_linear_noise_follows_a_schedule():
    """Half of the noise in the second half of the time: ``C' = -2 C + eta(t) S`` at the minimum of a quadratic."""

    class Quadratic:
        def gradient(self, w):
            return w

        def covariance(self, w):
            return np.broadcast_to(np.eye(1), (*w.shape, 1))

    rate = lambda t: 0.2 if t < 1.0 else 0.1  # noqa: E731
    late = gaussian_path(modified_equation(Quadratic(), rate), [0.0], 0.0, [0.0, 1.0, 2.0]).covariance[-1]
    first = 0.1 * (1 - np.exp(-2.0))
    assert late[0, 0] == pytest.approx(first * np.exp(-2.0) + 0.05 * (1 - np.exp(-2.0)), rel=1e-3)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_landscapes_and_equations_pickle_and_copy(activation):
    e = digits_experiment(activation)
    w = np.random.default_rng(3).normal(size=(4, 4))
    equation = modified_equation_of(e, order="sme2")
    for twin in (pickle.loads(pickle.dumps(equation)), copy.deepcopy(equation)):
        np.testing.assert_array_equal(twin.drift(w), equation.drift(w))
        np.testing.assert_array_equal(twin.diffusion(w), equation.diffusion(w))
        with pytest.raises(AttributeError):
            twin.order = "sme1"
    path = linear_noise(e, [0.5] * 4, 0.01, [0.0, 1.0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(path)).covariance, path.covariance)
    assert bottleneck_of(e).size == 4
