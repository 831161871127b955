"""What a mini-batch is made of: against enumeration of all batches."""

import itertools
import math

import numpy as np
import pytest

from fpsim.datasets import GaussianPopulation, from_array
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder, sample_gradients

X = np.random.default_rng(6).normal(size=(5, 2))
POINT = {"W1": np.array([[0.7, -0.4]]), "W2": np.array([[0.5], [0.9]])}
RATE = 0.1


def displacement(sgd, *, activation="linear", replicas=30_000, data=None, steps=1):
    """``(W_0 - W_1) / eta`` of every replica, all entries in a row, for consecutive steps."""
    data = from_array(X) if data is None else data
    experiment = Experiment(data, BottleneckAutoEncoder(2, 1, activation), sgd, Start.point(POINT))
    ensemble = train(experiment, replicas=replicas, steps=range(steps + 1), rng=4)
    rows = np.concatenate([w.reshape(steps + 1, replicas, -1) for w in ensemble.weights.values()], axis=2)
    return -np.diff(rows, axis=0) / (sgd.learning_rate / sgd.svag_l)


def gradients(activation):
    parts = sample_gradients(BottleneckAutoEncoder(2, 1, activation), POINT, X).values()
    return np.concatenate([g.reshape(len(X), -1) for g in parts], axis=1)


def batches(sampling, size):
    if sampling == "iid":
        return list(itertools.product(range(len(X)), repeat=size))
    return list(itertools.combinations(range(len(X)), size))


@pytest.mark.parametrize("activation", ["linear", "tanh", "relu"])
@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "epochs"])
def test_first_step_takes_every_batch_equally_often(activation, sampling):
    """Every step is the mean gradient of one of all batches, each batch with its probability (chi-square)."""
    found = displacement(SGD(RATE, 2, sampling), activation=activation)[0]
    g = gradients(activation)
    means, inverse = np.unique(
        np.round([g[list(b)].mean(axis=0) for b in batches(sampling, 2)], 12), axis=0, return_inverse=True
    )
    distance = np.abs(found[:, None, :] - means[None]).max(axis=2)
    assert distance.min(axis=1).max() < 1e-12
    probability = np.bincount(inverse.ravel()) / inverse.size
    counts = np.bincount(distance.argmin(axis=1), minlength=len(means))
    chi2 = np.sum((counts - len(found) * probability) ** 2 / (len(found) * probability))
    assert abs(chi2 - (len(means) - 1)) < 4 * math.sqrt(2 * (len(means) - 1))


def test_epochs_visit_every_sample_once():
    """At a tiny learning rate, the steps of an epoch add up to the sum of all gradients."""
    rate = 1e-9
    experiment = Experiment(from_array(X), BottleneckAutoEncoder(2, 1), SGD(rate, 1, "epochs"), Start.point(POINT))
    ensemble = train(experiment, replicas=200, steps=[0, 5, 10, 12, 15], rng=0)
    rows = np.concatenate([w.reshape(5, 200, -1) for w in ensemble.weights.values()], axis=2)
    total = gradients("linear").sum(axis=0)
    for end, epochs in ((1, 1), (2, 2), (4, 3)):
        moved = (rows[0] - rows[end]) / rate
        assert np.abs(moved - epochs * total).max() < 1e-6
    assert np.abs((rows[0] - rows[3]) / rate - 2.4 * total).max() > 1e-3


def test_steps_are_independent():
    """Consecutive iid batches are uncorrelated; those of an epoch have correlation ``-1 / (M - 1)``."""
    for sampling, expected in (("iid", 0.0), ("without_replacement", 0.0), ("epochs", -0.25)):
        first, second = displacement(SGD(1e-9, 1, sampling), steps=2, replicas=100_000)[:, :, 0]
        assert abs(np.corrcoef(first, second)[0, 1] - expected) < 4 / math.sqrt(100_000)


