"""Closures ranked: all of them against one ensemble of the smallest auto-encoder, f(x) = v u x.

The joint equation and the leaf closure evolve a density over w = u v and q = u^2 - v^2; the others one density per
weight: the conditional closure keeps what one weight knows of the other, empirical path and mean field forget it. One
start lies on one side of the valley u v = 1, the other is symmetric. A closure that learns from the ensemble owes it
part of its distance: its two halves say how much. An own one is a line in LEARNED.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator
from scipy.stats import kurtosis, norm

from fpsim.closures import conditional, empirical_path, fit_and_judge, leaf, mean_field
from fpsim.comparison import Comparison, compare_density, compare_samples
from fpsim.density import Density, Grid, from_function, gaussian
from fpsim.ensemble import Ensemble
from fpsim.evolution import evolve
from fpsim.experiment import SGD, Experiment, scalar_experiment
from fpsim.plots import LABELS, plot_curves, plot_sources
from fpsim.scenario import Column, Each, EnsembleSize, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Sgd, StartName, StartPoint, Time
from fpsim.support.memory import check_memory
from fpsim.theory import from_valley, scalar_network, valley_density
from fpsim.uncertainty.verdict import Claim

LEARNED = {"conditional": conditional, "empirical-path": empirical_path}
"""Closures that learn from the ensemble: equation of one matrix, from experiment, matrix and ensemble. Add your own."""
CLOSURES = ("joint", "leaf", *LEARNED, "mean-field")
FORGETFUL = ("empirical-path", "mean-field")  # forget the correlation of the two weights: they must fail
DRAWS, BINS = 100_000, 160
WIDTH = 0.1  # relative error up to which a width counts as right
MEASURED = {
    "distance": "total variation of the density of u",
    "floor": "sampling floor of the total variation",
    "spread": "standard deviation of the total variation under agreement",
    "z": "excess of the total variation over its floor",
    "grid_error": "bound of the grid's share of the total variation",
    "noise": "share of the total variation that the closure has from learning on a finite ensemble",
}


class Grids(Section):
    """The Fokker-Planck side."""

    cells: Annotated[int, Field(ge=16, le=4096)] = 512
    """Cells along w and along q."""
    tolerance: Annotated[float, Field(gt=0, le=0.5)] = 5e-3
    """Accumulated L1 error allowed to the time stepping."""


class Ranking(Parameters):
    """All closures against one ensemble of the scalar auto-encoder."""

    sgd: Sgd = Sgd(sampling="fresh", label_noise=0.3, learning_rate=0.02)
    start: dict[StartName, StartPoint] = Field(
        default={"offset": StartPoint(mean=(0.8, 0.5), std=0.13), "symmetric": StartPoint(mean=0.0, std=0.5)},
        min_length=1,
    )
    time: Time = Time(end=4.0, records=16)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)
    theory: Grids = Grids()

    @model_validator(mode="after")
    def _fits(self) -> Ranking:
        for name, start in self.start.items():
            if isinstance(start.mean, tuple) and len(start.mean) != 2:
                raise ValueError(f"start.{name}.mean has {len(start.mean)} entries: one number or 2 are accepted")
        if self.sgd.sampling != "fresh":
            raise ValueError(f"sgd.sampling = {self.sgd.sampling!r}: fresh samples of a population are accepted here")
        return self

    def experiment(self, start: str) -> Experiment:
        """The scalar auto-encoder on fresh standard normal data."""
        return scalar_experiment(SGD(**self.sgd.model_dump()), self.start[start].mean, std=self.start[start].std)


def check(p: Ranking) -> None:
    """Refuse, before any work, what the experiment or the memory does not allow."""
    for start in p.start:
        p.experiment(start)
    check_memory(16.0 * (p.time.records + 1) * p.ensemble.replicas, "ensemble.replicas")


@dataclass(frozen=True)
class Row:
    """Widths of ``u`` through time, its last density, and what was measured at the last time."""

    std: np.ndarray
    density: np.ndarray
    measured: tuple[float, ...] = (np.nan,) * len(MEASURED)


@dataclass(frozen=True)
class Case:
    """A start, its ensemble, both weights (times, replicas), and the bins of ``u``."""

    start: StartPoint
    ensemble: Ensemble
    u: np.ndarray
    v: np.ndarray
    edges: np.ndarray
    options: dict[str, Any]
    seed: int

    def histogram(self, values: np.ndarray) -> np.ndarray:
        """Density on the bins."""
        return np.histogram(values, self.edges)[0] / (len(values) * np.diff(self.edges))


def ranking(p: Ranking, run: Workbench, start: str, _: str) -> xr.Dataset:
    """Widths of ``u`` through time, densities at the last time and their distances, of every closure."""
    experiment, seed = p.experiment(start), p.seed + list(p.start).index(start)
    steps = [experiment.sgd.step(float(t)) for t in np.linspace(0.0, p.time.end, p.time.records + 1)]
    ensemble = run.train(experiment, name=start, replicas=p.ensemble.replicas, steps=steps, seed=seed)
    u, v = (ensemble.weights[name][:, :, 0, 0] for name in ("W1", "W2"))
    options: dict[str, Any] = {"tolerance": p.theory.tolerance, "threads": run.threads}
    edges = np.linspace(u.min() - 0.2 * np.ptp(u), u.max() + 0.2 * np.ptp(u), BINS + 1)
    case, progress = Case(p.start[start], ensemble, u, v, edges, options, p.seed), run.progress(f"{start}: closures")
    rows = {"ensemble": Row(u.std(axis=1), case.histogram(u[-1]))}
    for count, closure in enumerate(CLOSURES, 1):
        if closure in LEARNED:
            rows[closure] = _learned(case, closure)
        else:
            rows[closure] = _mean_field(case) if closure == "mean-field" else _plane(case, closure, p.theory.cells)
        progress(count / len(CLOSURES))
    error = np.sqrt((kurtosis(u[-1], fisher=False) - 1.0) / (4.0 * u.shape[1]))  # relative, of the last width
    measured = np.array([row.measured for row in rows.values()]).T
    return xr.Dataset(
        {
            "std": (("source", "time"), np.array([row.std for row in rows.values()]), named("std of u")),
            "density": (("source", "u"), np.array([row.density for row in rows.values()]), {"long_name": "density"}),
            **{n: ("source", m, named(text)) for (n, text), m in zip(MEASURED.items(), measured, strict=True)},
        },
        {
            "source": list(rows),
            "time": ("time", ensemble.times, named("training time, steps x learning rate")),
            "u": ("u", 0.5 * (edges[1:] + edges[:-1]), named("encoder weight u")),
        },
        {"std_error": float(error)},
    )


def _plane(case: Case, closure: str, cells: int) -> Row:
    """A density over (w, q), from which ``u`` is drawn: both signs of (u, v) where the start is symmetric."""
    experiment, u, v = case.ensemble.experiment, case.u, case.v
    sides = [(x.min() - 0.1 * np.ptp(x), x.max() + 0.1 * np.ptp(x), cells) for x in (u * v, u**2 - v**2)]
    grid, means = Grid.box(*sides, names=("w", "q")), np.resize(case.start.mean, 2)
    one, other = (norm(m, case.start.std).pdf for m in means)
    first = from_function(grid, lambda w, q: valley_density(lambda u, v: one(u) * other(v), w, q), order=3)
    equation = leaf(experiment) if closure == "leaf" else scalar_network(experiment).equation()
    found = evolve(equation, first, case.ensemble.times, **case.options)
    rng, drawn = np.random.default_rng(case.seed), []
    for density in found.densities:
        values, _ = from_valley(*density.sample(DRAWS, rng=rng).T)
        drawn.append(values if means.any() else values * rng.choice([-1.0, 1.0], size=values.shape))
    apart = compare_samples(u[-1], drawn[-1], observable="u")
    return Row(np.array([d.std() for d in drawn]), case.histogram(drawn[-1]), _measured(apart, found.grid_error))


def _lines(case: Case) -> tuple[Density, ...]:
    """Densities of ``u`` and of ``v`` at the start, four cells a bin."""
    reach = float(np.ptp(case.v))
    sides = (case.edges[0], case.edges[-1]), (float(case.v.min()) - 0.2 * reach, float(case.v.max()) + 0.2 * reach)
    means = np.resize(case.start.mean, 2)
    return tuple(gaussian(Grid.box((*s, 4 * BINS)), m, case.start.std**2) for s, m in zip(sides, means, strict=True))


def _mean_field(case: Case) -> Row:
    equations = tuple(mean_field(case.ensemble.experiment, name) for name in ("W1", "W2"))
    found = evolve(equations, _lines(case), case.ensemble.times, **case.options)
    return _of_line(case, [pair[0] for pair in found.densities], found.grid_error, 0.0)


def _learned(case: Case, closure: str) -> Row:
    """A half has twice the variance of all, the difference of two halves four times: half their distance is noise."""
    (first, _), found = _lines(case), []
    for learned in (case.ensemble, *fit_and_judge(case.ensemble)):
        equation, whole = LEARNED[closure](learned.experiment, "W1", learned), learned is case.ensemble
        found.append(evolve(equation, first, learned.times, estimate_grid_error=whole, **case.options))
    one, two = (half.final.values for half in found[1:])
    noise = 0.25 * float(np.abs(one - two).sum()) * first.grid.cell_volume
    return _of_line(case, list(found[0].densities), found[0].grid_error, noise)


def _of_line(case: Case, densities: list[Density], grid_error: np.ndarray, noise: float) -> Row:
    last = densities[-1]
    measured = _measured(compare_density(last, case.u[-1], observable="u"), grid_error, noise)
    return Row(np.array([float(d.std[0]) for d in densities]), last.values.reshape(BINS, -1).mean(axis=1), measured)


def _measured(apart: Comparison, grid_error: np.ndarray, noise: float = 0.0) -> tuple[float, ...]:
    """Half the L1 grid error bounds the total variation of any function of the weights."""
    return apart.value, apart.floor, apart.spread, apart.z, 0.5 * float(grid_error[-1]), noise


def _last(run: Results, start: str) -> tuple[xr.Dataset, dict[str, float]]:
    """Numbers at the last time, and widths over the ensemble's."""
    found = run[f"{start}/ranking"].isel(time=-1)
    return found, {c: float(found["std"].sel(source=c) / found["std"].sel(source="ensemble")) for c in CLOSURES}


