"""Three laws and the ensemble: weights, what is seen of them, densities on common bins, distances."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.closures import mean_field
from fpsim.comparison import DISTANCES, compare_all, outputs
from fpsim.density import Density, Grid, gaussian
from fpsim.ensemble import train
from fpsim.evolution import evolve
from fpsim.experiment import Experiment
from fpsim.plots import LABELS
from fpsim.scenario.kinds.blind_spot.mixtures import mixture_blocks, mixture_distance
from fpsim.scenario.kinds.blind_spot.model import LAWS, NETWORK, QUANTITIES, BlindSpotScenario, experiment_of
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter

__all__ = ["check", "stages"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
REACH = 5.5
"""Standard deviations of the start that the first box holds."""
DATA = 100_000
"""Inputs over which losses are averaged and outputs are pooled."""
BINS = 100
SMOOTH = {
    "distance": "total variation of the pooled densities without data noise to the ensemble's",
    "floor": "mean distance if they were the same",
    "spread": "its standard deviation if they were the same",
    "error": "standard error of the distance",
}


def check(scenario: BlindSpotScenario) -> None:
    """Refuse, before any work, what the experiment or the memory does not allow."""
    experiment_of(scenario)
    check_memory(8.0 * 60 * scenario.ensemble.replicas, f"ensemble.replicas = {scenario.ensemble.replicas}")
    check_memory(8.0 * 30 * scenario.theory.cells**2, f"theory.cells = {scenario.theory.cells}")


def stages(
    scenario: BlindSpotScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/laws`` (densities and moments by source) and ``/comparison`` (distances by law)."""
    if "/comparison" in done.groups:
        return
    experiment, end = experiment_of(scenario), scenario.time.end
    svag = replace(experiment.sgd, noise="svag", svag_l=scenario.reference.svag)
    weights = {}
    for index, (name, sgd) in enumerate((("ensemble", experiment.sgd), ("joint", svag))):
        run = train(
            replace(experiment, sgd=sgd),
            replicas=scenario.ensemble.replicas,
            times=[end],
            rng=np.random.SeedSequence([scenario.seed, index]),
            threads=threads,
            progress=report(f"train, {LABELS[name]}"),
        )
        alive = ~run.divergence.mask
        weights[name] = run.weights["W1"][-1, alive], run.weights["W2"][-1, alive]
    closed = _mean_field(scenario, experiment, threads, report)
    rng = np.random.default_rng([scenario.seed, 2])
    w1, w2 = weights["joint"]
    weights["paired at random"] = w1, rng.permutation(w2)
    weights["mean-field"] = outputs.draw_weights(closed, len(weights["ensemble"][0]), network=NETWORK, rng=rng)
    data = rng.normal(size=(DATA, 2)) * np.sqrt(scenario.population.variances)
    seen = {name: _observables(pair, data, scenario.population.probe, rng) for name, pair in weights.items()}
    yield {
        "/laws": _laws(scenario, weights, seen, rng),
        "/comparison": _comparison(scenario, seen, closed, report("compare")),
    }


def _mean_field(
    scenario: BlindSpotScenario, experiment: Experiment, threads: int | None, report: Reporter
) -> dict[str, Density]:
    """Densities of both matrices at the end; the box follows them, since they contract."""
    mean, std, cells = np.resize(scenario.start.mean, 2), scenario.start.std, scenario.theory.cells
    starts = []
    for names in (("W1_1_1", "W1_1_2"), ("W2_1_1", "W2_2_1")):
        sides = [(float(m) - REACH * std, float(m) + REACH * std, cells) for m in mean]
        starts.append(gaussian(Grid.box(*sides, names=names), mean, std**2))
    found = evolve(
        (mean_field(experiment, "W1"), mean_field(experiment, "W2")),
        tuple(starts),
        [scenario.time.end],
        tolerance=scenario.theory.tolerance,
        follow=True,
        threads=threads,
        estimate_grid_error=False,
        progress=report("evolve, mean field"),
    )
    return dict(zip(("W1", "W2"), found.final, strict=True))


def _observables(pair: Pair, data: Array, probe: tuple[float, float], rng: np.random.Generator) -> dict[str, Array]:
    w1, w2 = pair
    return {
        "density W1": w1.reshape(len(w1), 2),
        "density W2": w2.reshape(len(w2), 2),
        "output at the probe": outputs.at_probes(NETWORK, w1, w2, [probe])[:, 0, 0],
        "loss": outputs.replica_loss(NETWORK, w1, w2, data),
        "pooled outputs": outputs.pooled(NETWORK, w1, w2, data, per_replica=1, rng=rng)[:, 0, 0],
    }


