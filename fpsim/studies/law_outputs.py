"""Outputs of a law of weights under the names that tables and pictures use, and their histograms on common bins.

The same function serves an ensemble and weights drawn from a theory. Limits: networks of two matrices; the first output
component stands for all; probe 1 lies near one end of the data along its first coordinate, the last near the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.comparison.outputs import at_probes, balance, pooled, replica_loss
from fpsim.network import Network
from fpsim.support.random_streams import RNG

__all__ = ["common_histograms", "law_outputs", "probe_indices"]

Array = NDArray[np.float64]
PER_REPLICA = 4
"""Samples pooled per replica: enough to see the data's spread, few enough that replicas set the floor."""
POOLED_REPLICAS = 20_000
QUANTILES = (0.001, 0.999)


def probe_indices(x: ArrayLike, count: int) -> NDArray[np.int64]:
    """Samples spread evenly over the order of the first coordinate of ``x`` (N, d), shape (count,)."""
    order = np.argsort(np.asarray(x)[:, 0], kind="stable")
    return order[np.round(np.linspace(0.03, 0.97, count) * (len(order) - 1)).astype(int)]


def law_outputs(
    network: Network, weights: tuple[Array, Array], x: ArrayLike, *, probes: Sequence[int], rng: RNG = None
) -> dict[str, Array]:
    """Outputs, losses and balance of weights (R, k, d), (R, d, k) on data ``x`` (N, d), dimensionless.

    Returns
    -------
    dict of str to ndarray
        ``pooled outputs`` (R, m, 1), a few samples for each of the first replicas; ``output at probe q`` (R,);
        ``loss`` (R,); ``Q_i_j`` (R,), the upper triangle of ``W1 W1^T - W2^T W2``.

    Raises
    ------
    DomainError
        If shapes do not fit the network.
    """
    rows = np.asarray(x, np.float64)
    w1, w2 = (w[:POOLED_REPLICAS] for w in weights)
    probed = at_probes(network, *weights, rows[list(probes)])[..., 0]
    kept = balance(network, *weights)
    return {
        "pooled outputs": pooled(network, w1, w2, rows, per_replica=PER_REPLICA, rng=rng)[..., :1],
        **{f"output at probe {q + 1}": probed[:, q] for q in range(len(probes))},
        "loss": replica_loss(network, *weights, rows),
        **{f"Q_{i + 1}_{j + 1}": kept[:, i, j] for i, j in zip(*np.triu_indices(kept.shape[1]), strict=True)},
    }


def common_histograms(laws: Mapping[str, ArrayLike], *, truth: str, bins: int) -> tuple[Array, Array]:
    """Bin centres (bins,) and densities (laws, bins): over what one law covers, and somewhat beyond.

    Parameters
    ----------
    laws : mapping of str to array_like
        Values of each law, of any shape.
    truth : str
        Name of the law that the bins are made for: twice the range of its inner 99.8 %, as far as any law reaches.
        Densities are normalised by all values: what falls outside the bins is missing from them.
    """
    values = {name: np.ravel(v) for name, v in laws.items()}
    low, high = np.quantile(values[truth], QUANTILES)
    reach = max(high - low, 1e-12)
    least, most = (float(f([f(v) for v in values.values()])) for f in (np.min, np.max))
    edges = np.linspace(max(low - reach, least), max(min(high + reach, most), low + 1e-9), bins + 1)
    densities = [np.histogram(v, edges)[0] / (v.size * np.diff(edges)) for v in values.values()]
    return 0.5 * (edges[1:] + edges[:-1]), np.array(densities)