def test_shared_batches_are_the_same_for_all_replicas():
    steps = displacement(SGD(RATE, 2, "shared"), steps=20, replicas=100)
    assert np.ptp(steps, axis=1).max() == 0.0
    assert np.unique(np.round(steps[:, 0], 9), axis=0).shape[0] > 5


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({"sampling": "iid", "noise": "gaussian"}, 1 / 2),
        ({"sampling": "without_replacement", "noise": "gaussian"}, 3 / (2 * 4)),
        ({"sampling": "iid", "noise": "svag", "svag_l": 3}, 3 / 2),
    ],
)
def test_variants_keep_mean_and_covariance(activation, options, factor):
    """Gaussian noise has covariance ``c_B Sigma``, SVAG ``l c_B Sigma`` a step; both exact means."""
    found = displacement(SGD(RATE, 2, **options), activation=activation, replicas=200_000)[0]
    g = gradients(activation)
    sigma = factor * np.cov(g.T, bias=True)
    n = len(found)
    assert np.all(np.abs(found.mean(axis=0) - g.mean(axis=0)) < 4 * np.sqrt(np.diag(sigma) / n))
    centred = found - g.mean(axis=0)
    for i, j in itertools.combinations_with_replacement(range(4), 2):
        products = centred[:, i] * centred[:, j]
        assert abs(products.mean() - sigma[i, j]) < 4 * products.std() / math.sqrt(n)
    if options["noise"] == "gaussian":
        kurtosis = (centred**4).mean(axis=0) / np.diag(sigma) ** 2
        assert np.all(np.abs(kurtosis - 3) < 4 * math.sqrt(96 / n))


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("noise", ["minibatch", "gaussian"])
def test_label_noise_covariance(activation, noise):
    """Label noise adds ``sigma^2 E[J^T J] / B`` to the covariance (theory 1.7); J by finite differences."""
    sigma, size = 0.6, 4
    found = displacement(
        SGD(RATE, size, "iid", label_noise=sigma, noise=noise), activation=activation, replicas=200_000
    )[0]
    phi = {"linear": lambda z: z, "tanh": np.tanh}[activation]

    def outputs(p):
        return phi(X @ p[:2])[:, None] * p[2:]

    p = np.concatenate([POINT["W1"].ravel(), POINT["W2"].ravel()])
    jacobian = np.stack([(outputs(p + h) - outputs(p - h)) / 2e-6 for h in 1e-6 * np.eye(4)], axis=2)
    expected = sigma**2 / size * np.einsum("nai,naj->ij", jacobian, jacobian) / len(X)
    expected += np.cov(gradients(activation).T, bias=True) / size
    centred = found - found.mean(axis=0)
    for i, j in itertools.combinations_with_replacement(range(4), 2):
        products = centred[:, i] * centred[:, j]
        assert abs(products.mean() - expected[i, j]) < 4 * products.std() / math.sqrt(len(found)) + 1e-8


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_fresh_samples_have_the_population_covariance(activation):
    """Mean first step against Gauss-Hermite quadrature over the population."""
    population = GaussianPopulation([[1.0, 0.3], [0.3, 0.5]])
    found = displacement(SGD(RATE, 3, "fresh"), activation=activation, data=population, replicas=200_000)[0]
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    z = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel() / (2 * np.pi)
    x = z @ np.linalg.cholesky(population.covariance).T
    parts = sample_gradients(BottleneckAutoEncoder(2, 1, activation), POINT, x).values()
    g = np.concatenate([v.reshape(len(x), -1) for v in parts], axis=1)
    mean = w @ g
    covariance = (w * (g - mean).T) @ (g - mean) / 3
    n = len(found)
    assert np.all(np.abs(found.mean(axis=0) - mean) < 4 * np.sqrt(np.diag(covariance) / n))
    assert np.all(np.abs(found.var(axis=0) / np.diag(covariance) - 1) < 4 * math.sqrt(40 / n))


def test_temperature_and_momentum_noise():
    """Injected noise has variance ``2 eta (1 - mu) T`` a step; weight decay pulls by ``eta lambda W``."""
    zero = from_array(np.zeros((1, 2)) + 0.0)
    for momentum in (0.0, 0.5):
        sgd = SGD(RATE, 1, temperature=0.3, momentum=momentum, weight_decay=0.7)
        step = displacement(sgd, data=zero, replicas=100_000)[0] * RATE
        start = np.concatenate([POINT["W1"].ravel(), POINT["W2"].ravel()])
        variance = 2 * RATE * (1 - momentum) * 0.3
        mean_error = np.abs(step.mean(axis=0) - RATE * 0.7 * start)
        assert np.all(mean_error < 4 * math.sqrt(variance / 1e5))
        assert np.all(np.abs(step.var(axis=0) / variance - 1) < 4 * math.sqrt(2 / 1e5))
        assert np.abs(np.corrcoef(step.T) - np.eye(4)).max() < 4.5 / math.sqrt(1e5)
