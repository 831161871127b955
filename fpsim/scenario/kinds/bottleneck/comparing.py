"""Comparison stage of a bottleneck run: every closure against the ensemble, at every recorded time.

A factorised closure claims a density for each matrix and, for the outputs, their product; so outputs and losses are
those of weights drawn independently from the two densities. Total variation, with confidence bands, uses all replicas;
the table of all distances uses a first part of them (``comparison.measured``), whose floor stands beside every value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.comparison import DISTANCES, Comparison, compare_all, compare_density, compare_samples, outputs
from fpsim.datasets import Dataset
from fpsim.density import Density
from fpsim.network import Network
from fpsim.scenario.kinds.bottleneck.outputs import (
    MATRICES,
    Outputs,
    matrices,
    outputs_of,
    outputs_record,
    probe_indices,
)

__all__ = ["compare_case"]

Array = NDArray[np.float64]
Row = list[Comparison]
TIME = {"units": "1", "long_name": "training time, steps x learning rate"}
JOINT = ("mean", "covariance")
"""Distances of all weights together: the covariance holds the correlations between the matrices."""
LINE = tuple(DISTANCES)
PLANE = tuple(d for d in DISTANCES if d != "kolmogorov_smirnov")
"""In more dimensions that one is the largest over the marginals, which stand in the table themselves."""


def compare_case(
    *,
    network: Network,
    data: Dataset,
    times: Array,
    samples: Mapping[str, Array],
    densities: Mapping[str, Sequence[tuple[Density, ...]]],
    probes: int,
    theory_samples: int,
    measured: int,
    seed: int,
    threads: int | None,
    progress: Callable[[float], None],
) -> dict[str, xr.Dataset]:
    """Compare the closures of one start with its ensemble.

    Parameters
    ----------
    samples : mapping
        ``{"W1": (T, R, entries), "W2": ...}`` of the replicas that survived.
    densities : mapping
        By closure: one pair of densities (W1, W2) per time.
    probes, theory_samples : int
        Probe images; weights drawn from the theory for outputs and losses.
    measured : int
        Replicas, and draws of the theory, behind the table of all distances; 0 for none.

    Returns
    -------
    dict of str to xarray.Dataset
        ``outputs``: output and loss densities at the last time; ``comparison``: total variation with floors, (time,
        closure, observable); ``distances``: all of them, (time, closure, quantity, measure).
    """
    where = probe_indices(data, probes)
    count = min(samples["W1"].shape[1], theory_samples)

    def at(index: int) -> tuple[list[Row], list[Row], dict[str, Outputs]]:
        rng, time = np.random.default_rng([seed, index]), float(times[index])
        now = {m: samples[m][index] for m in MATRICES}
        truth = outputs_of(network, data, where, matrices(network, [now[m][:count] for m in MATRICES]), rng)
        short, long, final = [], [], {"ensemble": truth}
        for closure, path in densities.items():
            pair = dict(zip(MATRICES, path[index], strict=True))
            drawn = outputs.draw_weights(pair, theory_samples, network=network, rng=rng)
            final[closure] = outputs_of(network, data, where, drawn, rng)
            weights = [compare_density(pair[m], now[m], observable=f"density {m}", time=time) for m in MATRICES]
            short.append(weights + _compare_outputs(truth, final[closure], time))
            if not measured:
                continue
            joint = [
                np.concatenate([w.reshape(len(w), -1)[:measured] for w in both], axis=1)
                for both in (drawn, tuple(now[m] for m in MATRICES))
            ]
            long.append(list(_all_distances(pair, now, joint, truth, final[closure], time, measured)))
        return short, long, final

    rows: list[list[Row]] = []
    everything: list[list[Row]] = []
    final: dict[str, Outputs] = {}
    with ThreadPoolExecutor(threads or 2) as pool:
        for index, (short, long, last) in enumerate(pool.map(at, range(len(times)))):
            rows.append(short)
            everything.append(long)
            final = last
            progress((index + 1) / len(times))
    closures = list(densities)
    found = {"outputs": outputs_record(data, where, final), "comparison": _comparison_record(times, closures, rows)}
    return found | ({"distances": _distances_record(times, closures, everything, measured)} if measured else {})


def _compare_outputs(truth: Outputs, theory: Outputs, time: float) -> Row:
    return [
        compare_samples(truth["pooled"], theory["pooled"], observable="pooled outputs", time=time),
        compare_samples(truth["at_probe"][:, 0], theory["at_probe"][:, 0], observable="output at probe 1", time=time),
        compare_samples(truth["loss"], theory["loss"], observable="loss", time=time),
    ]


def _all_distances(
    pair: Mapping[str, Density],
    now: Mapping[str, Array],
    joint: Sequence[Array],
    truth: Outputs,
    theory: Outputs,
    time: float,
    measured: int,
) -> Iterator[Comparison]:
    def compare(what: Density | ArrayLike, sample: ArrayLike, name: str, *only: str) -> tuple[Comparison, ...]:
        return compare_all(what, sample, observable=name, time=time, distances=only or LINE)

    for m in MATRICES:
        density, sample = pair[m], now[m][:measured]
        yield from compare(density, sample, f"density {m}", *(LINE if density.grid.ndim == 1 else PLANE))
        for axis, name in enumerate(density.grid.names if density.grid.ndim > 1 else ()):
            yield from compare(density.marginal(axis), sample[:, axis], name)
    yield from compare(joint[0], joint[1], "all weights", *JOINT)
    k = round((np.sqrt(8 * truth["balance"].shape[1] + 1) - 1) / 2)
    for entry, (i, j) in enumerate(zip(*np.triu_indices(k), strict=True)):
        yield from compare(
            theory["balance"][:measured, entry], truth["balance"][:measured, entry], f"Q_{i + 1}_{j + 1}"
        )
    groups = max(measured // truth["pooled"].shape[1], 100)
    yield from compare(theory["pooled"][:groups], truth["pooled"][:groups], "pooled outputs")
    for probe in range(truth["at_probe"].shape[1]):
        claimed, found = theory["at_probe"][:measured, probe], truth["at_probe"][:measured, probe]
        yield from compare(claimed, found, f"output at probe {probe + 1}")
    yield from compare(theory["loss"][:measured], truth["loss"][:measured], "loss")


def _comparison_record(times: Array, closures: Sequence[str], rows: list[list[Row]]) -> xr.Dataset:
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
            "time": ("time", times, TIME),
            "closure": list(closures),
            "observable": [c.observable for c in rows[0][0]],
        },
    )


def _distances_record(times: Array, closures: Sequence[str], rows: list[list[Row]], measured: int) -> xr.Dataset:
    observables = list(dict.fromkeys(c.observable for c in rows[0][0]))
    place = {o: i for i, o in enumerate(observables)}, {d: i for i, d in enumerate(DISTANCES)}
    units = "1; of the observable (wasserstein, energy, mean) or its square (covariance)"

    def field(name: str, long_name: str, unit: str) -> tuple[object, ...]:
        values = np.full((len(times), len(closures), len(observables), len(DISTANCES)), np.nan)
        for t, row in enumerate(rows):
            for i, cell in enumerate(row):
                for c in cell:
                    values[t, i, place[0][c.observable], place[1][c.distance]] = getattr(c, name)
        return ("time", "closure", "quantity", "measure"), values, {"units": unit, "long_name": long_name}

    return xr.Dataset(
        {
            "value": field("value", "distance between theory and ensemble", units),
            "floor": field("floor", "mean distance if theory were true", units),
            "spread": field("spread", "standard deviation of the distance if theory were true", units),
            "z": field("z", "(value - floor) / spread", "1"),
        },
        coords={
            "time": ("time", times, TIME),
            "closure": list(closures),
            "quantity": observables,
            "measure": list(DISTANCES),
        },
        attrs={"replicas": measured},
    )
