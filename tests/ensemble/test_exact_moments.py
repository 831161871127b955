"""Linear SGD against its exact moments: regression, shuffled epochs, momentum, zero noise."""

import itertools
import math

import numpy as np
import pytest

from fpsim.datasets import GaussianPopulation, from_array
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, PiecewiseConstant, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import ValidityWarning

CURVATURE, SAMPLES = 0.3, 64


def additive():
    """Regression of ``x_2`` on ``x_1`` with ``x_1^2`` the same for all samples, as an auto-encoder.

    With W1 = (1, 0) frozen, ``b = W2[1]`` has the loss ``(b x_1 - x_2)^2 / 2``: curvature exactly 0.3 for
    every sample and additive noise ``-x_1 x_2``, whose mean is zero here.
    """
    rng = np.random.default_rng(8)
    x1 = math.sqrt(CURVATURE) * rng.choice([-1.0, 1.0], SAMPLES)
    x2 = 3.0 * rng.normal(size=SAMPLES)
    x2 -= x1 * np.mean(x1 * x2) / CURVATURE
    data = from_array(np.stack([x1, x2], axis=1))
    return data, BottleneckAutoEncoder(2, 1, "linear", {"W1": [[1.0, 0.0]]}), np.mean((x1 * x2) ** 2)


def stationary_variance(sgd, step, replicas=20_000):
    data, network, sigma = additive()
    start = Start.point({"W2": [[1.0], [0.0]]})
    b = train(Experiment(data, network, sgd, start), replicas=replicas, steps=[step], rng=2).weights["W2"]
    b = b[0, :, 1, 0]
    return b.var(), sigma, 4 * np.std((b - b.mean()) ** 2) / math.sqrt(replicas)


@pytest.mark.parametrize(("size", "rate"), [(4, 0.05), (16, 0.2)])
def test_shuffled_epochs_have_their_exact_variance(size, rate):
    """Theory 1.6: ``eta^2 s2 (M S2 - S1^2) / ((M - 1)(1 - a^{2M}))``, far below independent batches."""
    m, a = SAMPLES // size, 1 - rate * CURVATURE
    epochs = math.ceil(6 / (rate * CURVATURE * m))
    variance, sigma, error = stationary_variance(SGD(rate, size, "epochs"), epochs * m)
    s2 = sigma * (SAMPLES - size) / (size * (SAMPLES - 1))
    s1_sum, s2_sum = sum(a**i for i in range(m)), sum(a ** (2 * i) for i in range(m))
    exact = rate**2 * s2 * (m * s2_sum - s1_sum**2) / ((m - 1) * (1 - a ** (2 * m)))
    assert abs(variance - exact) < error
    independent, _, error = stationary_variance(SGD(rate, size, "without_replacement"), epochs * m)
    assert abs(independent - rate**2 * s2 / (1 - a**2)) < error
    assert independent / variance > (150 if size == 4 else 15)


def test_shuffled_epochs_warn_theories():
    data, network, _ = additive()
    start = Start.point({"W2": [[1.0], [0.0]]})
    for sampling in ("epochs", "shared"):
        with pytest.warns(ValidityWarning, match=f"sampling = '{sampling}'"):
            Experiment(data, network, SGD(0.05, 4, sampling), start).warn_if_noise_is_not_white()
    Experiment(data, network, SGD(0.05, 4), start).warn_if_noise_is_not_white()


@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("rate", [0.2, 1.0])
def test_momentum_has_its_exact_stationary_variance(momentum, rate):
    """Theory 1.7: ``eta S (1 + mu) / (lambda (1 - mu) (2 (1 + mu) - eta lambda))``."""
    steps = math.ceil(8 * (1 - momentum) / (rate * CURVATURE)) + math.ceil(10 / (1 - momentum))
    variance, sigma, error = stationary_variance(SGD(rate, 4, momentum=momentum), steps)
    s = sigma / 4
    exact = rate * s * (1 + momentum) / (CURVATURE * (1 - momentum) * (2 * (1 + momentum) - rate * CURVATURE))
    assert abs(variance - exact) < error


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_temperature_means_the_same_with_momentum(momentum):
    """Langevin variance ``T / lambda`` without mini-batch noise, up to ``O(eta lambda)``."""
    data, network, _ = additive()
    rate = 0.05
    start = Start.point({"W2": [[1.0], [0.0]]})
    sgd = SGD(rate, SAMPLES, "without_replacement", temperature=0.1, momentum=momentum)
    ensemble = train(Experiment(data, network, sgd, start), replicas=5000, steps=[300], rng=3)
    variance = ensemble.weights["W2"][0, :, 1, 0].var()
    error = 4 * math.sqrt(2 / 5000)
    assert abs(variance * CURVATURE / 0.1 - 1) < error + rate * CURVATURE


