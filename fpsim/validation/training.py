"""Checks of gradients, random numbers and the ensemble trainer: complex steps, published vectors, exact variances."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fpsim.datasets import from_array
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder, sample_gradients
from fpsim.support.random_streams import numpy_generator
from fpsim.validation.check import Check

__all__ = ["gradients", "stochastic_gradient_descent"]

Array = NDArray[np.float64]


def gradients() -> Iterator[Check]:
    """Per-sample gradients of a tanh bottleneck against complex-step derivatives, exact to rounding."""
    rng = numpy_generator(3)
    network = BottleneckAutoEncoder(3, 2, "tanh")
    weights = {name: rng.normal(size=network.shapes[name]) for name in ("W1", "W2")}
    x = rng.normal(size=(11, 3))
    found = sample_gradients(network, weights, x)
    worst = max(float(np.abs(found[name] - _complex_step(weights, name, x)).max()) for name in weights)
    yield Check("gradients of a tanh network, largest error", worst, 0.0, 1e-12, "complex steps")


def _complex_step(weights: dict[str, Array], name: str, x: Array) -> Array:
    """``Im l(W + i h) / h`` of every sample, with ``l = |W2 tanh(W1 x) - x|^2 / 2``."""
    out = np.empty((len(x), *weights[name].shape))
    for i, j in np.ndindex(weights[name].shape):
        shifted = {k: w.astype(complex) for k, w in weights.items()}
        shifted[name][i, j] += 1e-100j
        residual = shifted["W2"] @ np.tanh(shifted["W1"] @ x.T) - x.T
        out[:, i, j] = (0.5 * (residual**2).sum(axis=0)).imag / 1e-100
    return out


def stochastic_gradient_descent() -> Iterator[Check]:
    """Random numbers, and stationary variances of linear SGD: independent batches, shuffled epochs, momentum."""
    yield Check("random numbers: wrong words of 4", _wrong_words(), 0.0, 0.0, "Salmon et al. 2011")
    curvature, samples, batch, rate, mu = 0.3, 64, 4, 0.2, 0.8
    a, m = 1 - rate * curvature, samples // batch
    s2 = (samples - batch) / (batch * (samples - 1))
    s1_sum, s2_sum = sum(a**i for i in range(m)), sum(a ** (2 * i) for i in range(m))
    exact = {
        "batches without replacement": rate**2 * s2 / (1 - a**2),
        "shuffled epochs": rate**2 * s2 * (m * s2_sum - s1_sum**2) / ((m - 1) * (1 - a ** (2 * m))),
        "momentum 0.8": rate / batch * (1 + mu) / (curvature * (1 - mu) * (2 * (1 + mu) - rate * curvature)),
    }
    settings = {
        "batches without replacement": SGD(rate, batch, "without_replacement"),
        "shuffled epochs": SGD(rate, batch, "epochs"),
        "momentum 0.8": SGD(rate, batch, momentum=mu),
    }
    for name, sgd in settings.items():
        variance, error = _stationary_variance(sgd, curvature, samples)
        source = "exact linear recursion"
        yield Check(f"stationary variance of SGD, {name}", variance, exact[name], 4 * error, source)


def _wrong_words() -> float:
    from fpsim.support.compilation import njit
    from fpsim.support.random_streams import philox

    @njit(error_model="numpy")
    def words(key, block, stream, step, replica):  # type: ignore[no-untyped-def]
        return philox(key, block, stream, step, replica)

    key = np.uint64(0xA4093822 | 0x299F31D0 << 32)
    found = words(key, 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    return float(sum(int(f) != w for f, w in zip(found, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1), strict=True)))


def _stationary_variance(sgd: SGD, curvature: float, samples: int) -> tuple[float, float]:
    """Variance over replicas, in units of the gradient's variance, of a weight with exactly this curvature.

    With ``W1 = (1, 0)`` frozen and ``x_1^2 = curvature`` for every sample, ``b = W2[1]`` has the loss
    ``(b x_1 - x_2)^2 / 2``: linear SGD with additive noise, whose moments are known at every step.
    """
    rng = numpy_generator(8)
    x1 = math.sqrt(curvature) * rng.choice([-1.0, 1.0], samples)
    x2 = 3.0 * rng.normal(size=samples)
    x2 -= x1 * np.mean(x1 * x2) / curvature
    network = BottleneckAutoEncoder(2, 1, "linear", {"W1": np.array([[1.0, 0.0]])})
    experiment = Experiment(from_array(np.stack([x1, x2], axis=1)), network, sgd, Start.point({"W2": [[1.0], [0.0]]}))
    replicas, per_epoch = 20_000, samples // int(sgd.batch_size)
    step = 12 * per_epoch
    b = train(experiment, replicas=replicas, steps=[step], rng=2).weights["W2"][0, :, 1, 0]
    scale = float(np.mean((x1 * x2) ** 2))
    return b.var() / scale, float(np.std((b - b.mean()) ** 2)) / math.sqrt(replicas) / scale
