"""The blind spot: pooled outputs cannot tell mean field from the truth, the weights can.

A theory of weights must not be judged by its output distribution alone: where data are pooled, their spread hides that
of the replicas. A bottleneck of one neuron on Gaussian data in the plane; three laws are held against an SGD ensemble:
the modified equation without any closure (an SVAG ensemble), the same with its matrices paired at random, and mean
field. The pooled density of a law is a mixture of normal densities, one for each replica, so that it is also compared
without the noise of the data: this says how many outputs one would need to see a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim.closures import mean_field
from fpsim.comparison import DISTANCES, compare_all, outputs
from fpsim.datasets import GaussianPopulation
from fpsim.density import Density, Grid, gaussian
from fpsim.evolution import evolve
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots import LABELS, plot_sources
from fpsim.scenario import Column, EnsembleSize, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Positive, Sgd, StartPoint
from fpsim.studies.output_mixtures import mixture_blocks, mixture_distance, output_widths, outputs_needed
from fpsim.support.memory import check_memory
from fpsim.support.random_streams import key_of
from fpsim.uncertainty.verdict import Claim

NETWORK = BottleneckAutoEncoder(2, 1)
LAWS = ("joint", "paired at random", "mean-field")
QUANTITIES = ("density W1", "density W2", "output at the probe", "loss", "pooled outputs")
SEEN_BY = {"paired at random": QUANTITIES[2:4], "mean-field": QUANTITIES[:4]}  # quantities in which a law must fail
SHOWN = ("W1_1_1", *QUANTITIES[2:])
REACH = 5.5  # standard deviations of the start that the first box holds
DATA, BINS = 100_000, 100  # inputs over which losses are averaged and outputs are pooled
SMOOTH = {
    "distance": "total variation of the pooled densities without data noise to the ensemble's",
    "floor": "mean distance if they were the same",
    "spread": "its standard deviation if they were the same",
    "error": "standard error of the distance",
}
MEASURED = {
    "value": "distance between the law and the ensemble",
    "floor": "mean distance if they were the same",
    "spread": "standard deviation of the distance if they were the same",
    "z": "(value - floor) / spread",
}


class Population(Section):
    """Gaussian data, and where the output is probed."""

    variances: tuple[Positive, Positive] = (2.0, 0.8)
    probe: tuple[float, float] = (1.0, 1.0)


class End(Section):
    """When the laws are compared."""

    end: Positive = 4.0


class Grids(Section):
    """Densities of mean field."""

    cells: Annotated[int, Field(ge=16, le=4096)] = 96
    """Cells along each axis."""
    tolerance: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    """Accumulated L1 error allowed to the time stepping."""


class Reference(Section):
    """The ensemble that stands for the modified equation."""

    svag: Annotated[int, Field(ge=2, le=1000)] = 4
    """``l`` of SVAG: its law tends to that of the equation with error O(1 / l)."""


class BlindSpot(Parameters):
    """Pooled outputs, probes, losses and weights of three laws against one ensemble."""

    population: Population = Population()
    sgd: Sgd = Sgd(learning_rate=0.02, batch_size=8, sampling="fresh", label_noise=0.3)
    start: StartPoint = StartPoint(mean=(0.9, 0.3), std=0.1)
    time: End = End()
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)
    theory: Grids = Grids()
    reference: Reference = Reference()

    @model_validator(mode="after")
    def _fits(self) -> BlindSpot:
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        if self.sgd.sampling != "fresh":
            raise ValueError(f"sgd.sampling = {self.sgd.sampling!r}: fresh samples of the population are accepted here")
        if self.time.end / self.sgd.learning_rate < 1.0:
            raise ValueError(f"time.end = {self.time.end} is shorter than one step: a longer time is accepted")
        return self

    @property
    def experiment(self) -> Experiment:
        """One neuron on Gaussian data."""
        data, mean = GaussianPopulation(np.diag(self.population.variances)), np.resize(self.start.mean, 2)
        start = Start.gaussian({"W1": mean.reshape(1, 2), "W2": mean.reshape(2, 1)}, self.start.std)
        return Experiment(data, NETWORK, SGD(**self.sgd.model_dump()), start)


def check(p: BlindSpot) -> None:
    """Refuse, before any work, what the experiment or the memory does not allow."""
    assert p.experiment
    check_memory(8.0 * 60 * p.ensemble.replicas, f"ensemble.replicas = {p.ensemble.replicas}")
    check_memory(8.0 * 30 * p.theory.cells**2, f"theory.cells = {p.theory.cells}")


def _seen(p: BlindSpot, run: Workbench) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]], dict[str, Density]]:
    """Weights of the ensemble and of every law at the end, what is seen of them, and mean field's densities."""
    experiment, size = p.experiment, p.ensemble.replicas
    svag = replace(experiment.sgd, noise="svag", svag_l=p.reference.svag)
    weights = {}
    for index, (name, sgd) in enumerate((("ensemble", experiment.sgd), ("joint", svag))):
        one, seed = replace(experiment, sgd=sgd), key_of(np.random.SeedSequence([p.seed, index]))
        found = run.train(one, name=LABELS[name], replicas=size, steps=[sgd.step(p.time.end)], seed=seed)
        alive = ~found.divergence.mask
        weights[name] = found.weights["W1"][-1, alive], found.weights["W2"][-1, alive]
    closed = _mean_field(p, run)
    rng = np.random.default_rng([p.seed, 2])
    w1, w2 = weights["joint"]
    weights["paired at random"] = w1, rng.permutation(w2)
    weights["mean-field"] = outputs.draw_weights(closed, len(weights["ensemble"][0]), network=NETWORK, rng=rng)
    data = rng.normal(size=(DATA, 2)) * np.sqrt(p.population.variances)
    values = {
        name: {
            "density W1": w1.reshape(len(w1), 2),
            "density W2": w2.reshape(len(w2), 2),
            "output at the probe": outputs.at_probes(NETWORK, w1, w2, [p.population.probe])[:, 0, 0],
            "loss": outputs.replica_loss(NETWORK, w1, w2, data),
            "pooled outputs": outputs.pooled(NETWORK, w1, w2, data, per_replica=1, rng=rng)[:, 0, 0],
        }
        for name, (w1, w2) in weights.items()
    }
    return weights, values, closed


