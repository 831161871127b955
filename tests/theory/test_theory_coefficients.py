"""Gradients and mini-batch covariances against complex steps, enumeration of all batches, and other methods."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov
from theory_oracles import complex_step_gradients, enumerated

from fpsim.datasets import GaussianPopulation, digits, from_array
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError
from fpsim.theory import landscape_of
from fpsim.theory.bottleneck.linear_averages import LinearAverages
from fpsim.theory.bottleneck.sample_averages import SampleAverages
from fpsim.theory.landscape import jacobian
from fpsim.theory.weight_coordinates import columns

SHAPES = [(1, 1), (2, 1), (3, 2)]
METHODS = ["encoder", "decoder", "encoder_covariance", "decoder_covariance", "cross_covariance", "slopes"]


def experiment(data, d, k, activation="linear", **sgd):
    settings = {"learning_rate": 0.1, "batch_size": 2, **sgd}
    return Experiment(data, BottleneckAutoEncoder(d, k, activation), SGD(**settings), Start.gaussian(0.0, 0.5))


def skewed(rng, n, d):
    return from_array(rng.exponential(size=(n, d)) - 0.7)


@pytest.mark.parametrize("activation", ["linear", "tanh", "sigmoid"])
@pytest.mark.parametrize(("d", "k"), SHAPES)
@pytest.mark.parametrize("sampling", ["iid", "without_replacement"])
def test_all_batches_enumerated(d, k, activation, sampling):
    rng = np.random.default_rng(d + k)
    data = skewed(rng, 5, d)
    landscape = landscape_of(experiment(data, d, k, activation, sampling=sampling, weight_decay=0.3))
    for _ in range(3):
        w = rng.normal(size=2 * d * k)
        g = complex_step_gradients(w, data.x, data.x, d, k, activation)
        mean, covariance = enumerated(g, 2, replacement=sampling == "iid")
        np.testing.assert_allclose(landscape.gradient(w), mean + 0.3 * w, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(landscape.covariance(w), covariance, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize(("d", "k"), SHAPES)
def test_label_noise_enumerated(d, k, activation):
    """The gradient is linear in the label noise, so that three Gauss-Hermite nodes per component are exact."""
    rng = np.random.default_rng(5)
    data, sigma = skewed(rng, 4, d), 0.7
    landscape = landscape_of(experiment(data, d, k, activation, batch_size=1, label_noise=sigma))
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    eps = np.stack(np.meshgrid(*(nodes,) * d, indexing="ij"), axis=-1).reshape(-1, d)
    share = np.prod(
        np.stack(np.meshgrid(*(weights / weights.sum(),) * d, indexing="ij"), axis=-1).reshape(-1, d), axis=1
    )
    w = rng.normal(size=2 * d * k)
    second, first = np.zeros((w.size, w.size)), np.zeros(w.size)
    for e, p in zip(eps, share, strict=True):
        g = complex_step_gradients(w, data.x, data.x + sigma * e, d, k, activation)
        first += p * g.mean(axis=0)
        second += p * g.T @ g / len(g)
    np.testing.assert_allclose(landscape.covariance(w), second - np.outer(first, first), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("d", "k"), SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_closed_forms_against_direct_sums(d, k, method):
    data = digits(d)
    w1 = columns(np.random.default_rng(2).normal(size=(7, k, d)))
    closed = getattr(LinearAverages(data, k), method)(w1)
    summed = getattr(SampleAverages(data, k, "linear"), method)(w1)
    scale = np.abs(summed).max()
    np.testing.assert_allclose(np.broadcast_to(closed, summed.shape), summed, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("method", METHODS)
def test_gaussian_population_by_isserlis_and_by_quadrature(method):
    population = GaussianPopulation([[1.3, 0.4], [0.4, 0.7]])
    w1 = columns(np.random.default_rng(3).normal(size=(5, 1, 2)))
    closed = getattr(LinearAverages(population, 1), method)(w1)
    nodes = getattr(SampleAverages(population, 1, "linear"), method)(w1)
    np.testing.assert_allclose(np.broadcast_to(closed, nodes.shape), nodes, rtol=1e-10, atol=1e-11)


def test_tanh_population_against_fresh_samples():
    population = GaussianPopulation([[1.3, 0.4], [0.4, 0.7]])
    landscape = landscape_of(experiment(population, 2, 1, "tanh", sampling="fresh", batch_size=1))
    x = np.random.default_rng(4).normal(size=(200_000, 2)) @ population.root
    w = np.array([0.8, -0.3, 0.9, 0.4])
    g = complex_step_gradients(w, x, x, 2, 1, "tanh")
    error = g.std(axis=0) / np.sqrt(len(x))
    assert (np.abs(landscape.gradient(w) - g.mean(axis=0)) < 4.0 * error).all()
    products = (g - g.mean(axis=0))[:, :, None] * (g - g.mean(axis=0))[:, None, :]
    error = products.std(axis=0) / np.sqrt(len(x))
    assert (np.abs(landscape.covariance(w) - products.mean(axis=0)) < 4.0 * error).all()


def test_open_mesh_and_points_agree():
    landscape = landscape_of(experiment(digits(2), 2, 1, "tanh", label_noise=0.3))
    axes = [np.linspace(-1, 1, n) for n in (2, 3, 2, 3)]
    mesh = tuple(np.meshgrid(*axes, indexing="ij", sparse=True))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    s = landscape.covariance(points)
    for i, row in enumerate(landscape.covariance_on(mesh)):
        for j, entry in enumerate(row):
            np.testing.assert_allclose(np.broadcast_to(entry, points.shape[:-1]), s[..., i, j], rtol=1e-12, atol=1e-14)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    """One thread, two threads, and each weight alone."""
    from fpsim.support.threads import Team
    from fpsim.theory.bottleneck import sample_averages

    averages = SampleAverages(digits(2), 1, "tanh")
    w1 = tuple(np.random.default_rng(6).normal(size=(2, 300)))
    results = []
    for count in (1, 2):
        monkeypatch.setattr(sample_averages, "Team", lambda count=count: Team(count))
        results.append(averages.encoder_covariance(w1))
    assert (results[0] == results[1]).all()
    alone = averages.encoder_covariance(tuple(w[7:8] for w in w1))
    assert (alone[..., 0] == results[0][..., 7]).all()


def test_refuses_other_networks():
    from fpsim.network import AutoEncoder

    deep = AutoEncoder((2, 2, 1, 2, 2), ("tanh",) * 3 + ("linear",))
    with pytest.raises(DomainError, match="widths"):
        landscape_of(Experiment(digits(2), deep, SGD(0.1, 8), Start.gaussian(0.0, 0.5)))
    with pytest.raises(DomainError, match="1 to 3"):
        landscape_of(experiment(GaussianPopulation(np.eye(4)), 4, 1, "tanh", sampling="fresh")).gradient(np.zeros(8))


@pytest.mark.slow
def test_table_of_a_grid_of_weights_in_two_seconds():
    """256^2 weights times 1797 images: all averages an encoder's equation needs."""
    averages = SampleAverages(digits(2), 1, "tanh")
    axis = np.linspace(-2, 2, 256)
    mesh = (axis[:, None], axis[None])
    averages.encoder_covariance((axis[:2, None], axis[None]))
    start = time.process_time()
    averages.encoder_covariance(mesh)
    assert (time.process_time() - start) / 2.0 < 2.0  # two cores


def test_noise_at_the_pca_optimum():
    """d = 2, k = 1, Gaussian data: only the decoder is kicked, across the principal direction."""
    l1, l2, beta, eta, batch = 2.0, 0.8, 1.3, 0.01, 4
    population = GaussianPopulation([l1, l2])
    landscape = landscape_of(experiment(population, 2, 1, sampling="fresh", learning_rate=eta, batch_size=batch))
    optimum = np.array([1 / beta, 0.0, beta, 0.0])
    s = landscape.covariance(optimum)
    expected = np.zeros((4, 4))
    expected[3, 3] = l1 * l2 / beta**2 / batch
    np.testing.assert_allclose(s, expected, atol=1e-14)
    across = np.ix_([1, 3], [1, 3])
    hessian = jacobian(landscape.gradient, optimum)[across]
    covariance = solve_continuous_lyapunov(hessian, eta * s[across])
    theta = eta / batch
    var_a2 = 0.5 * theta * l1 * l2**2 / ((l1 - l2) * (beta**4 * l2 + l1))
    exact = var_a2 * np.array([[1.0, beta**2], [beta**2, beta**4 + l1 / l2 - 1]])
    np.testing.assert_allclose(covariance, exact, rtol=1e-9)
