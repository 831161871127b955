"""Few data points with weights that stand for a training set: sums over data at a fraction of their cost.

Nonnegative weights on few samples reproduce the averages of all even monomials up to a degree (Tchakaloff 1957; found
by nonnegative least squares on an orthogonal basis, Lawson & Hanson 1974). Averages of gradients and their products
under an odd activation are even functions of the data, so that odd monomials do not matter. At most as many nodes as
monomials have weight. Limits: the number of monomials grows as ``degree^d``; beyond three components it saves little.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from scipy.optimize import nnls

from fpsim.theory.weight_coordinates import Array

__all__ = ["data_nodes"]


def data_nodes(x: Array, degree: int) -> tuple[Array, Array]:
    """Nodes (M, d) among the samples ``x`` (N, d) and weights (M,) that reproduce even monomials up to ``degree``.

    All samples, equally weighted, where there are no fewer nodes than half of them.
    """
    count, d = x.shape
    scaled = x / np.abs(x).max()
    columns = [
        np.prod(scaled[:, list(index)], axis=1) if index else np.ones(count)
        for order in range(0, degree + 1, 2)
        for index in combinations_with_replacement(range(d), order)
    ]
    if 2 * len(columns) >= count:
        return np.array(x), np.full(count, 1.0 / count)
    basis = np.linalg.qr(np.stack(columns, axis=1))[0] * np.sqrt(count)
    weights, _ = nnls(basis.T / count, basis.mean(axis=0) / count)
    kept = weights > 0.0
    return np.ascontiguousarray(x[kept]), weights[kept] / weights.sum()