def _mean_field(p: BlindSpot, run: Workbench) -> dict[str, Density]:
    """Densities of both matrices at the end; the box follows them, since they contract."""
    mean, std = np.resize(p.start.mean, 2), p.start.std
    sides = [(float(m) - REACH * std, float(m) + REACH * std, p.theory.cells) for m in mean]
    names = (("W1_1_1", "W1_1_2"), ("W2_1_1", "W2_2_1"))
    starts = tuple(gaussian(Grid.box(*sides, names=pair), mean, std**2) for pair in names)
    equations = tuple(mean_field(p.experiment, matrix) for matrix in ("W1", "W2"))
    options: dict[str, Any] = {"follow": True, "threads": run.threads, "estimate_grid_error": False}
    options |= {"tolerance": p.theory.tolerance, "progress": run.progress("evolve, mean field")}
    found = evolve(equations, starts, [p.time.end], **options)
    return dict(zip(("W1", "W2"), found.final, strict=True))


def laws(p: BlindSpot, run: Workbench) -> xr.Dataset:
    """Histograms on common bins, widths, the correlation of the matrices, and pooled densities without data noise."""
    weights, seen, _ = run.once("seen", lambda: _seen(p, run))
    sources, variances = ["ensemble", *LAWS], np.array(p.population.variances)
    density, centre = [], []
    for name in SHOWN:
        values = [seen[s]["density W1"][:, 0] if name == "W1_1_1" else seen[s][name] for s in sources]
        edges = np.linspace(*np.quantile(np.concatenate(values), (0.0005, 0.998)), BINS + 1)
        density.append([np.histogram(v, edges)[0] / (v.size * np.diff(edges)) for v in values])
        centre.append(0.5 * (edges[1:] + edges[:-1]))
    output, rng = np.linspace(-6.0, 6.0, 1201) * np.sqrt(variances[0]), np.random.default_rng([p.seed, 3])
    smooth = {s: mixture_blocks(output_widths(*weights[s], variances), output) for s in sources}
    between = [mixture_distance(smooth[s], smooth["ensemble"], output[1] - output[0], rng) for s in LAWS]
    flat = [np.concatenate([w.reshape(len(w), -1) for w in weights[s]], axis=1) for s in sources]
    correlation = [float(np.corrcoef(f[:, 0], f[:, 2])[0, 1]) for f in flat]
    pooled = np.array([smooth[s].mean(axis=0) for s in sources])
    return xr.Dataset(
        {
            "density": (("source", "shown", "bin"), np.swapaxes(density, 0, 1), named("density")),
            "centre": (("shown", "bin"), np.array(centre), named("bin centres")),
            "pooled": (("source", "output"), pooled, named("pooled density without data noise")),
            **{f"pooled_{k}": ("law", [b[k] for b in between], named(text)) for k, text in SMOOTH.items()},
            "std": (("source", "weight"), np.array([f.std(axis=0) for f in flat]), named("std")),
            "correlation": ("source", correlation, named("correlation of W1_1_1 and W2_1_1")),
        },
        {
            "source": sources,
            "law": list(LAWS),
            "shown": list(SHOWN),
            "weight": ["W1_1_1", "W1_1_2", "W2_1_1", "W2_2_1"],
            "output": ("output", output, named("first output")),
        },
    )


