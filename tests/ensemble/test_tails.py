"""SVAG, the bridge from SGD to Fokker-Planck: tail index, stationary law, collapse (theory 2.4, 8.4, 8.5)."""

import math
import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from fpsim.datasets import GaussianPopulation
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import ValidityWarning

RATE = 0.3
SCALAR = BottleneckAutoEncoder(1, 1, "linear", {"W1": [[1.0]]})
FOKKER_PLANCK_INDEX = 1 + 2 / (RATE * 2)  # 1 + 2 lambda / (eta var h), h chi-square of one degree


def svag_sgd(level):
    return SGD(RATE, 1, "fresh", noise="svag", svag_l=level)


def kesten_index(level):
    """Root of ``E |1 - (eta / l) (f1 h1 + f2 h2)|^alpha = 1``, by a product Gauss-Hermite rule."""
    x, w = np.polynomial.hermite_e.hermegauss(180)
    w = w / w.sum()
    f = math.sqrt(2 * level - 1)
    h = 0.5 * (1 + f) * x[:, None] ** 2 + 0.5 * (1 - f) * x[None] ** 2
    m = np.abs(1 - RATE / level * h)
    return brentq(lambda a: np.sum(w[:, None] * w * m**a) - 1, 1.5, 12)


def test_kesten_indices_are_the_published_ones():
    """The table of theory 8.5, and its limit; the quadrature is this file's truth for the trainer."""
    for level, index in ((1, 5.306), (4, 5.677), (16, 4.600), (64, 4.396), (256, 4.349)):
        assert kesten_index(level) == pytest.approx(index, abs=2e-3)
    assert pytest.approx(13 / 3) == FOKKER_PLANCK_INDEX


@pytest.mark.parametrize("level", [1, 4, 16, 64])
def test_trainer_goes_from_kesten_to_fokker_planck(level):
    """Tail index of the trainer's own multipliers: ``E |r_1 / r_0|^alpha = 1``, with delta-method errors."""
    run = Experiment(GaussianPopulation([1.0]), SCALAR, svag_sgd(level), Start.point({"W2": [[3.0]]}))
    replicas = 1_000_000
    w = train(run, replicas=replicas, steps=[1], rng=10).weights["W2"][0, :, 0, 0]
    m = np.abs(w - 1) / 2
    index = brentq(lambda a: np.mean(m**a) - 1, 1.5, 12)
    slope = np.mean(m**index * np.log(np.maximum(m, 1e-300)))
    error = np.std(m**index) / math.sqrt(replicas) / abs(slope)
    assert abs(index - kesten_index(level)) < 4 * error
    if level == 64:
        assert abs(index - FOKKER_PLANCK_INDEX) < 4 * error + 0.07
    if level == 1:
        assert abs(index - FOKKER_PLANCK_INDEX) > 10 * error


C, KAPPA, S0 = 1.0, 2.0, 0.5  # second moment, variance of x^2, label noise: theory 2.4's example


def scalar_network(theta, level, start):
    sgd = SGD(theta, 1, "fresh", label_noise=math.sqrt(S0 / C), noise="svag", svag_l=level)
    return Experiment(GaussianPopulation([C]), BottleneckAutoEncoder(1, 1), sgd, start)


def stationary_quantiles(theta, levels):
    """Quantiles of theory 2.4's density, ``w^{mu - 3/2} (kappa r^2 + s0)^{-1 - mu/2} exp(...)``."""
    mu = C / (theta * (KAPPA + S0))

    def density(w):
        r = w - 1
        angle = math.atan(r * math.sqrt(KAPPA / S0))
        return math.exp(
            (mu - 1.5) * math.log(w)
            - (1 + mu / 2) * math.log((KAPPA * r * r + S0) / S0)
            - mu * math.sqrt(S0 / KAPPA) * angle
        )

    def mass(a, b):
        return quad(density, a, b, limit=200)[0]

    total = mass(1e-12, 1) + mass(1, np.inf)
    return [brentq(lambda w, p=p: mass(1e-12, w) / total - p, 0.05, 5) for p in levels]


