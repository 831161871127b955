"""Comparison stage of a bottleneck run: every closure against the ensemble, at every recorded time.

A factorised closure claims a density for each matrix and, for the outputs, their product; so outputs and losses are
those of weights drawn independently from the two densities. Output distances are of the first output component; the
probe's is that of the first probe image, which lies near the end of the data along the first principal component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.compare import Comparison, compare_density, compare_samples, outputs
from fpsim.datasets import Dataset
from fpsim.density import Density
from fpsim.network import Network

__all__ = ["compare_case", "probe_indices"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
MATRICES = ("W1", "W2")
PER_REPLICA = 4
"""Images pooled per replica: enough to see the data's spread, few enough that replicas set the floor."""
POOLED_REPLICAS = 20_000
BINS = 120


def probe_indices(data: Dataset, count: int) -> NDArray[np.int64]:
    """Samples spread evenly over the order of the first coordinate: probes from one end of the data to the other."""
    order = np.argsort(data.x[:, 0], kind="stable")
    return order[np.round(np.linspace(0.03, 0.97, count) * (len(order) - 1)).astype(int)]


def compare_case(
    *,
    network: Network,
    data: Dataset,
    times: Array,
    samples: Mapping[str, Array],
    densities: Mapping[str, Sequence[tuple[Density, ...]]],
    probes: int,
    theory_samples: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> tuple[xr.Dataset, xr.Dataset]:
    """Compare the closures of one start with its ensemble.

    Parameters
    ----------
    samples : mapping
        ``{"W1": (T, R, entries), "W2": ...}`` of the replicas that survived.
    densities : mapping
        By closure: one pair of densities (W1, W2) per time.
    probes, theory_samples : int
        Probe images; weights drawn from the theory for outputs and losses.

    Returns
    -------
    outputs, comparison : xarray.Dataset
        Output and loss densities at the last time; distances with floors, (time, closure, observable).
    """
    where = probe_indices(data, probes)
    rows: list[list[list[Comparison]]] = []
    final: dict[str, _Outputs] = {}
    for index, time in enumerate(times):
        rng = np.random.default_rng([seed, index])
        replicas = min(samples["W1"].shape[1], theory_samples)
        truth = _outputs(
            network, data, where, _matrices(network, [samples[m][index][:replicas] for m in MATRICES]), rng
        )
        row = []
        for closure, path in densities.items():
            pair = dict(zip(MATRICES, path[index], strict=True))
            drawn = outputs.draw_weights(pair, theory_samples, network=network, rng=rng)
            theory = _outputs(network, data, where, drawn, rng)
            weights = [
                compare_density(pair[m], samples[m][index], observable=f"density {m}", time=float(time))
                for m in MATRICES
            ]
            row.append(weights + _compare_outputs(truth, theory, float(time)))
            final[closure] = theory
        final["ensemble"] = truth
        rows.append(row)
        progress(index + 1, len(times))
    return _outputs_record(data, where, final), _comparison_record(times, list(densities), rows)


class _Outputs(dict[str, Array]):
    """``pooled`` (R, m, d), ``at_probe`` (R, P, d) and ``loss`` (R,)."""


def _matrices(network: Network, flat: Sequence[Array]) -> Pair:
    w1, w2 = (f.reshape(len(f), *network.shapes[m]) for f, m in zip(flat, MATRICES, strict=True))
    return w1, w2


def _outputs(
    network: Network, data: Dataset, where: NDArray[np.int64], weights: Pair, rng: np.random.Generator
) -> _Outputs:
    w1, w2 = (w[:POOLED_REPLICAS] for w in weights)
    return _Outputs(
        pooled=outputs.pooled(network, w1, w2, data.x, per_replica=PER_REPLICA, rng=rng)[..., :1],
        at_probe=outputs.at_probes(network, *weights, data.x[where])[..., 0],
        loss=outputs.replica_loss(network, *weights, data.x),
    )


def _compare_outputs(truth: _Outputs, theory: _Outputs, time: float) -> list[Comparison]:
    return [
        compare_samples(truth["pooled"], theory["pooled"], observable="pooled outputs", time=time),
        compare_samples(truth["at_probe"][:, 0], theory["at_probe"][:, 0], observable="output at probe 1", time=time),
        compare_samples(truth["loss"], theory["loss"], observable="loss", time=time),
    ]


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


def _outputs_record(data: Dataset, where: NDArray[np.int64], final: Mapping[str, _Outputs]) -> xr.Dataset:
    sources, truth = ["ensemble", *(s for s in final if s != "ensemble")], final["ensemble"]

    def histograms(pick: Callable[[_Outputs], Array]) -> tuple[Array, Array]:
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


def _comparison_record(times: Array, closures: Sequence[str], rows: list[list[list[Comparison]]]) -> xr.Dataset:
    def field(get: Callable[[Comparison], float], name: str) -> tuple[object, ...]:
        values = np.array([[[get(c) for c in cell] for cell in row] for row in rows])
        return ("time", "closure", "observable"), values, {"units": "1", "long_name": name}

    return xr.Dataset(
        {
            "distance": field(lambda c: c.value, "total variation between theory and ensemble"),
            "floor": field(lambda c: c.floor, "mean distance if theory were true"),
            "spread": field(lambda c: c.spread, "standard deviation of the distance if theory were true"),
            "z": field(lambda c: c.z, "(distance - floor) / spread"),
            "band_low": field(lambda c: c.band[0], "lower end of the 95 % band"),
            "band_high": field(lambda c: c.band[1], "upper end of the 95 % band"),
        },
        coords={
            "time": ("time", times, {"units": "1", "long_name": "training time, steps x learning rate"}),
            "closure": list(closures),
            "observable": [c.observable for c in rows[0][0]],
        },
    )
