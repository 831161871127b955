"""Random environment of replicas that see the same mini-batches: covariance, correlation length, regime.

Replicas with common batches obey ``dW = b dt + sum_m sigma_m(W) dB_m (common) + sqrt(2 T) dB' (private)``; the
common noise has the covariance ``eta c_B K(W, W')`` with ``K(W, W') = Cov_x(g(W; x), g(W'; x))`` of the per-sample
gradients ``g``. The density of replicas in one environment is then itself random. Which class its height ``ln p``
belongs to is decided by two things:

- ``T = 0``: the density is the push-forward by one random flow; nothing smooths it ("one random flow").
- ``T > 0`` and an environment that does not decorrelate across the support: common noise moves the density as a whole
  ("Gaussian").
- ``T > 0`` and a correlation length far below the support: many independent patches ("KPZ candidate"; Barraquand &
  Corwin 2017, Le Doussal & Thiery 2017 for random walks in such environments).

For a linear network ``K`` is a polynomial in the weights: its correlation length is infinite, or of the order of the
support where that surrounds a saddle, and KPZ scaling must not appear. "Candidate" is no more than that: the exponents
have to be measured.

Limits: overdamped SGD; the correlation is measured between replicas of the ensemble that is given, isotropically
averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.equation import FokkerPlanck, diffusion_at, drift_at
from fpsim.network.outputs import smooth_lengths
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import RNG, numpy_generator
from fpsim.uncertainty.verdict import Claim

if TYPE_CHECKING:
    from fpsim.network import Network

__all__ = [
    "Environment",
    "Regime",
    "environment",
    "environment_covariance",
    "network_gradients",
    "two_replica_equation",
]

Array = NDArray[np.float64]
Gradients = Callable[[Array], Array]
Regime: TypeAlias = Literal["one random flow", "Gaussian", "KPZ candidate", "undecided"]

_DECAY = np.exp(-1.0)
_PATCHES = 8.0  # correlation lengths that have to fit into the support


def network_gradients(network: Network, x: ArrayLike) -> Gradients:
    """Per-sample gradients of a network on a training set, ``(M, p) -> (M, N, p)``; weights flat, in C order.

    Raises
    ------
    DomainError
        If the flat weights do not fit the network.
    """
    from fpsim.network import sample_gradients  # compiled, needed only here

    rows = np.asarray(x, float)
    sizes = {name: int(np.prod(network.shapes[name])) for name in network.trained}

    def gradients(flat: Array) -> Array:
        if flat.ndim != 2 or flat.shape[1] != sum(sizes.values()):
            raise DomainError(f"weights have shape {flat.shape}: (M, {sum(sizes.values())}) is accepted")
        parts = np.split(flat, np.cumsum(list(sizes.values()))[:-1], axis=1)
        weights = {n: w.reshape(len(flat), *network.shapes[n]) for n, w in zip(sizes, parts, strict=True)}
        found = sample_gradients(network, weights, rows)
        return np.concatenate([found[n].reshape(len(flat), len(rows), -1) for n in sizes], axis=2)

    return gradients


def environment_covariance(gradients: Gradients, first: ArrayLike, second: ArrayLike) -> Array:
    """``K(W, W') = Cov_x(g(W; x), g(W'; x))`` for pairs of weights (M, p), shape (M, p, p); 1/N normalisation.

    Raises
    ------
    DomainError
        If the pairs do not have the same shape.
    """
    w, v = np.asarray(first, float), np.asarray(second, float)
    if w.shape != v.shape or w.ndim != 2:
        raise DomainError(f"weights have shapes {w.shape} and {v.shape}: equal (M, p) are accepted")
    return _covariance(gradients(w), gradients(v))


@dataclass(frozen=True, eq=False)
class Environment:
    """How the environment decorrelates across an ensemble.

    Attributes
    ----------
    distance : ndarray, shape (bins,)
        Mean separation ``|W - W'|`` in each bin.
    correlation, error : ndarray, shape (bins,)
        Root mean square of ``rho = tr K(W, W') / sqrt(tr K(W, W) tr K(W', W'))`` over pairs, and its standard error.
        The mean of ``rho`` would not do: a polynomial can change sign without decorrelating.
    correlation_length : float
        Separation from which on the correlation stays below ``1/e``; ``inf`` if it never does.
    support : float
        95 % quantile of the separations.
    modes : float
        Effective number of independent environment modes on the support, ``(sum e)^2 / sum e^2`` of the eigenvalues of
        ``rho`` between replicas.
    temperature : float
        Private noise ``T``.
    """

    distance: Array
    correlation: Array
    error: Array
    correlation_length: float
    support: float
    modes: float
    temperature: float

    @property
    def regime(self) -> Regime:
        """Label of the regime; "undecided" between a correlation length of an eighth of the support and the support."""
        if self.temperature == 0.0:
            return "one random flow"
        if self.correlation_length >= self.support:
            return "Gaussian"
        many = self.correlation_length * _PATCHES <= self.support and self.modes >= _PATCHES
        return "KPZ candidate" if many else "undecided"

    def claim(self, name: str = "the environment decorrelates") -> Claim:
        """What Kardar-Parisi-Zhang scaling needs: beyond an eighth of the support no correlation exceeds ``1/e``."""
        far = np.flatnonzero(self.distance * _PATCHES >= self.support)
        worst = far[np.argmax(self.correlation[far])] if far.size else -1
        found, error = float(self.correlation[worst]), float(self.error[worst])
        return Claim(
            name, found, error, float(_DECAY), int(far.size), details={"distance": float(self.distance[worst])}
        )

    def __str__(self) -> str:
        return (
            f"environment: correlation length {self.correlation_length:.3g}, support {self.support:.3g}, "
            f"{self.modes:.3g} modes, temperature {self.temperature:g}: {self.regime}"
        )


def environment(
    gradients: Gradients,
    weights: ArrayLike,
    *,
    temperature: float,
    bins: int = 24,
    replicas: int = 512,
    rng: RNG = None,
) -> Environment:
    """Correlation of the environment between replicas of an ensemble, its length, and the regime.

    Parameters
    ----------
    gradients : callable
        Per-sample gradients ``(M, p) -> (M, N, p)``, for example :func:`network_gradients`.
    weights : array_like, shape (R, p)
        Replicas that span the support.
    temperature : float
        Private noise ``T >= 0``.
    replicas : int
        Number of replicas (drawn without replacement) whose pairs are used.

    Raises
    ------
    DomainError
        If there are too few replicas, the temperature is negative, or the noise vanishes everywhere.
    """
    w = np.asarray(weights, float)
    w = w[:, None] if w.ndim == 1 else w
    if w.ndim != 2 or len(w) < 16 or not np.isfinite(w).all():
        raise DomainError(f"weights have shape {w.shape}: 16 or more finite replicas (R, p) are accepted")
    if temperature < 0.0:
        raise DomainError(f"temperature is {temperature}: zero or a positive number is accepted")
    chosen = w[numpy_generator(rng).permutation(len(w))[: min(replicas, len(w))]]
    g = gradients(chosen)
    g = (g - g.mean(axis=1, keepdims=True)).reshape(len(chosen), -1)
    norm = np.linalg.norm(g, axis=1)
    if not (norm > 0.0).any():
        raise DomainError("the gradient noise vanishes at every replica: there is no environment")
    g, chosen = g[norm > 0.0] / norm[norm > 0.0, None], chosen[norm > 0.0]
    rho = g @ g.T
    rows, columns = np.triu_indices(len(chosen), 1)
    separation = np.linalg.norm(chosen[rows] - chosen[columns], axis=1)
    distance, correlation, error = _binned(separation, rho[rows, columns], bins)
    return Environment(
        distance,
        correlation,
        error,
        _length(distance, correlation),
        float(np.quantile(separation, 0.95)),
        float(len(rho) ** 2 / np.sum(rho**2)),
        float(temperature),
    )


def two_replica_equation(equation: FokkerPlanck, covariance: Callable[..., ArrayLike]) -> FokkerPlanck:
    """Fokker-Planck equation of a pair of replicas in one environment.

    Generator ``A_1 + A_2 + C(W, W') : grad_1 grad_2`` with ``C = eta c_B K(W, W')``: averaged over the environment, two
    replicas are correlated although each of them alone obeys the one-replica equation.

    Parameters
    ----------
    equation : FokkerPlanck
        Of one replica with ``n`` coordinates, Ito form.
    covariance : callable
        ``covariance(*w, *v)``: nested ``n x n`` sequence (or one array for ``n = 1``), ``C_ab = eta c_B Cov_x(g_a(w),
        g_b(v))``; zero for independent batches. ``C(w, w) / 2`` must not exceed the diffusion of one replica.

    Returns
    -------
    FokkerPlanck
        In ``2 n`` coordinates, the first replica's first.
    """

    def drift(*pair: Array) -> list[Array]:
        found = []
        for place in _halves(pair):
            points, shape = _flat(place)
            rows = drift_at(equation, points, spacing=smooth_lengths(points))
            found += [np.broadcast_to(b, points[0].shape).reshape(shape) for b in rows]
        return found

    def tensor(place: tuple[Array, ...]) -> list[list[Array | float]]:
        points, shape = _flat(place)
        entries = diffusion_at(equation, points).entries
        return [
            [0.0 if d is None else np.broadcast_to(d, points[0].shape).reshape(shape) for d in row] for row in entries
        ]

    def diffusion(*pair: Array) -> list[list[Array | float]]:
        w, v = _halves(pair)
        n = len(w)
        raw = covariance(*w, *v)
        cross = [[raw]] if n == 1 and not isinstance(raw, (list, tuple)) else raw
        half = [[0.5 * np.asarray(cross[a][b], float) for b in range(n)] for a in range(n)]  # type: ignore[index]
        one, two = tensor(w), tensor(v)
        top = [[*one[a], *half[a]] for a in range(n)]
        bottom = [[*(half[b][a] for b in range(n)), *two[a]] for a in range(n)]
        return [*top, *bottom]

    return FokkerPlanck(drift=drift, diffusion=diffusion)


def _covariance(left: Array, right: Array) -> Array:
    left = left - left.mean(axis=1, keepdims=True)
    right = right - right.mean(axis=1, keepdims=True)
    return np.asarray(np.einsum("mna,mnb->mab", left, right) / left.shape[1])


def _binned(separation: Array, rho: Array, bins: int) -> tuple[Array, Array, Array]:
    """Root mean square in bins of geometric width that hold 16 pairs or more."""
    nearest, farthest = float(np.quantile(separation, 0.002)), float(separation.max()) * (1.0 + 1e-12)
    edges = np.append(0.0, np.geomspace(max(nearest, 1e-6 * farthest), farthest, bins))
    index = np.digitize(separation, edges) - 1
    count = np.bincount(index, minlength=bins)
    full = count >= 16
    first, second, fourth = (np.bincount(index, f, bins)[full] for f in (separation, rho**2, rho**4))
    n = count[full]
    square = second / n
    spread = np.sqrt(np.maximum(fourth / n - square**2, 0.0) / n)
    root = np.sqrt(square)
    return first / n, root, 0.5 * spread / np.maximum(root, 1e-12)


def _length(distance: Array, correlation: Array) -> float:
    above = np.flatnonzero(correlation >= _DECAY)
    if not above.size:
        return float(distance[0])
    last = int(above[-1])
    if last == len(correlation) - 1:
        return float("inf")
    share = (correlation[last] - _DECAY) / (correlation[last] - correlation[last + 1])
    return float(distance[last] + share * (distance[last + 1] - distance[last]))


def _halves(pair: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    n = len(pair) // 2
    return pair[:n], pair[n:]


def _flat(place: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[int, ...]]:
    """Coordinates as flat lists of points, and the shape of an open mesh that they come from."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in place))
    return tuple(np.broadcast_to(x, shape).ravel() for x in place), shape