def claims(p: Ranking, run: Results) -> Iterator[Claim]:
    """Closures that keep the correlation have width and density up to grid and own noise; those that forget fail."""
    for start in p.start:
        found, ratios = _last(run, start)
        for closure in CLOSURES:
            expected: Any = "fails" if closure in FORGETFUL else "holds"
            name, one = f"{start}, {LABELS.get(closure, closure)}", found.sel(source=closure)
            yield Claim(f"{name}: width", abs(ratios[closure] - 1), found.attrs["std_error"], WIDTH, expected=expected)
            beyond = max(float(one["distance"] - one["floor"] - one["grid_error"] - one["noise"]), 0.0)
            yield Claim(f"{name}: density", beyond, float(one["spread"]), 0.0, expected=expected)


def tables(p: Ranking, run: Results) -> Iterator[Table]:
    """The closures in the order of their distance from the ensemble."""
    for start in p.start:
        found, ratios = _last(run, start)
        found = found.sel(source=list(CLOSURES)).sortby("z")
        closures, noise = [str(c) for c in found["source"].values], found["noise"].values
        truth = float(run[f"{start}/ranking"]["std"].sel(source="ensemble")[-1])
        yield Table(
            f"start {start}, t = {float(found['time']):g}: std of u in the ensemble {truth:.4f}",
            [
                Column("closure", [LABELS.get(c, c) for c in closures]),
                Column("std of u", found["std"].values, ".4f"),
                Column("ratio", [ratios[c] for c in closures], ".3f"),
                Column("distance", found["distance"].values, ".4f"),
                Column("floor", found["floor"].values, ".4f", errors=found["spread"].values),
                Column("z", found["z"].values, ".1f"),
                Column("grid error", found["grid_error"].values, ".1g"),
                Column("noise", np.where(noise > 0.0, noise, np.nan), ".4f"),
            ],
            ["noise: what a closure that learns owes to the ensemble's size, from its two halves"],
        )


