"""Mean and covariance of the per-sample gradient over a training set, at many weights at once.

Exact sums over the training set, for any activation; the kernel is the one that trains. Limits: the
covariance has ``p (p + 1) / 2`` distinct entries for ``p`` trained weights, which is meant for small
networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fpsim.network.layers import LANES, backward_pass, forward_pass, layers
from fpsim.network.rows import lanes_of, rows_of, samples_of
from fpsim.support.compilation import lane_kernel, njit
from fpsim.support.immutable import Immutable
from fpsim.support.threads import Team

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fpsim.network.autoencoder import Network

__all__ = ["GradientMoments", "gradient_moments"]


@dataclass(frozen=True, eq=False)
class GradientMoments(Immutable):
    """Moments of the per-sample gradient over a training set.

    Attributes
    ----------
    loss : ndarray, shape (...)
        Mean loss ``L``.
    mean : mapping of str to ndarray
        ``{"W1": (..., k, d), ...}``: the gradient of the mean loss.
    covariance : mapping of (str, str) to ndarray
        ``{("W1", "W2"): (..., k, d, d, k), ...}``: ``Sigma = mean(g g^T) - mean(g) mean(g)^T`` with 1/N,
        all pairs of trained matrices.
    """

    loss: NDArray[np.float64] = field(repr=False)
    mean: Mapping[str, NDArray[np.float64]] = field(repr=False)
    covariance: Mapping[tuple[str, str], NDArray[np.float64]] = field(repr=False)


@lane_kernel
def _sum(net, weights, x, units, slopes, delta, gradient, loss, mean, second):  # type: ignore[no-untyped-def]
    p, outputs = net.size, net.units[-2]
    loss[:], mean[:], second[:] = 0.0, 0.0, 0.0
    for n in range(x.shape[0]):
        for i in range(x.shape[1]):
            for v in range(LANES):
                units[i, v] = x[n, i]
        forward_pass(net, weights, units, slopes)
        for i in range(x.shape[1]):
            for v in range(LANES):
                r = units[outputs + i, v] - x[n, i]
                delta[outputs + i, v] = r
                loss[v] += 0.5 * r * r
        gradient[:] = 0.0
        backward_pass(net, weights, units, slopes, delta, gradient)
        row = 0
        for a in range(p):
            for v in range(LANES):
                mean[a, v] += gradient[a, v]
            for b in range(a, p):
                for v in range(LANES):
                    second[row, v] += gradient[a, v] * gradient[b, v]
                row += 1
    row = 0
    for a in range(p):
        for v in range(LANES):
            mean[a, v] /= x.shape[0]
    for v in range(LANES):
        loss[v] /= x.shape[0]
    for a in range(p):
        for b in range(a, p):
            for v in range(LANES):
                second[row, v] = second[row, v] / x.shape[0] - mean[a, v] * mean[b, v]
            row += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(net, weights, x, loss, mean, second):  # type: ignore[no-untyped-def]
    units, slopes = np.empty((net.units[-1], LANES)), np.empty((net.units[-1], LANES))
    delta, gradient = np.empty((net.units[-1], LANES)), np.empty((net.size, LANES))
    for b in range(weights.shape[0]):
        _sum(net, weights[b], x, units, slopes, delta, gradient, loss[b], mean[b], second[b])


def gradient_moments(
    network: Network, weights: Mapping[str, ArrayLike], x: ArrayLike, *, threads: int | None = None
) -> GradientMoments:
    """Loss, mean gradient and gradient covariance over a training set.

    ``L = mean_x l``, ``g = mean_x grad l``, ``Sigma = mean_x (grad l)(grad l)^T - g g^T`` with ``l = |f(x)
    - x|^2 / 2``, exact up to rounding (some ``1e-15`` of the second moment).

    Parameters
    ----------
    network : Network
        The network.
    weights : mapping of str to array_like
        ``{"W1": (..., k, d), "W2": (..., d, k)}``; leading axes are broadcast against each other.
    x : array_like, shape (N, d)
        Training set.
    threads : int, optional
        Threads to use; the result does not depend on it.

    Returns
    -------
    GradientMoments
        With the broadcast leading axes.

    Raises
    ------
    DomainError
        If shapes do not fit the network.

    Notes
    -----
    The variance is a difference of sums about zero, so its absolute error is relative to ``mean(g g^T)``.
    """
    samples = samples_of(network, x)
    rows, lead = rows_of(network, weights)
    shapes = {name: network.shapes[name] for name in network.trained}
    net = layers(network)
    blocks = lanes_of(rows)
    p = net.size
    loss = np.empty((blocks.shape[0], LANES))
    mean = np.empty_like(blocks)
    second = np.empty((blocks.shape[0], p * (p + 1) // 2, LANES))

    def work(begin: int, end: int) -> None:
        _sums(net, blocks[begin:end], samples, loss[begin:end], mean[begin:end], second[begin:end])

    with Team(threads) as team:
        team.share(work, blocks.shape[0])

    def unblock(values: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = values.transpose(0, 2, 1).reshape(-1, values.shape[1])[: rows.shape[0]]
        return flat.reshape(*lead, -1)

    mean_rows, upper = unblock(mean), unblock(second)
    index = np.empty((p, p), dtype=np.intp)
    index[np.triu_indices(p)] = np.arange(upper.shape[-1])
    index = np.triu(index) + np.triu(index, 1).T
    starts = np.cumsum([0, *(r * c for r, c in shapes.values())])
    parts = {name: slice(starts[i], starts[i + 1]) for i, name in enumerate(shapes)}
    return GradientMoments(
        loss=unblock(loss[:, None])[..., 0],
        mean={n: mean_rows[..., parts[n]].reshape(lead + s) for n, s in shapes.items()},
        covariance={
            (n, m): upper[..., index[parts[n], parts[m]]].reshape(lead + s + t)
            for n, s in shapes.items()
            for m, t in shapes.items()
        },
    )
