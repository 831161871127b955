"""The blind spot: pooled outputs cannot tell mean field from the truth, while the weights can.

A bottleneck of one neuron on Gaussian data in the plane. Three laws are held against an SGD ensemble: the modified
equation without any closure (an SVAG ensemble), the same with its matrices paired at random, and mean field. Data are
Gaussian, so that the pooled density of a law is a mixture of normal densities, one for each replica: it is also
compared without the noise of the data, which says how many outputs one would need to see a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.compare import DISTANCES, compare_all, outputs
from fpsim.datasets import GaussianPopulation
from fpsim.density import Density, Grid, gaussian
from fpsim.experiment import SGD, Experiment, Start
from fpsim.memory import check_memory
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots import LABELS, plot_marginal
from fpsim.progress import Reporter, share_of
from fpsim.scenario.kind import Kind
from fpsim.scenario.sections import EnsembleSize, Positive, ScenarioBase, Section, Sgd, StartPoint, Theory, Time
from fpsim.scenario.shared.records import group
from fpsim.sgd import train
from fpsim.theory.closures import mean_field
from fpsim.transport import evolve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KIND", "BlindSpotScenario", "experiment_of"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
NETWORK = BottleneckAutoEncoder(2, 1)
LAWS = ("joint", "paired at random", "mean-field")
QUANTITIES = ("density W1", "density W2", "output at the probe", "loss", "pooled outputs")
REACH = 5.5
"""Standard deviations of the start that the first box holds."""
SEEN, BLIND, AGREES = 10.0, 3.0, 5.0
"""z from which a difference is plain, below which it is not seen, and below which all distances of one law agree."""
DATA = 100_000
"""Inputs over which losses are averaged and outputs are pooled."""
BINS = 100


class Population(Section):
    """Gaussian data, and where the output is probed."""

    variances: tuple[Positive, Positive] = (2.0, 0.8)
    probe: tuple[float, float] = (1.0, 1.0)


class Reference(Section):
    """The ensemble that stands for the modified equation."""

    svag: Annotated[int, Field(ge=2, le=1000)] = 4
    """``l`` of SVAG: its law tends to that of the equation with error O(1 / l)."""


class BlindSpotScenario(ScenarioBase):
    """Pooled outputs, probes, losses and weights of three laws against one ensemble."""

    kind: Literal["blind-spot"] = "blind-spot"
    population: Population = Population()
    sgd: Sgd = Sgd(learning_rate=0.02, batch_size=8, sampling="fresh", label_noise=0.3)
    start: StartPoint = StartPoint(mean=(0.9, 0.3), std=0.1)
    time: Time = Time(end=4.0, records=4)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)
    theory: Theory = Theory(closures=("mean-field",), cells=96)
    reference: Reference = Reference()

    @model_validator(mode="after")
    def _fits(self) -> BlindSpotScenario:
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        if self.sgd.sampling != "fresh":
            raise ValueError(f"sgd.sampling = {self.sgd.sampling!r}: fresh samples of the population are accepted here")
        if self.time.end / self.sgd.learning_rate < 1.0:
            raise ValueError(f"time.end = {self.time.end} is shorter than one step: a longer time is accepted")
        return self


def experiment_of(scenario: BlindSpotScenario) -> Experiment:
    """The experiment a scenario describes."""
    mean = np.resize(scenario.start.mean, 2)
    return Experiment(
        GaussianPopulation(np.diag(scenario.population.variances)),
        NETWORK,
        SGD(**scenario.sgd.model_dump()),
        Start.gaussian({"W1": mean.reshape(1, 2), "W2": mean.reshape(2, 1)}, scenario.start.std),
    )


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
            seed=np.random.SeedSequence([scenario.seed, index]),
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
        "/laws": _laws(scenario, weights, seen),
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
        progress=share_of(report("evolve, mean field")),
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
    scenario: BlindSpotScenario, seen: Mapping[str, Mapping[str, Array]], closed: Mapping[str, Density], progress: Any
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
        progress(i + 1, len(LAWS))
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
    scenario: BlindSpotScenario, weights: Mapping[str, Pair], seen: Mapping[str, Mapping[str, Array]]
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
    smooth = np.array([_mixture(weights[s], variances, output) for s in sources])
    flat = {s: np.concatenate([w.reshape(len(w), -1) for w in weights[s]], axis=1) for s in sources}
    one = {"units": "1"}
    return xr.Dataset(
        {
            "density": (("source", "shown", "bin"), np.swapaxes(density, 0, 1), {"long_name": "density", **one}),
            "centre": (("shown", "bin"), np.array(centre), {"long_name": "bin centres", **one}),
            "pooled": (("source", "output"), smooth, {"long_name": "pooled density without data noise", **one}),
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
            "shown": list(picks),
            "weight": ["W1_1_1", "W1_1_2", "W2_1_1", "W2_2_1"],
            "output": ("output", output, {"long_name": "first output", **one}),
        },
    )


def _mixture(pair: Pair, variances: Array, y: Array) -> Array:
    """``p(y) = mean over replicas of N(0, b_1^2 a^T C a)``: the first output at Gaussian data, exactly."""
    a, b = pair[0][:, 0, :], pair[1][:, 0, 0]
    width = np.sqrt(np.maximum(b**2 * (a**2 @ variances), 1e-12))
    out = np.zeros(y.size)
    for part in np.array_split(width, max(1, width.size // 2000)):
        out += (np.exp(-0.5 * (y / part[:, None]) ** 2) / part[:, None]).sum(axis=0)
    return np.asarray(out / (width.size * np.sqrt(2.0 * np.pi)))


def _needed(tree: xr.DataTree, law: str) -> tuple[float, float]:
    """Total variation of the pooled densities without data noise, and the outputs that would show it at z = 3.

    With floor ``f`` and spread ``s``, both falling as ``n^{-1/2}``, and a distance ``d`` adding to ``f`` in quadrature,
    ``n = n_0 ((f_0 + 3 s_0)^2 - f_0^2) / d^2``.
    """
    laws, table = group(tree, "laws"), group(tree, "comparison")
    pooled = laws["pooled"]
    step = float(pooled["output"][1] - pooled["output"][0])
    d = 0.5 * float(np.abs(pooled.sel(source=law) - pooled.sel(source="ensemble")).sum()) * step
    one = table.sel(law=law, quantity="pooled outputs", measure="total_variation")
    f, s = float(one["floor"]), float(one["spread"])
    return d, table.attrs["replicas"] * ((f + BLIND * s) ** 2 - f**2) / d**2


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the distances."""
    return group(tree, "comparison")