@pytest.mark.parametrize("sampling", ["iid", "without_replacement"])
def test_moments_of_linear_regression(sampling):
    """Mean and covariance of ``W2`` at every step from the exact linear recursions, over all batches.

    With W1 = 1 the rows r of ``W2 - 1`` obey ``r' = r (1 - eta C_batch) + eta e``, ``e = mean(noise x^T)``.
    """
    x = np.random.default_rng(12).normal(size=(5, 2))
    rate, size, sigma, steps = 0.3, 2, 0.4, 6
    pairs = itertools.product(range(5), repeat=2) if sampling == "iid" else itertools.combinations(range(5), 2)
    moments = [x[list(b)].T @ x[list(b)] / size for b in pairs]
    start = np.array([[0.5, -1.0], [0.3, 0.8]])
    network = BottleneckAutoEncoder(2, 2, "linear", {"W1": np.eye(2)})
    sgd = SGD(rate, size, sampling, label_noise=sigma)
    run = Experiment(from_array(x), network, sgd, Start.point({"W2": start}))
    replicas = 40_000
    w = train(run, replicas=replicas, steps=range(steps + 1), rng=5).weights["W2"]
    maps = [np.eye(2) - rate * c for c in moments]
    c = np.mean(moments, axis=0)
    for row in range(2):
        mean = start[row] - np.eye(2)[row]
        second = np.outer(mean, mean)
        for k in range(1, steps + 1):
            mean = mean @ np.mean(maps, axis=0)
            second = np.mean([m @ second @ m for m in maps], axis=0) + rate**2 * sigma**2 * c / size
            r = w[k, :, row] - np.eye(2)[row]
            assert np.all(np.abs(r.mean(axis=0) - mean) < 4 * r.std(axis=0) / math.sqrt(replicas))
            products = r[:, :, None] * r[:, None, :]
            assert np.all(np.abs(products.mean(axis=0) - second) < 4 * products.std(axis=0) / math.sqrt(replicas))


def test_shared_batches_correlate_replicas():
    """Theory C14, two replicas: ``E[(W - 1)(W' - 1)] = (1 - 2 eta c + eta^2 E h^2)^k x_0 y_0``."""
    rate, steps = 0.2, 3
    network = BottleneckAutoEncoder(1, 1, "linear", {"W1": [[1.0]]})
    sgd = SGD(rate, 1, "shared")
    run = Experiment(GaussianPopulation([1.0]), network, sgd, Start.gaussian(3.0, 0.5))
    products = []
    for seed in range(1500):
        w = train(run, replicas=2, steps=[0, steps], rng=seed, threads=1).weights["W2"][:, :, 0, 0] - 1
        products.append(w[1, 0] * w[1, 1] / (w[0, 0] * w[0, 1]))
    exact = (1 - 2 * rate + 3 * rate**2) ** steps
    assert abs(np.mean(products) - exact) < 4 * np.std(products) / math.sqrt(len(products))


def test_learning_rate_schedule():
    """Noise-free decay is the product of ``1 - eta_k lambda``; time is the sum of the rates."""
    data, network, _ = additive()
    schedule = PiecewiseConstant((0.5, 0.1, 0.02), (4, 9))
    rates = [0.5] * 4 + [0.1] * 5 + [0.02] * 3
    sgd = SGD(schedule, SAMPLES, "without_replacement")
    run = Experiment(data, network, sgd, Start.point({"W2": [[1.0], [2.0]]}))
    ensemble = train(run, replicas=1, steps=[3, 7, 12], rng=0)
    for step, time, value in zip(ensemble.steps, ensemble.times, ensemble.weights["W2"][:, 0, 1, 0], strict=True):
        assert time == pytest.approx(sum(rates[:step]), rel=1e-14)
        assert value == pytest.approx(2 * math.prod(1 - r * CURVATURE for r in rates[:step]), rel=1e-13)
    assert list(train(run, replicas=1, times=[0.0, 2.1, 2.3], rng=0).steps) == [0, 5, 7]


def test_saxe_learning_curves_at_zero_noise():
    """Theory C6 (Saxe et al. 2014): balanced, aligned modes follow ``w0 e^{2lt} / (1 - w0 + w0 e^{2lt})``.

    Full batches have no noise; Euler steps converge to the curve with order one, and Richardson's
    extrapolation of three learning rates meets it to 1e-6.
    """
    rng = np.random.default_rng(0)
    x = np.linalg.qr(rng.normal(size=(40, 2)))[0] * np.sqrt(40 * np.array([1.0, 0.4]))
    network = BottleneckAutoEncoder(2, 2)
    w0 = np.array([0.05, 0.1])
    start = Start.point({"W1": np.diag(np.sqrt(w0)), "W2": np.diag(np.sqrt(w0))})
    times = np.array([1.0, 2.0, 4.0])
    growth = np.exp(2 * np.outer(times, [1.0, 0.4]))
    exact = w0 * growth / (1 - w0 + w0 * growth)
    curves = []
    for rate in (0.01, 0.005, 0.0025):
        run = Experiment(from_array(x), network, SGD(rate, 40, "without_replacement"), start)
        weights = train(run, replicas=1, times=times, rng=0).weights
        product = weights["W2"][:, 0] @ weights["W1"][:, 0]
        assert np.abs(product[:, [0, 1], [1, 0]]).max() < 1e-13
        curves.append(np.einsum("tii->ti", product))
    errors = [np.abs(c - exact).max() for c in curves]
    order = np.polyfit(np.log([0.01, 0.005, 0.0025]), np.log(errors), 1)[0]
    assert 0.95 < order < 1.05
    first = [2 * curves[1] - curves[0], 2 * curves[2] - curves[1]]
    assert np.abs((4 * first[1] - first[0]) / 3 - exact).max() < 1e-6