def conclusions(p: Ranking, run: Results) -> Iterator[str]:
    """Widths that are wrong, and maxima where no replica ends."""
    for start in p.start:
        found, ratios = _last(run, start)
        off = [f"{LABELS.get(c, c)} {ratio:.3g}" for c, ratio in ratios.items() if abs(ratio - 1.0) > WIDTH]
        yield f"Start {start}: widths off by more than {WIDTH:.0%}, over the ensemble's: {', '.join(off) or 'none'}."
        truth = found["density"].sel(source="ensemble")
        for closure in CLOSURES:
            top = int(found["density"].sel(source=closure).argmax("u"))
            if float(truth[top]) < 0.1 * float(truth.max()):
                where = f"has its maximum at u = {float(found['u'][top]):.2g}, where hardly a replica ends"
                yield f"Start {start}: {LABELS.get(closure, closure)} {where}."


def figures(p: Ranking, run: Results) -> Iterator[tuple[str, Figure]]:
    """Widths through time and last densities, one row per start."""
    figure = Figure(figsize=(9.5, 3.4 * len(p.start) + 0.5))
    axes = figure.subplots(len(p.start), 2, squeeze=False)
    for row, start in zip(axes, p.start, strict=True):
        found = run[f"{start}/ranking"]
        sources = [str(s) for s in found["source"].values]
        plot_curves(found["time"], {s: found["std"].sel(source=s) for s in sources}, ax=row[0])
        row[0].set(title=f"standard deviation of u, start: {start}", ylim=(0, None))
        plot_sources(found["u"], {s: found["density"].sel(source=s) for s in sources}, ax=row[1])
        row[1].set(title=f"density of u at t = {float(found['time'][-1]):g}, start: {start}", xlabel="u")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    yield "ranking", figure


def summary(p: Ranking, run: Results) -> xr.Dataset:
    """Widths and distances of all starts and closures."""
    parts = [run[f"{start}/ranking"][["std", *MEASURED]].expand_dims(start=[start]) for start in p.start]
    return xr.concat(parts, dim="start", coords="minimal", compat="override", join="exact")


scenario = Scenario(
    title="Closures ranked on the scalar auto-encoder",
    subject="Networks, theory against experiment",
    description=__doc__,
    parameters=Ranking(),
    quick={"ensemble.replicas": 4_000, "theory.cells": 128, "theory.tolerance": 2e-2, "time.records": 8},
    check=check,
    stages=(Each(ranking, lambda p: [(start, "ranking") for start in p.start]),),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=summary,
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