def comparison(p: BlindSpot, run: Workbench) -> xr.Dataset:
    """All distances of every quantity between every law and the ensemble."""
    (_, seen, closed), progress = run.once("seen", lambda: _seen(p, run)), run.progress("compare")
    table = {key: np.empty((len(LAWS), len(QUANTITIES), len(DISTANCES))) for key in MEASURED}
    for i, law in enumerate(LAWS):
        for j, quantity in enumerate(QUANTITIES):
            densities = closed if law == "mean-field" else {}
            theory: Any = densities.get(quantity.split()[-1], seen[law][quantity])
            for k, one in enumerate(compare_all(theory, seen["ensemble"][quantity], observable=quantity)):
                for key in MEASURED:
                    table[key][i, j, k] = getattr(one, key)
        progress((i + 1) / len(LAWS))
    dims = {"law": list(LAWS), "quantity": list(QUANTITIES), "measure": list(DISTANCES)}
    units = {"units": "1; of the quantity (wasserstein, energy, mean) or its square (covariance)"}
    columns = {key: (tuple(dims), table[key], units | {"long_name": text}) for key, text in MEASURED.items()}
    return xr.Dataset(columns, dims, {"time": p.time.end, "replicas": p.ensemble.replicas})


def claims(_p: BlindSpot, run: Results) -> Iterator[Claim]:
    """No difference of pooled outputs is seen, by any distance; in weights, probes and losses wrong laws must fail."""
    found = run["comparison"]
    for law in LAWS:
        for quantity in QUANTITIES:
            of_all = law == "mean-field" and quantity == "pooled outputs"
            expected: Any = "fails" if quantity in SEEN_BY.get(law, ()) else "holds"
            for measure in DISTANCES if of_all else ("total_variation",):
                one = found.sel(law=law, quantity=quantity, measure=measure)
                name = f"{law}: {quantity}" + (f", {measure}" if of_all else "")
                excess, spread = max(float(one["value"] - one["floor"]), 0.0), float(one["spread"])
                yield Claim(name, excess, spread, 0.0, expected=expected)


