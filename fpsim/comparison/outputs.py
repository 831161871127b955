"""Network outputs of weights: pooled over data, at fixed probes, and the loss of each replica.

The same functions serve experiment (weights of replicas) and theory (weights drawn from densities, ``draw_weights``),
so that both sides of a comparison are computed alike. Limits: networks of two matrices; outputs pooled over replicas
and data are not independent: compare them as (replicas, m, d) arrays, whose floor comes from resampling whole replicas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.comparison.samples import draw
from fpsim.density import Density, GaussianMixture
from fpsim.network import Network, activation, forward
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable
from fpsim.support.random_streams import RNG, numpy_generator
from fpsim.uncertainty.observable import Observable

__all__ = ["Generalisation", "at_probes", "balance", "draw_weights", "generalisation", "pooled", "replica_loss"]

Array = NDArray[np.float64]

_CHUNK_BYTES = 1 << 25


def _checked(network: Network, w1: ArrayLike, w2: ArrayLike) -> tuple[Array, Array]:
    if len(network.shapes) != 2:
        raise DomainError(f"network has {len(network.shapes)} matrices: two are accepted")
    pair = tuple(np.asarray(w, np.float64) for w in (w1, w2))
    for (name, shape), w in zip(network.shapes.items(), pair, strict=True):
        if w.ndim != 3 or w.shape[1:] != shape or len(w) != len(pair[0]):
            raise DomainError(f"{name} has shape {w.shape}: (replicas, {shape[0]}, {shape[1]}) is accepted")
    bad = int((~(np.isfinite(pair[0]).all(axis=(1, 2)) & np.isfinite(pair[1]).all(axis=(1, 2)))).sum())
    if bad:
        raise DomainError(f"weights of {bad} of {len(pair[0])} replicas are not finite: remove diverged replicas first")
    return pair[0], pair[1]


def _samples(network: Network, x: ArrayLike, what: str) -> Array:
    rows = np.asarray(x, np.float64)
    if rows.ndim != 2 or rows.shape[1] != network.widths[0] or not len(rows) or not np.isfinite(rows).all():
        raise DomainError(f"{what} have shape {rows.shape}: finite (samples, {network.widths[0]}) are accepted")
    return rows


def pooled(
    network: Network, w1: ArrayLike, w2: ArrayLike, x: ArrayLike, *, per_replica: int = 10, rng: RNG = None
) -> Array:
    """Outputs ``f_W(x)`` at randomly chosen data, a few for each replica: draws from the pooled output distribution.

    ``p(y) = (1 / N) sum_j int delta(y - f_W(x_j)) p(W) dW``.

    Parameters
    ----------
    w1, w2 : array_like, shapes (R, k, d), (R, d, k)
    x : array_like, shape (N, d)
        Data; rows are drawn with replacement.
    per_replica : int
        Rows ``m`` drawn for each replica.

    Returns
    -------
    ndarray, shape (R, m, d)

    Raises
    ------
    DomainError
        If shapes do not fit the network or weights are not finite.
    """
    first, second = _checked(network, w1, w2)
    rows = _samples(network, x, "x")
    if per_replica < 1:
        raise DomainError(f"per_replica is {per_replica}: a positive number is accepted")
    chosen = rows[numpy_generator(rng).integers(len(rows), size=(len(first), per_replica))]
    phi, out = (activation(name).function for name in network.activations)
    return np.asarray(out(phi(chosen @ first.transpose(0, 2, 1)) @ second.transpose(0, 2, 1)))


def at_probes(network: Network, w1: ArrayLike, w2: ArrayLike, probes: ArrayLike) -> Array:
    """Outputs of every replica at fixed inputs ``probes`` (P, d), shape (R, P, d).

    Raises
    ------
    DomainError
        If shapes do not fit the network or weights are not finite.
    """
    first, second = _checked(network, w1, w2)
    names = list(network.shapes)
    return forward(network, {names[0]: first, names[1]: second}, _samples(network, probes, "probes"))


def replica_loss(network: Network, w1: ArrayLike, w2: ArrayLike, x: ArrayLike) -> Array:
    """Loss of every replica over a data set, ``L = mean_x |f(x) - x|^2 / 2``, shape (R,); exact, dimensionless.

    Needs only averages over the data: with ``h = phi(W1 x)``,
    ``2 L = tr(W2 E[h h^T] W2^T) - 2 tr(W2 E[h x^T]) + tr E[x x^T]``; for a linear network ``C = E[x x^T]`` alone.

    Raises
    ------
    DomainError
        If shapes do not fit the network, its output layer is not linear, or weights are not finite.
    """
    first, second = _checked(network, w1, w2)
    rows = _samples(network, x, "x")
    inner, outer = network.activations
    if outer != "linear":
        raise DomainError(f"output activation is {outer!r}: linear is accepted")
    c = rows.T @ rows / len(rows)
    if inner == "linear":
        residual = second @ first - np.eye(rows.shape[1])
        return np.asarray(0.5 * np.einsum("rij,rij->r", residual @ c, residual))
    phi, loss = activation(inner).function, np.empty(len(first))
    step = max(1, _CHUNK_BYTES // (8 * len(rows) * first.shape[1]))
    for start in range(0, len(first), step):
        w1_part, w2_part = first[start : start + step], second[start : start + step]
        h = phi(w1_part @ rows.T)
        hh = h @ h.transpose(0, 2, 1) / len(rows)
        hx = h @ rows / len(rows)
        quadratic = np.einsum("rdk,rkl,rdl->r", w2_part, hh, w2_part, optimize=True)
        cross = np.einsum("rdk,rkd->r", w2_part, hx)
        loss[start : start + step] = 0.5 * (quadratic - 2.0 * cross + np.trace(c))
    return loss


@dataclass(frozen=True, eq=False)
class Generalisation(Immutable):
    """Losses of the same networks on the samples they were trained on and on those held out.

    Attributes
    ----------
    train, test : Observable
        Training and test loss, dimensionless.
    gap : Observable
        Test loss minus training loss of each network.
    """

    train: Observable
    test: Observable
    gap: Observable

    def __str__(self) -> str:
        lines = [f"{'':<20}{'mean':>22}{'std':>22}{'5 %':>11}{'median':>11}{'95 %':>11}"]
        for name, observable in (("training loss", self.train), ("test loss", self.test), ("gap", self.gap)):
            mean, std = observable.mean, observable.std
            quantiles = "".join(f"{q:>11.5f}" for q in np.asarray(observable.quantiles([0.05, 0.5, 0.95]).value))
            lines.append(
                f"{name:<20}{float(mean.value):>12.5f} +- {float(mean.error):.5f}{float(std.value):>12.5f} +- "
                f"{float(std.error):.5f}{quantiles}"
            )
        return "\n".join(lines)


def generalisation(
    network: Network,
    w1: ArrayLike,
    w2: ArrayLike,
    *,
    train: ArrayLike,
    test: ArrayLike,
    independent: int | None = None,
) -> Generalisation:
    """Training loss, test loss and generalisation gap of many networks.

    ``L = mean_x |f(x) - x|^2 / 2`` over the training samples and over those held out, exactly; the gap is taken network
    by network, so that what both losses share cancels in its error.

    Parameters
    ----------
    network : Network
        Two matrices, linear output.
    w1, w2 : array_like, shapes (R, k, d), (R, d, k)
        Weights of replicas that did not diverge, or draws from a joint density.
    train, test : array_like, shapes (N, d), (M, d), keyword-only
        ``experiment.data.x`` and ``experiment.test.x``.
    independent : int, optional, keyword-only
        Independent draws among the ``R``: for a mixture, the number of its components.

    Raises
    ------
    DomainError
        If shapes do not fit the network or weights are not finite.
    """
    losses = [replica_loss(network, w1, w2, x) for x in (train, test)]
    seen, unseen, gap = (Observable(v, independent) for v in (*losses, losses[1] - losses[0]))
    return Generalisation(seen, unseen, gap)


def balance(network: Network, w1: ArrayLike, w2: ArrayLike) -> Array:
    """``Q = W1 W1^T - W2^T W2`` of every replica, shape (R, k, k): conserved by the gradient flow of a linear network.

    Raises
    ------
    DomainError
        If shapes do not fit the network or weights are not finite.
    """
    first, second = _checked(network, w1, w2)
    return np.asarray(np.einsum("rid,rjd->rij", first, first) - np.einsum("rdi,rdj->rij", second, second))


def draw_weights(
    densities: Mapping[str, Density] | GaussianMixture, count: int, *, network: Network, rng: RNG = None
) -> tuple[Array, Array]:
    """Weights drawn from a theory: independent matrices, which is what a factorised closure claims, or a joint density.

    Parameters
    ----------
    densities : mapping of str to Density, or GaussianMixture
        One for each matrix, over its flattened entries, ``{"W1": ..., "W2": ...}``; or one joint density over the
        entries of the first matrix followed by those of the second, ``{"W": ...}`` on a grid, or a mixture.
    count : int
        Number of draws.

    Returns
    -------
    tuple of ndarray
        Shapes (count, k, d) and (count, d, k). Frozen matrices of the network are repeated.

    Raises
    ------
    DomainError
        If a density is missing or has the wrong number of coordinates.
    """
    generator = numpy_generator(rng)
    if len(network.shapes) != 2:
        raise DomainError(f"network has {len(network.shapes)} matrices: two are accepted")
    sizes = {name: rows * columns for name, (rows, columns) in network.shapes.items()}
    if isinstance(densities, GaussianMixture):
        if densities.ndim != sum(sizes.values()):
            raise DomainError(f"mixture of {densities.ndim} coordinates: {sum(sizes.values())} are accepted")
        return _matrices(network, densities.sample(count, rng=generator))
    if set(densities) == {"W"}:
        sizes_of = {"W": sum(sizes.values())}
    else:
        sizes_of = {name: sizes[name] for name in network.trained}
    if set(densities) != set(sizes_of):
        raise DomainError(
            f"densities of {', '.join(densities)}: {', '.join(network.trained)}, or W alone, are accepted"
        )
    flat: dict[str, Array] = {}
    for name, size in sizes_of.items():
        if densities[name].grid.ndim != size:
            raise DomainError(f"density of {name} has {densities[name].grid.ndim} coordinates: {size} are accepted")
        flat[name] = draw(densities[name], count, generator)
    if "W" in flat:
        return _matrices(network, flat["W"])
    w1, w2 = (
        flat[name].reshape(count, *shape) if name in flat else np.broadcast_to(network.frozen[name], (count, *shape))
        for name, shape in network.shapes.items()
    )
    return w1, w2


def _matrices(network: Network, flat: Array) -> tuple[Array, Array]:
    """Both matrices of weights (count, n), the entries of the first before those of the second."""
    first, second = network.shapes.values()
    parts = np.split(flat, [first[0] * first[1]], axis=1)
    return parts[0].reshape(-1, *first), parts[1].reshape(-1, *second)
