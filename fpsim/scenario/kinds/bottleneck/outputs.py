"""Outputs of weights: pooled, at probe images, losses; one record of their densities.

Output distances are of the first output component; probe 1 lies near the end of the data along the first principal
component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.comparison import outputs
from fpsim.datasets import Dataset
from fpsim.network import Network

__all__ = ["MATRICES", "Outputs", "matrices", "outputs_of", "outputs_record", "probe_indices"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
MATRICES = ("W1", "W2")
PER_REPLICA = 4
"""Images pooled per replica: enough to see the data's spread, few enough that replicas set the floor."""
POOLED_REPLICAS = 20_000
BINS = 120


class Outputs(dict[str, Array]):
    """``pooled`` (R, m, 1), ``at_probe`` (R, P), ``loss`` (R,) and ``balance`` (R, k (k + 1) / 2)."""


def probe_indices(data: Dataset, count: int) -> NDArray[np.int64]:
    """Samples spread evenly over the order of the first coordinate: probes from one end of the data to the other."""
    order = np.argsort(data.x[:, 0], kind="stable")
    return order[np.round(np.linspace(0.03, 0.97, count) * (len(order) - 1)).astype(int)]


def matrices(network: Network, flat: Sequence[Array]) -> Pair:
    """Weights (R, entries) of both matrices in their shapes."""
    w1, w2 = (f.reshape(len(f), *network.shapes[m]) for f, m in zip(flat, MATRICES, strict=True))
    return w1, w2


def outputs_of(
    network: Network, data: Dataset, where: NDArray[np.int64], weights: Pair, rng: np.random.Generator
) -> Outputs:
    """Outputs, losses and ``Q = W1 W1^T - W2^T W2`` (its upper triangle) of weights (R, k, d), (R, d, k)."""
    w1, w2 = (w[:POOLED_REPLICAS] for w in weights)
    upper = np.triu_indices(w1.shape[1])
    return Outputs(
        pooled=outputs.pooled(network, w1, w2, data.x, per_replica=PER_REPLICA, rng=rng)[..., :1],
        at_probe=outputs.at_probes(network, *weights, data.x[where])[..., 0],
        loss=outputs.replica_loss(network, *weights, data.x),
        balance=outputs.balance(network, *weights)[:, *upper],
    )


def _bins(sets: Sequence[Array], truth: Array) -> Array:
    """Bin edges over what the ensemble covers and somewhat beyond, within what any source covers."""
    low, high = np.quantile(truth, (0.001, 0.999))
    reach = max(high - low, 1e-12)
    least, most = (float(f(s)) for f, s in ((np.min, np.concatenate(sets)), (np.max, np.concatenate(sets))))
    return np.linspace(max(low - reach, least), max(min(high + reach, most), low + 1e-9), BINS + 1)


def _histogram(values: Array, edges: Array) -> Array:
    """Density on the bins, normalised by all values: what falls outside the bins is missing from it."""
    counts, _ = np.histogram(values, edges)
    return counts / (values.size * np.diff(edges))


def outputs_record(data: Dataset, where: NDArray[np.int64], final: Mapping[str, Outputs]) -> xr.Dataset:
    """Densities of outputs and losses by source, on the same bins; the ensemble comes first."""
    sources, truth = ["ensemble", *(s for s in final if s != "ensemble")], final["ensemble"]

    def histograms(pick: Callable[[Outputs], Array]) -> tuple[Array, Array]:
        sets = [pick(final[s]).ravel() for s in sources]
        edges = _bins(sets, pick(truth).ravel())
        return np.array([_histogram(v, edges) for v in sets]), 0.5 * (edges[1:] + edges[:-1])

    pooled, output = histograms(lambda o: o["pooled"])
    loss_density, loss = histograms(lambda o: o["loss"])
    probed = [histograms(lambda o, q=q: o["at_probe"][:, q]) for q in range(len(where))]  # type: ignore[misc]
    variables = {
        "pooled": (("source", "output"), pooled, {"long_name": "density of the first output, pooled over the data"}),
        "at_probe": (
            ("source", "probe", "bin"),
            np.stack([h for h, _ in probed], axis=1),
            {"long_name": "density of the first output at a probe image"},
        ),
        "probe_output": (
            ("probe", "bin"),
            np.array([c for _, c in probed]),
            {"long_name": "first output, bin centres"},
        ),
        "loss_density": (("source", "loss"), loss_density, {"long_name": "density of the loss of a replica"}),
    }
    for key in ("pooled", "at_probe", "probe_output", "loss_density"):
        variables[key][2]["units"] = "1"
    raw = data.reconstruct(data.x[where])
    if raw.shape[1] == 64:
        variables["probe_image"] = (
            ("probe", "row", "column"),
            raw.reshape(-1, 8, 8),
            {"long_name": "probe image, projected on the principal components", "units": "grey level, 0 to 16"},
        )
    return xr.Dataset(
        variables,
        coords={
            "source": sources,
            "output": ("output", output, {"units": "1", "long_name": "first output, bin centres"}),
            "loss": ("loss", loss, {"units": "1", "long_name": "loss, bin centres"}),
            "bin": ("bin", np.arange(BINS)),
            "probe": ("probe", where, {"long_name": "index of the sample in the data set"}),
        },
    )