def tables(p: BlindSpot, run: Results) -> Iterator[Table]:
    """Distances of the three laws, observable by observable; widths and correlations."""
    found, table = run["comparison"], run["laws"]
    one = found.sel(measure="total_variation")
    columns = [Column("total variation", QUANTITIES), Column("floor", one["floor"].sel(law="joint").values, ".4f")]
    for law in LAWS:
        columns.append(Column(LABELS[law], one["value"].sel(law=law).values, ".4f"))
        columns.append(Column("z", one["z"].sel(law=law).values, ".1f"))
    best = found["z"].sel(quantity="pooled outputs").max("measure")
    largest = ", ".join(f"{LABELS[law]} {float(best.sel(law=law)):.1f}" for law in LAWS)
    title = f"distances to SGD at t = {p.time.end:g}, {p.ensemble.replicas} replicas"
    yield Table(title, columns, [f"pooled outputs, largest z of all distances: {largest}"])
    width = Column("std of W1_1_1", table["std"].sel(weight="W1_1_1").values, ".4f")
    correlation = Column("correlation with W2_1_1", table["correlation"].values, "+.3f")
    yield Table("weights", [Column("source", [LABELS[s] for s in table["source"].values]), width, correlation])


def conclusions(p: BlindSpot, run: Results) -> Iterator[str]:
    """How wrong mean field's widths are, and how many outputs would show it."""
    one = run["comparison"].sel(law="mean-field", quantity="pooled outputs", measure="total_variation")
    table, std = run["laws"].sel(law="mean-field"), run["laws"]["std"].sel(weight="W1_1_1")
    yield f"Mean field's W1_1_1 is {float(std[-1] / std[0]):.2g} times as wide as the ensemble's."
    known = {key: float(table[f"pooled_{key}"]) for key in SMOOTH}
    needed = outputs_needed(**known, of=(float(one["floor"]), float(one["spread"])), outputs=p.ensemble.replicas)
    if np.isinf(needed.most):
        gap = f"{known['distance']:.2g}, floor {known['floor']:.2g} ± {known['spread']:.1g}"
        yield f"Without data noise no difference of the pooled outputs is resolved: {gap}."
        yield f"More than {needed.fewest:.1g} independent outputs would be needed to see it at z = 3."
    else:
        yield f"Without data noise pooled outputs of mean field differ by {needed.excess:.2g} ± {needed.error:.1g}."
        yield f"{needed.fewest:.2g} to {needed.most:.2g} independent outputs would be needed to see it at z = 3."


def figures(_p: BlindSpot, run: Results) -> Iterator[tuple[str, Figure]]:
    """The four observables side by side: what is blind, and what sees."""
    table, z = run["laws"], run["comparison"]["z"].sel(law="mean-field", measure="total_variation")
    figure = Figure(figsize=(9.5, 6.4))
    axes = figure.subplots(2, 2)
    for ax, name in zip(axes.flat, SHOWN, strict=True):
        one = table.sel(shown=name)
        curves = {str(s): one["density"].sel(source=s) for s in one["source"].values}
        plot_sources(one["centre"], curves, ax=ax)
        seen_at = float(z.sel(quantity="density W1" if name == "W1_1_1" else name))
        axis = {"W1_1_1": "weight W1_1_1", "loss": "loss of a replica"}.get(name, "first output")
        ax.set(title=f"{name}: mean field at z = {seen_at:.3g}", xlabel=axis, ylabel="density")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    yield "blind-spot", figure


scenario = Scenario(
    title="The blind spot: pooled outputs cannot tell mean field from the truth, the weights can",
    subject="Networks, theory against experiment",
    description=__doc__,
    parameters=BlindSpot(),
    quick={"ensemble.replicas": 4_000, "theory.cells": 64},
    check=check,
    stages=(laws, comparison),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["comparison"],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
