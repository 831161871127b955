"""Weights as rows of numbers, and rows as the lanes of a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fpsim.network.autoencoder import check_network
from fpsim.network.gradients import complete
from fpsim.network.layers import LANES
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fpsim.network.autoencoder import Network

__all__ = ["lanes_of", "rows_of", "samples_of"]


def samples_of(network: Network, x: ArrayLike) -> NDArray[np.float64]:
    """Samples (N, d) as a contiguous array.

    Raises
    ------
    DomainError
        If the shape does not fit the network.
    """
    check_network(network)
    samples = np.ascontiguousarray(real_array(x, "x"))
    if samples.ndim != 2 or samples.shape[1] != network.widths[0] or samples.shape[0] == 0:
        raise DomainError(f"x has shape {samples.shape}; (samples, {network.widths[0]}) is accepted")
    return samples


def rows_of(network: Network, weights: Mapping[str, ArrayLike]) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Trained entries as rows (M, p), matrix after matrix in C order; and the M leading axes."""
    matrices = complete(network, weights)
    shapes = {name: network.shapes[name] for name in network.trained}
    try:
        lead = np.broadcast_shapes(*(matrices[name].shape[:-2] for name in shapes))
    except ValueError:
        found = ", ".join(f"{name} {matrices[name].shape}" for name in shapes)
        raise DomainError(f"weights have shapes {found}: leading axes that broadcast are accepted") from None
    parts = [np.broadcast_to(matrices[n], lead + s).reshape(-1, s[0] * s[1]) for n, s in shapes.items()]
    return np.concatenate(parts, axis=1), lead


def lanes_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, p) -> (blocks, p, LANES); the last block is filled up with copies of the first row."""
    blocks = -(-rows.shape[0] // LANES)
    padded = np.concatenate([rows, np.repeat(rows[:1], blocks * LANES - rows.shape[0], axis=0)])
    return np.ascontiguousarray(padded.reshape(blocks, LANES, -1).transpose(0, 2, 1))