def svag_quantiles(level, replicas, probabilities):
    start = Start.point({"W1": [[1.0]], "W2": [[1.0]]})
    with warnings.catch_warnings():
        # explicit steps of noise growing like w^2 explode for rare far replicas, beyond all quantiles
        warnings.simplefilter("ignore", ValidityWarning)
        ensemble = train(scalar_network(0.1, level, start), replicas=replicas, times=[25.0], rng=1)
    assert ensemble.divergence.count < 0.01 * replicas
    w = (ensemble.weights["W1"] * ensemble.weights["W2"])[0, :, 0, 0]
    w = np.where(np.isnan(w), np.inf, w)
    # 4-sigma errors of quantiles from the ranks p R +- 4 sqrt(p (1 - p) R)
    low, high = (
        np.quantile(w, np.clip(probabilities + s * 4 * np.sqrt(probabilities * (1 - probabilities) / replicas), 0, 1))
        for s in (-1, 1)
    )
    return np.quantile(w, probabilities), np.maximum(high - low, 0) / 2


def test_stationary_quantiles_are_those_of_theory():
    assert stationary_quantiles(0.1, [0.05, 0.5, 0.95]) == pytest.approx([0.602, 0.956, 1.371], abs=6e-4)


@pytest.mark.parametrize(("level", "replicas"), [(8, 4000), pytest.param(32, 20_000, marks=pytest.mark.slow)])
def test_stationary_law_of_the_scalar_network(level, replicas):
    """SVAG's quantiles meet the quadrature within statistics and the remaining ``O(1 / l)``."""
    p = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    found, error = svag_quantiles(level, replicas, p)
    assert np.all(np.abs(found - stationary_quantiles(0.1, p)) < error + 0.2 / level)


@pytest.mark.parametrize("theta", [0.5, 0.75, 0.85, 1.0])
def test_collapse_beyond_the_threshold(theta):
    """Near w = 0 on the balanced leaf ``d ln w / dt = 2 c - theta (kappa + s0)``: negative beyond 0.8.

    At finite ``l`` the exact rate is ``2 (l / theta) E ln |1 + (theta / l) (f1 g1 + f2 g2)|`` with ``g =
    x^2 + noise x``, here by an independent sample; the trainer must meet it and its sign must be the
    Fokker-Planck one.
    """
    level, replicas, steps = 64, 100_000, 40
    u = 1e-8
    run = scalar_network(theta, level, Start.point({"W1": [[u]], "W2": [[u]]}))
    weights = train(run, replicas=replicas, steps=[steps], rng=6).weights
    w = np.abs(weights["W1"] * weights["W2"])[0, :, 0, 0]
    growth = np.log(w / u**2) / (steps * theta / level)
    rng = np.random.default_rng(7)
    x, noise = rng.normal(size=(2, 2, 4_000_000))
    f = math.sqrt(2 * level - 1)
    g = x * x + math.sqrt(S0 / C) * noise * x
    multiplier = 1 + theta / level * (0.5 * (1 + f) * g[0] + 0.5 * (1 - f) * g[1])
    sample = 2 * level / theta * np.log(np.abs(multiplier))
    error = 4 * (growth.std() / math.sqrt(replicas) + sample.std() / math.sqrt(sample.size))
    assert abs(growth.mean() - sample.mean()) < error
    assert np.sign(growth.mean()) == np.sign(2 * C - theta * (KAPPA + S0))


def test_plain_sgd_does_not_collapse_at_the_threshold():
    """The negative: at B = 1 plain SGD still grows at theta = 1, where the Fokker-Planck equation collapses.

    Growth ``(2 / theta) E ln |1 + theta g|`` by Gauss-Hermite quadrature; it is 0.97 instead of -0.5.
    """
    theta, u = 1.0, 1e-8
    x, w = np.polynomial.hermite_e.hermegauss(200)
    g = x[:, None] ** 2 + math.sqrt(S0 / C) * x[:, None] * x[None]
    exact = 2 / theta * np.sum(np.outer(w, w) / w.sum() ** 2 * np.log(np.abs(1 + theta * g)))
    run = scalar_network(theta, 1, Start.point({"W1": [[u]], "W2": [[u]]}))
    weights = train(run, replicas=50_000, steps=[5], rng=6).weights
    growth = np.log(np.abs(weights["W1"] * weights["W2"])[0, :, 0, 0] / u**2) / (5 * theta)
    # quadrature of a logarithmic singularity: its own error, seen by halving the nodes, is below 0.01
    assert abs(growth.mean() - exact) < 4 * growth.std() / math.sqrt(50_000) + 0.01
    assert growth.mean() > 0.9 > 2 * C - theta * (KAPPA + S0)