def report(tree: xr.DataTree) -> str:
    """Distances of the three laws, observable by observable."""
    if "comparison" not in tree.children:
        return "the run is not complete"
    table, laws = group(tree, "comparison"), group(tree, "laws")
    lines = [f"t = {table.attrs['time']:g}, {table.attrs['replicas']} replicas", ""]
    lines.append(f"{'total variation':<24}{'floor':>9}" + "".join(f"{s:>20}{'z':>8}" for s in LAWS))
    for quantity in QUANTITIES:
        part = table.sel(quantity=quantity, measure="total_variation")
        row = f"{quantity:<24}{float(part['floor'].sel(law='joint')):>9.4f}"
        for law in LAWS:
            row += f"{float(part['value'].sel(law=law)):>20.4f}{float(part['z'].sel(law=law)):>8.1f}"
        lines.append(row)
    best = table["z"].sel(quantity="pooled outputs")
    row = f"{'pooled, largest z of all distances':<33}"
    lines += [row + "".join(f"{'':>20}{float(best.sel(law=s).max()):>8.1f}" for s in LAWS), ""]
    for source in ("ensemble", *LAWS):
        std = laws["std"].sel(source=source, weight="W1_1_1")
        lines.append(
            f"{source:<24}std of W1_1_1 {float(std):.4f}, "
            f"correlation with W2_1_1 {float(laws['correlation'].sel(source=source)):+.3f}"
        )
    d, count = _needed(tree, "mean-field")
    lines += ["", f"Without data noise the pooled outputs of mean field differ by {d:.2g} in total variation:"]
    lines.append(f"about {count:.1g} independent outputs would be needed to see it at z = {BLIND:g}.")
    return "\n".join(lines)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """What the scenario claims and this run did not show."""
    z = group(tree, "comparison")["z"]
    lines = []
    pooled = float(z.sel(law="mean-field", quantity="pooled outputs", measure="total_variation"))
    if pooled > BLIND:
        lines.append(f"pooled outputs tell mean field from the ensemble: z = {pooled:.1f} above {BLIND:g}")
    for quantity in ("density W1", "output at the probe"):
        seen = float(z.sel(law="mean-field", quantity=quantity, measure="total_variation"))
        if seen < SEEN:
            lines.append(f"{quantity} does not tell mean field from the ensemble: z = {seen:.1f} below {SEEN:g}")
    for quantity in QUANTITIES:
        off = float(z.sel(law="joint", quantity=quantity).max())
        if off > AGREES:
            lines.append(f"{quantity} of the joint law: z = {off:.1f} above {AGREES:g}")
    return tuple(lines)


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """The four observables side by side: what is blind, and what sees."""
    from matplotlib.figure import Figure

    laws, table = group(tree, "laws"), group(tree, "comparison")
    shown = [str(s) for s in laws["shown"].values]
    figure = Figure(figsize=(9.5, 6.4))
    axes = figure.subplots(2, 2).ravel()
    for ax, name in zip(axes, shown, strict=True):
        part = laws.sel(shown=name)
        for source in laws["source"].values:
            curve = part["density"].sel(source=source)
            plot_marginal(part["centre"], curve, source=str(source), ax=ax, filled=source == "ensemble")
        tops = [float(part["density"].sel(source=s).max()) for s in laws["source"].values]
        rest = max(tops[:-1])
        ax.set_ylim(0, min(max(tops), 2.5 * rest) * 1.1)
        quantity = "density W1" if name == "W1_1_1" else name
        z = float(table["z"].sel(law="mean-field", quantity=quantity, measure="total_variation"))
        cut = f" (reaches {tops[-1]:.3g})" if tops[-1] > 2.5 * rest else ""
        ax.set_title(f"{name}: mean field at z = {z:.0f}{cut}")
        ax.set_xlabel({"W1_1_1": "weight W1_1_1", "loss": "loss of a replica"}.get(name, "first output"))
    axes[0].set_ylabel("density")
    axes[2].set_ylabel("density")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    yield "blind-spot", figure


KIND = Kind(
    model=BlindSpotScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
