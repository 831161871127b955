"""Learning rate as an ultraviolet cutoff: the line of constant physics, equal up to ``O(eta^2)``.

At fixed physical time ``t = k eta`` the effective drift of SGD is ``-grad(L + (eta / 4) |grad L|^2)`` and its noise
``eta S``. Keeping both fixed gives a line of constant physics,

    (eta, L, B)  ~  (eta / 2, L + (eta / 8) |grad L|^2, B / 2),

a Callan-Symanzik equation ``[eta d_eta + beta_L . d/dL + beta_S . d/dS] G = O(eta^2)`` with ``beta_L = -(eta / 4)
|grad L|^2`` and ``beta_S = -S``. The linear scaling rule (``beta_L = 0``) leaves ``O(eta)``. The claim is that the
difference of an average between the two ends of a step has slope 2 in ``eta`` on the improved line; the naive line
has slope 1. There is no closure assumption. (Modified loss: Li, Tai & E 2017; line of constant physics: Symanzik's
improvement.)

Ensembles at ``eta`` and ``eta / 2`` use the same samples (two half batches make one), so that their difference has
little noise (Giles' multilevel coupling). Limits: overdamped SGD with independent batches, even ``B``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.errors import DomainError
from fpsim.support.random_streams import RNG, key_of, numpy_generator
from fpsim.uncertainty.estimate import Estimate, block_jackknife, stack
from fpsim.uncertainty.verdict import Claim

if TYPE_CHECKING:
    from fpsim.network import Network

__all__ = ["CutoffScaling", "NetworkLoss", "StochasticLoss", "cutoff_differences", "cutoff_scaling"]

Array = NDArray[np.float64]
Observable = Callable[[Array], Array]

_BLOCKS = 32
_CHUNK = 4096  # replicas at a time: their batches stay in the processor's cache


class StochasticLoss(Protocol):
    """A loss with mini-batches, for flat weights ``w`` of shape (R, p)."""

    def draw(self, rng: np.random.Generator, replicas: int, size: int) -> Array:
        """Independent samples, shape (replicas, size, ...)."""

    def gradient(self, w: Array, batch: Array) -> Array:
        """Mini-batch gradient of every replica, shape (R, p)."""

    def mean_gradient(self, w: Array) -> Array:
        """Gradient of the mean loss, shape (R, p)."""


@dataclass(frozen=True, eq=False)
class NetworkLoss:
    """Loss ``|f(x) - x|^2 / 2`` of a network on a training set, mini-batches drawn with replacement.

    Attributes
    ----------
    network : Network
        Coordinates are the entries of its trained matrices in C order.
    x : ndarray, shape (N, d)
        Training set; memory grows with replicas times ``N``, so a small one.
    """

    network: Network
    x: Array

    def draw(self, rng: np.random.Generator, replicas: int, size: int) -> Array:
        """Rows of the training set, shape (replicas, size, d)."""
        return np.asarray(self.x[rng.integers(len(self.x), size=(replicas, size))])

    def gradient(self, w: Array, batch: Array) -> Array:
        """Backpropagation, every replica with its own batch; one matrix product per layer."""
        from fpsim.network import activation  # compiled, needed only here

        matrices = self._matrices(w)
        hidden, slopes = [batch], []
        for matrix, name in zip(matrices.values(), self.network.activations, strict=True):
            z = hidden[-1] @ np.swapaxes(matrix, -1, -2)
            hidden.append(np.asarray(activation(name).function(z)))
            slopes.append(np.asarray(activation(name).derivative(z)))
        delta, parts = (hidden[-1] - batch) * slopes[-1], {}
        for layer, (name, matrix) in reversed(list(enumerate(matrices.items()))):
            parts[name] = np.swapaxes(delta, -1, -2) @ hidden[layer] / batch.shape[-2]
            if layer > 0:
                delta = (delta @ matrix) * slopes[layer - 1]
        return np.concatenate([parts[name].reshape(len(w), -1) for name in self.network.trained], axis=1)

    def mean_gradient(self, w: Array) -> Array:
        """The gradient with the whole training set as batch (its second moment says it all for a linear network)."""
        return self.gradient(w, self._whole)

    @cached_property
    def _whole(self) -> Array:
        n, d = self.x.shape
        if set(self.network.activations) == {"linear"} and d < n:
            values, vectors = np.linalg.eigh(self.x.T @ self.x / n)
            return np.asarray(np.sqrt(d * np.maximum(values, 0.0))[:, None] * vectors.T)[None]
        return self.x[None]

    def _matrices(self, w: Array) -> dict[str, Array]:
        out, start = {}, 0
        for name, (rows, columns) in self.network.shapes.items():
            if name in self.network.frozen:
                out[name] = self.network.frozen[name][None]
                continue
            out[name] = w[:, start : start + rows * columns].reshape(-1, rows, columns)
            start += rows * columns
        return out


@dataclass(frozen=True, eq=False)
class CutoffScaling:
    """Differences between learning rates ``eta`` and ``eta / 2`` and their slopes.

    Attributes
    ----------
    learning_rates : ndarray, shape (E,)
    naive, improved : Estimate, shape (E, K)
        ``E O(eta) - E O(eta / 2)`` of ``K`` observables on either line.
    naive_slope, improved_slope : Estimate, shape (K,)
        Slopes of ``ln |difference|`` against ``ln eta``, weighted by the errors.
    """

    learning_rates: Array
    naive: Estimate
    improved: Estimate
    naive_slope: Estimate
    improved_slope: Estimate

    def claim(self, *, observable: int = 0, line: str = "improved", tolerance: float = 0.25) -> Claim:
        """The claim that a line leaves ``O(eta^2)``: its slope is 2, up to a tolerance.

        Raises
        ------
        DomainError
            If the line is neither "improved" nor "naive".
        """
        if line not in ("improved", "naive"):
            raise DomainError(f"line {line!r}: improved, naive are accepted")
        slope = self.improved_slope if line == "improved" else self.naive_slope
        found, error = float(slope.value[observable]), float(slope.error[observable])
        details = {"slope": found, "line": line}
        freedom = len(self.learning_rates) - 1
        return Claim(f"cutoff slope 2 ({line})", max(2.0 - found, 0.0), error, tolerance, freedom, details=details)


def cutoff_differences(
    loss: StochasticLoss,
    start: ArrayLike,
    *,
    time: float,
    learning_rate: float,
    batch_size: int,
    observable: Observable,
    rng: RNG = None,
) -> tuple[Estimate, Estimate]:
    """``E O(eta, B) - E O(eta / 2, B / 2)`` on the naive and on the improved line, shape (K,) each.

    Parameters
    ----------
    loss : StochasticLoss
    start : array_like, shape (R, p)
        Weights of all replicas at time zero.
    time : float
        A multiple of the learning rate.
    observable : callable
        (R, p) -> (R, K).

    Raises
    ------
    DomainError
        If the time is no multiple of the learning rate or the batch is odd.
    """
    w0 = np.asarray(start, float)
    steps = round(time / learning_rate)
    if steps < 1 or not np.isclose(steps * learning_rate, time, rtol=1e-9):
        raise DomainError(f"time {time} at learning rate {learning_rate}: a whole number of steps is accepted")
    if batch_size < 2 or batch_size % 2:
        raise DomainError(f"batch_size is {batch_size}: an even number is accepted, it is halved")
    chunks = [w0[k : k + _CHUNK] for k in range(0, len(w0), _CHUNK)]
    key = key_of(rng)
    ends = [
        _ends(loss, chunk, steps, learning_rate, batch_size, numpy_generator(key, stream))
        for stream, chunk in enumerate(chunks)
    ]
    coarse, naive, improved = (observable(np.concatenate(line)) for line in zip(*ends, strict=True))
    return _mean(coarse - naive), _mean(coarse - improved)


def _ends(
    loss: StochasticLoss,
    start: Array,
    steps: int,
    learning_rate: float,
    batch_size: int,
    generator: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Weights after the same samples: at the learning rate, and at half of it on the naive and the improved line."""
    coarse = naive = improved = start
    half = 0.5 * learning_rate
    for _ in range(steps):
        batch = loss.draw(generator, len(start), batch_size)
        coarse = coarse - learning_rate * loss.gradient(coarse, batch)
        for part in (batch[:, : batch_size // 2], batch[:, batch_size // 2 :]):
            naive = naive - half * loss.gradient(naive, part)
            improved = improved - half * (loss.gradient(improved, part) + _improvement(loss, improved, learning_rate))
    return coarse, naive, improved


def cutoff_scaling(
    loss: StochasticLoss,
    start: ArrayLike,
    *,
    time: float,
    learning_rates: Sequence[float],
    batch_size: int,
    observable: Observable,
    rng: RNG = None,
    progress: Callable[[float], None] | None = None,
) -> CutoffScaling:
    """Differences over several learning rates, from the same starts, with their slopes.

    Parameters
    ----------
    learning_rates : sequence of float
        Coarse learning rates, two or more different ones.
    progress : callable, optional
        Called with the share of the learning rates that is done, from 0 to 1.

    Raises
    ------
    DomainError
        See :func:`cutoff_differences`.
    """
    eta = _checked_rates(learning_rates)
    options: dict[str, Any] = {
        "time": time,
        "batch_size": batch_size,
        "observable": observable,
        "rng": numpy_generator(rng),
    }
    pairs = []
    for done, rate in enumerate(eta):
        pairs.append(cutoff_differences(loss, start, learning_rate=float(rate), **options))
        if progress is not None:
            progress((done + 1) / len(eta))
    naive, improved = (stack([pair[line] for pair in pairs]) for line in (0, 1))
    return scaling_of(eta, naive, improved)


def scaling_of(learning_rates: ArrayLike, naive: Estimate, improved: Estimate) -> CutoffScaling:
    """Slopes of given differences, shape (E, K) each."""
    eta = _checked_rates(learning_rates)
    slopes = [_slope(eta, line) for line in (naive, improved)]
    return CutoffScaling(eta, naive, improved, *slopes)


def _checked_rates(learning_rates: ArrayLike) -> Array:
    eta = np.asarray(learning_rates, float)
    if eta.ndim != 1 or len(eta) < 2 or (eta <= 0.0).any() or len(set(eta)) < len(eta):
        raise DomainError(f"learning_rates are {eta.tolist()}: two or more different positive numbers are accepted")
    return eta


def _improvement(loss: StochasticLoss, w: Array, learning_rate: float) -> Array:
    """``grad (eta / 8) |grad L|^2 = (eta / 4) H g``, the Hessian by a difference along the gradient."""
    g = loss.mean_gradient(w)
    size = np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-12)
    step = 1e-4 * np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-2) / size
    return 0.25 * learning_rate * (loss.mean_gradient(w + step * g) - loss.mean_gradient(w - step * g)) / (2.0 * step)


def _mean(values: Array) -> Estimate:
    return block_jackknife(values, _BLOCKS)


def _slope(eta: Array, differences: Estimate) -> Estimate:
    relative = differences.error / np.maximum(np.abs(differences.value), 1e-300)
    weight = 1.0 / np.hypot(relative, 1e-2) ** 2  # a floor, so that exact differences weigh alike
    x = np.log(eta)[:, None]

    def slope(values: Array) -> Array:
        y = np.log(np.maximum(np.abs(values), 1e-300))
        centre = np.sum(weight * x, axis=0) / weight.sum(axis=0)
        return np.sum(weight * (x - centre) * y, axis=0) / np.sum(weight * (x - centre) ** 2, axis=0)

    return differences.map(slope)
