"""Gradients and their moments against complex-step differentiation and brute force."""

import itertools

import numpy as np
import pytest

from fpsim.datasets import digits
from fpsim.network import (
    AutoEncoder,
    BottleneckAutoEncoder,
    activation,
    forward,
    gradient_moments,
    loss,
    mean_loss,
    register_activation,
    sample_gradients,
)
from fpsim.support.errors import DomainError

PHI = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
    "relu": lambda z: np.where(z.real > 0, z, 0.0),
    "rational": lambda z: z / (1.0 + z * z),
}
register_activation("rational", lambda z: z / (1.0 + z * z), lambda z: (1.0 - z * z) / (1.0 + z * z) ** 2)
RNG = np.random.default_rng(1)
DEEP = AutoEncoder((3, 2, 1, 2, 3), ("tanh", "linear", "sigmoid", "linear"), {"W1": RNG.normal(size=(2, 3))})
NETWORKS = [BottleneckAutoEncoder(d, k, phi) for phi in PHI for d, k in ((1, 1), (2, 1), (3, 2))] + [DEEP]
IDS = [f"{'-'.join(map(str, n.widths))} {n.activations[0]}" for n in NETWORKS]


def random_weights(network, lead=(), seed=2):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(*lead, *network.shapes[name])) for name in network.trained}


def losses(network, weights, x):
    """Per-sample losses, written out again for complex numbers."""
    h = x.T
    for name, phi in zip(network.shapes, network.activations, strict=True):
        h = PHI[phi](np.asarray(weights.get(name, network.frozen.get(name))) @ h)
    return 0.5 * np.sum((h - x.T) ** 2, axis=0)


def complex_step(network, weights, x):
    """Derivative of every sample's loss to machine precision: ``Im l(W + i h) / h``."""
    gradients = {}
    for name, matrix in weights.items():
        gradients[name] = np.empty((len(x), *matrix.shape))
        for i, j in np.ndindex(matrix.shape):
            shifted = matrix.astype(complex)
            shifted[i, j] += 1e-100j
            gradients[name][:, i, j] = losses(network, {**weights, name: shifted}, x).imag / 1e-100
    return gradients


def assert_close(value, expected, tolerance=1e-12):
    assert value.shape == expected.shape
    assert np.abs(value - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_sample_gradients_and_their_moments_to_1e_12(network):
    x = np.random.default_rng(3).normal(size=(11, network.widths[0]))
    weights = random_weights(network)
    truth = complex_step(network, weights, x)
    found = sample_gradients(network, weights, x)
    moments = gradient_moments(network, weights, x)
    assert set(found) == set(truth) == set(moments.mean)
    for name in truth:
        assert_close(found[name], truth[name])
        assert_close(moments.mean[name], truth[name].mean(axis=0))
    for a, b in itertools.product(truth, truth):
        ga, gb = truth[a] - truth[a].mean(axis=0), truth[b] - truth[b].mean(axis=0)
        assert_close(moments.covariance[a, b], np.einsum("nij,nkl->ijkl", ga, gb) / len(x))
    expected = losses(network, weights, x).mean()
    for value in (moments.loss, loss(network, weights, x), mean_loss(network, weights, x)):
        assert float(value) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("phi", ["linear", "tanh"])
def test_covariance_is_that_of_all_batches(phi):
    """Covariance over all N^B and all C(N, B) batches, one by one, is ``c_B Sigma`` (theory: 1.1)."""
    network, n, b = BottleneckAutoEncoder(2, 1, phi), 6, 3
    x = np.random.default_rng(4).normal(size=(n, 2))
    weights = random_weights(network)
    g = np.concatenate([v.reshape(n, -1) for v in complex_step(network, weights, x).values()], axis=1)
    sigma = gradient_moments(network, weights, x).covariance["W1", "W2"].reshape(2, 2)
    for batches, factor in (
        (itertools.product(range(n), repeat=b), 1 / b),
        (itertools.combinations(range(n), b), (n - b) / (b * (n - 1))),
    ):
        means = np.array([g[list(batch)].mean(axis=0) for batch in batches])
        assert_close(factor * sigma, np.cov(means.T, bias=True)[:2, 2:])


def test_leading_axes_broadcast_and_threads_do_not_matter():
    network = BottleneckAutoEncoder(2, 1, "tanh")
    x = digits().x[:50]
    w1, w2 = random_weights(network, (7, 1))["W1"], random_weights(network, (40,), 5)["W2"]
    moments = [gradient_moments(network, {"W1": w1, "W2": w2}, x, threads=n) for n in (1, 2)]
    assert moments[0].covariance["W1", "W2"].shape == (7, 40, 1, 2, 2, 1)
    assert np.array_equal(moments[0].covariance["W2", "W2"], moments[1].covariance["W2", "W2"])
    one = gradient_moments(network, {"W1": w1[3, 0], "W2": w2[11]}, x)
    assert np.array_equal(moments[0].covariance["W1", "W1"][3, 11], one.covariance["W1", "W1"])
    assert forward(network, {"W1": w1, "W2": w2}, x).shape == (7, 40, 50, 2)


@pytest.mark.parametrize("name", ["linear", "tanh", "sigmoid", "relu"])
def test_activation_derivatives(name):
    z = np.array([-2.0, -0.3, 0.4, 1.5])
    step = PHI[name](z + 1e-100j).imag / 1e-100
    assert_close(activation(name).derivative(z), step, 1e-14)
    second = (activation(name).derivative(z + 1e-5) - activation(name).derivative(z - 1e-5)) / 2e-5
    assert_close(activation(name).second_derivative(z), second, 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BottleneckAutoEncoder(2, 0), "k is 0"),
        (lambda: BottleneckAutoEncoder(2, 1, "tahn"), "'tahn' is unknown; accepted: linear, tanh"),
        (lambda: AutoEncoder((4, 2, 3), ("linear", "linear")), "equal ends"),
        (lambda: AutoEncoder((4, 2, 4), ("linear",)), "one each"),
        (lambda: AutoEncoder((4, 2, 4), ("tanh", "linear"), {"W3": np.eye(2)}), "'W3' is no matrix"),
        (lambda: AutoEncoder((4, 2, 4), ("tanh", "linear"), {"W1": np.eye(2)}), r"shape \(2, 2\)"),
        (
            lambda: BottleneckAutoEncoder(1, 1, "linear", {"W1": [[1.0]], "W2": [[1.0]]}),
            "all layers are frozen",
        ),
        (lambda: register_activation("tanh", np.tanh, np.cosh), "built in"),
        (lambda: register_activation("odd", np.sin, np.sin), "finite differences"),
    ],
)
def test_bad_networks_are_refused(call, message):
    with pytest.raises(DomainError, match=message):
        call()


@pytest.mark.parametrize(
    ("weights", "x", "message"),
    [
        ({"W1": np.ones((1, 2))}, np.ones((3, 2)), "'W2' is missing"),
        ({"W1": np.ones((2, 1)), "W2": np.ones((2, 1))}, np.ones((3, 2)), "'W1' has shape"),
        ({"W1": np.ones((1, 2)), "W2": np.ones((2, 1)), "V": 1}, np.ones((3, 2)), "'V' is no matrix"),
        ({"W1": np.ones((1, 2)), "W2": np.ones((2, 1))}, np.ones((3, 3)), "x has shape"),
    ],
)
def test_bad_weights_are_refused(weights, x, message):
    network = BottleneckAutoEncoder(2, 1)
    for function in (forward, sample_gradients, gradient_moments, mean_loss):
        with pytest.raises(DomainError, match=message):
            function(network, weights, x)
