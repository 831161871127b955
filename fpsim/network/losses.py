"""Mean loss over a training set at many weights at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fpsim.network.layers import LANES, forward_pass, layers
from fpsim.network.rows import lanes_of, rows_of, samples_of
from fpsim.support.compilation import lane_kernel, njit
from fpsim.support.threads import Team

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fpsim.network.autoencoder import Network

__all__ = ["mean_loss"]


@lane_kernel
def _sum(net, weights, x, units, slopes, loss):  # type: ignore[no-untyped-def]
    outputs = net.units[-2]
    loss[:] = 0.0
    for n in range(x.shape[0]):
        for i in range(x.shape[1]):
            for v in range(LANES):
                units[i, v] = x[n, i]
        forward_pass(net, weights, units, slopes)
        for i in range(x.shape[1]):
            for v in range(LANES):
                r = units[outputs + i, v] - x[n, i]
                loss[v] += 0.5 * r * r
    for v in range(LANES):
        loss[v] /= x.shape[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(net, weights, x, loss):  # type: ignore[no-untyped-def]
    units, slopes = np.empty((net.units[-1], LANES)), np.empty((net.units[-1], LANES))
    for b in range(weights.shape[0]):
        _sum(net, weights[b], x, units, slopes, loss[b])


def mean_loss(
    network: Network, weights: Mapping[str, ArrayLike], x: ArrayLike, *, threads: int | None = None
) -> NDArray[np.float64]:
    """Mean loss ``L = mean_x |f(x) - x|^2 / 2`` at many weights, without memory for weights times samples.

    A linear network needs no pass over the samples: ``L = tr(A C A^T) / 2`` with ``A = W_L ... W_1 - 1``.

    Parameters
    ----------
    network : Network
        The network.
    weights : mapping of str to array_like
        ``{"W1": (..., k, d), ...}``; leading axes are broadcast against each other.
    x : array_like, shape (N, d)
        Training set.
    threads : int, optional
        Threads to use; the result does not depend on it.

    Returns
    -------
    ndarray, shape (...)
        Dimensionless.

    Raises
    ------
    DomainError
        If shapes do not fit the network.
    """
    samples = samples_of(network, x)
    rows, lead = rows_of(network, weights)
    if set(network.activations) == {"linear"}:
        return _linear(network, rows, samples).reshape(lead)
    net, blocks = layers(network), lanes_of(rows)
    loss = np.empty((blocks.shape[0], LANES))
    with Team(threads) as team:
        team.share(lambda begin, end: _sums(net, blocks[begin:end], samples, loss[begin:end]), blocks.shape[0])
    return loss.ravel()[: rows.shape[0]].reshape(lead)


def _linear(network: Network, rows: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = np.eye(x.shape[1])
    start = 0
    for name, shape in network.shapes.items():
        if name in network.frozen:
            product = network.frozen[name] @ product
        else:
            stop = start + shape[0] * shape[1]
            product = rows[:, start:stop].reshape(-1, *shape) @ product
            start = stop
    error = product - np.eye(x.shape[1])
    return 0.5 * np.einsum("rij,jk,rik->r", error, x.T @ x / x.shape[0], error, optimize=True)
