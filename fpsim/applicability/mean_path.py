"""Curvature and mini-batch noise along gradient flow, from the mean of the start and from a few draws of it.

    dW/dt = -m g(W),    m = 1 / (1 - mu),

in the clock of training, ``t`` = sum of learning rates. Curvature is the largest eigenvalue of the Hessian of the whole
loss. Noise is that of the mini-batches alone (no label noise, no temperature): with per-sample gradients ``g_i`` its
third cumulant along a unit vector ``v`` is ``c_3 mean(v . (g_i - g))^3``; the skewness stated is the largest along
those principal directions of the noise that hold at least a tenth of the leading one's variance.

Limits: gradient flow leaves a saddle only by its unstable direction, so that the path from a symmetric start is the
saddle itself: this is what the draws are for. Third moments are sums over all samples at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from fpsim.datasets import Dataset
from fpsim.ensemble.initial import initial
from fpsim.network import sample_gradients
from fpsim.support.errors import DomainError, ToleranceError
from fpsim.support.memory import check_memory
from fpsim.theory.landscape import jacobian

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["FlowPaths", "flow_paths", "third_cumulant_factor"]

Array = NDArray[np.float64]

CHUNK = 2**23
"""Numbers of per-sample gradients held at once."""
HERMITE = 4
"""Nodes per component of a population: exact for third moments of a linear network's gradient."""
MOST_NODES = 20_000
MOST_EVALUATIONS = 5000
SHARE = 0.1
"""Variance of a direction of the noise that counts, relative to the leading one."""


@dataclass(frozen=True, eq=False)
class FlowPaths:
    """Gradient-flow paths and what was found along them; the first path begins at the mean of the start.

    Attributes
    ----------
    times : ndarray, shape (T,)
    weights : ndarray, shape (P, T, n)
    highest, lowest : ndarray, shape (P, T)
        Extreme eigenvalues of the Hessian.
    skewness : ndarray, shape (P, T)
        Signed, of the mini-batch gradient.
    """

    times: Array
    weights: Array
    highest: Array
    lowest: Array
    skewness: Array


def flow_paths(experiment: Experiment, times: Array, draws: int) -> FlowPaths:
    """Paths from the mean of the start and from so many draws of it (random numbers of the key 0).

    Raises
    ------
    DomainError
        If a population has too many components for a quadrature.
    ToleranceError
        If gradient flow cannot be integrated: it diverges, or takes too many gradients.
    """
    network, sgd = experiment.network, experiment.sgd
    x, share = _samples(experiment)
    begin = np.concatenate([_mean(experiment)[None], initial(experiment, key=0, first=0, replicas=draws)])
    n, decay = begin.shape[1], sgd.weight_decay
    check_memory(8.0 * len(x) * n, "gradients of all samples")

    def per_sample(w: Array) -> Array:
        parts, start = {}, 0
        for name in network.trained:
            rows, columns = network.shapes[name]
            parts[name] = w[:, start : start + rows * columns].reshape(-1, rows, columns)
            start += rows * columns
        gradients = sample_gradients(network, parts, x)
        return np.concatenate([g.reshape(len(w), len(x), -1) for g in gradients.values()], axis=2)

    def gradient(w: Array) -> Array:
        flat = w.reshape(-1, n)
        means = _in_parts(lambda part: np.einsum("s,psi->pi", share, per_sample(part)), flat, CHUNK // (len(x) * n))
        return (means + decay * flat).reshape(w.shape)

    mobility = 1.0 / (1.0 - sgd.momentum)
    evaluations = itertools.count(1)

    def descent(t: float, y: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            rate = -mobility * gradient(y.reshape(begin.shape)).ravel()
        if next(evaluations) > MOST_EVALUATIONS or not np.isfinite(rate).all():
            raise ToleranceError(
                f"gradient flow from the start diverges or is too stiff at t = {t:.3g}: smaller weights, or a shorter "
                "time, are accepted"
            )
        return np.asarray(rate)

    flow = solve_ivp(descent, (times[0], times[-1]), begin.ravel(), method="LSODA", t_eval=times, rtol=1e-5, atol=1e-8)
    if not flow.success or not np.isfinite(flow.y).all():
        raise ToleranceError(f"gradient flow from the start: {flow.message}; smaller weights are accepted")
    weights = np.moveaxis(flow.y.reshape(*begin.shape, len(times)), 2, 1)
    hessians = jacobian(gradient, weights)
    values = np.asarray(np.linalg.eigvalsh(0.5 * (hessians + np.swapaxes(hessians, -1, -2))), dtype=np.float64)
    skewness = _in_parts(
        lambda part: np.array([_skewness(g, share) for g in per_sample(part)]), weights.reshape(-1, n),
        CHUNK // (len(x) * n),
    ).reshape(weights.shape[:2])  # fmt: skip
    return FlowPaths(times, weights, values[..., -1], values[..., 0], _batch_factor(experiment) * skewness)


def _batch_factor(experiment: Experiment) -> float:
    """Skewness of a mini-batch mean over that of one sample; zero where every batch is the whole set."""
    second = experiment.batch_factor * experiment.sgd.svag_l
    return float(third_cumulant_factor(experiment) / second**1.5) if second > 0.0 else 0.0


def third_cumulant_factor(experiment: Experiment) -> float:
    """Third cumulant of a mini-batch mean over that of one sample.

    ``1 / B^2`` for independent samples, ``(N - B)(N - 2 B) / (B^2 (N - 1)(N - 2))`` for distinct ones of ``N`` (finite
    populations: Sukhatme 1944), ``(3 l - 1) / 2`` times that for SVAG, zero for Gaussian gradients.
    """
    sgd, b = experiment.sgd, experiment.sgd.batch_size
    if sgd.noise == "gaussian":
        return 0.0
    factor = 1.0 / b**2
    if isinstance(experiment.data, Dataset) and sgd.sampling in ("without_replacement", "epochs"):
        n = experiment.data.size
        factor *= (n - b) * (n - 2 * b) / ((n - 1) * (n - 2)) if n > 2 else 0.0
    return factor * (3.0 * sgd.svag_l - 1.0) / 2.0


def _mean(experiment: Experiment) -> Array:
    """Mean of the start: that of a balanced pair vanishes by symmetry, as its location does."""
    return np.concatenate([a.ravel() for a, _ in experiment.start.entries(experiment.network).values()])


def _samples(experiment: Experiment) -> tuple[Array, Array]:
    """Samples (N, d) and their weights (N,): all of a training set, a quadrature of a population."""
    data = experiment.data
    if isinstance(data, Dataset):
        return np.array(data.x), np.full(data.size, 1.0 / data.size)
    if HERMITE**data.dimension > MOST_NODES:
        raise DomainError(f"a population of {data.dimension} components: up to 7 are accepted here")
    nodes = min(32, int(MOST_NODES ** (1.0 / data.dimension)))
    return data.quadrature(nodes)


def _in_parts(function: Callable[[Array], Array], points: Array, size: int) -> Array:
    size = max(size, 1)
    return np.concatenate([function(points[i : i + size]) for i in range(0, len(points), size)])


def _skewness(g: Array, share: Array) -> float:
    """Largest skewness, in size, along principal directions of per-sample gradients (N, n)."""
    centred = g - share @ g
    values, vectors = np.linalg.eigh((centred * share[:, None]).T @ centred)
    kept = values > max(SHARE * values[-1], 1e-300)
    if not kept.any():
        return 0.0
    along = centred @ vectors[:, kept]
    skewness = (share @ along**3) / values[kept] ** 1.5
    return float(skewness[np.abs(skewness).argmax()])
