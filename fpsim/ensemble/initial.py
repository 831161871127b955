"""Initial weights, one counter-based draw per replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fpsim.ensemble.kernel_settings import START
from fpsim.support.random_streams import replica_normals, replica_uniforms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["initial"]


def initial(experiment: Experiment, *, key: int, first: int, replicas: int) -> NDArray[np.float64]:
    """Trained entries in C order, matrix after matrix, of the replicas ``first ...``: shape (replicas, p)."""
    start, network = experiment.start, experiment.network
    entries = start.entries(network).values()
    location = np.concatenate([a.ravel() for a, _ in entries])
    spread = np.concatenate([b.ravel() for _, b in entries])
    if start.kind == "point":
        return np.repeat(location[None], replicas, axis=0)
    if start.kind in ("uniform", "glorot"):
        draws = replica_uniforms(key, START, first=first, replicas=replicas, count=location.size)
        return location + spread * (2.0 * draws - 1.0)
    draws = location + spread * replica_normals(key, START, first=first, replicas=replicas, count=location.size)
    return _balance(draws, *network.shapes["W1"]) if start.kind == "balanced" else draws


def _balance(draws: NDArray[np.float64], k: int, d: int) -> NDArray[np.float64]:
    """Split the product of every replica's two matrices evenly: ``W2 = U sqrt(S)``, ``W1 = sqrt(S) V^T``."""
    first, second = draws[:, : k * d].reshape(-1, k, d), draws[:, k * d :].reshape(-1, d, k)
    u, s, vt = np.linalg.svd(second @ first)
    rank = min(k, d)
    root = np.sqrt(s[:, :rank])
    w1, w2 = np.zeros_like(first), np.zeros_like(second)
    w1[:, :rank] = root[:, :, None] * vt[:, :rank]
    w2[:, :, :rank] = u[:, :, :rank] * root[:, None, :]
    return np.concatenate([w1.reshape(len(draws), -1), w2.reshape(len(draws), -1)], axis=1)