def _comparison(
    scenario: BlindSpotScenario,
    seen: Mapping[str, Mapping[str, Array]],
    closed: Mapping[str, Density],
    progress: Callable[[float], None],
) -> xr.Dataset:
    keys = ("value", "floor", "spread", "z")
    table = {key: np.empty((len(LAWS), len(QUANTITIES), len(DISTANCES))) for key in keys}
    for i, law in enumerate(LAWS):
        for j, quantity in enumerate(QUANTITIES):
            matrix = quantity.split()[-1]
            theory = closed[matrix] if law == "mean-field" and matrix in closed else seen[law][quantity]
            for k, one in enumerate(compare_all(theory, seen["ensemble"][quantity], observable=quantity)):
                for key in keys:
                    table[key][i, j, k] = getattr(one, key)
        progress((i + 1) / len(LAWS))
    units = {"units": "1; of the quantity (wasserstein, energy, mean) or its square (covariance)"}
    names = (
        "distance between the law and the ensemble",
        "mean distance if they were the same",
        "standard deviation of the distance if they were the same",
        "(value - floor) / spread",
    )
    dims = ("law", "quantity", "measure")
    return xr.Dataset(
        {key: (dims, table[key], units | {"long_name": name}) for key, name in zip(keys, names, strict=True)},
        {"law": list(LAWS), "quantity": list(QUANTITIES), "measure": list(DISTANCES)},
        {"time": scenario.time.end, "replicas": scenario.ensemble.replicas},
    )


def _laws(
    scenario: BlindSpotScenario,
    weights: Mapping[str, Pair],
    seen: Mapping[str, Mapping[str, Array]],
    rng: np.random.Generator,
) -> xr.Dataset:
    """Histograms on common bins, widths, the correlation of the matrices, and pooled densities without data noise."""
    sources = ["ensemble", *LAWS]
    density, centre = [], []
    picks = {"W1_1_1": "density W1", "output at the probe": "", "loss": "", "pooled outputs": ""}
    for name, key in picks.items():
        values = [seen[s][key][:, 0] if key else seen[s][name] for s in sources]
        low, high = np.quantile(np.concatenate(values), (0.0005, 0.998))
        edges = np.linspace(low, high, BINS + 1)
        density.append([np.histogram(v, edges)[0] / (v.size * np.diff(edges)) for v in values])
        centre.append(0.5 * (edges[1:] + edges[:-1]))
    variances = np.array(scenario.population.variances)
    output = np.linspace(-6.0, 6.0, 1201) * np.sqrt(variances[0])
    smooth = {s: mixture_blocks(_output_width(weights[s], variances), output) for s in sources}
    between = [mixture_distance(smooth[s], smooth["ensemble"], output[1] - output[0], rng) for s in LAWS]
    flat = {s: np.concatenate([w.reshape(len(w), -1) for w in weights[s]], axis=1) for s in sources}
    one = {"units": "1"}
    return xr.Dataset(
        {
            "density": (("source", "shown", "bin"), np.swapaxes(density, 0, 1), {"long_name": "density", **one}),
            "centre": (("shown", "bin"), np.array(centre), {"long_name": "bin centres", **one}),
            "pooled": (
                ("source", "output"),
                np.array([smooth[s].mean(axis=0) for s in sources]),
                {"long_name": "pooled density without data noise", **one},
            ),
            **{
                f"pooled_{key}": ("law", [b[key] for b in between], {"long_name": text, **one})
                for key, text in SMOOTH.items()
            },
            "std": (
                ("source", "weight"),
                np.array([flat[s].std(axis=0) for s in sources]),
                {"long_name": "std", **one},
            ),
            "correlation": (
                "source",
                [float(np.corrcoef(flat[s][:, 0], flat[s][:, 2])[0, 1]) for s in sources],
                {"long_name": "correlation of W1_1_1 and W2_1_1", **one},
            ),
        },
        {
            "source": sources,
            "law": list(LAWS),
            "shown": list(picks),
            "weight": ["W1_1_1", "W1_1_2", "W2_1_1", "W2_2_1"],
            "output": ("output", output, {"long_name": "first output", **one}),
        },
    )


def _output_width(pair: Pair, variances: Array) -> Array:
    """Standard deviation ``|b_1| sqrt(a^T C a)`` of a replica's first output at Gaussian data."""
    a, b = pair[0][:, 0, :], pair[1][:, 0, 0]
    return np.asarray(np.sqrt(np.maximum(b**2 * (a**2 @ variances), 1e-12)))
