"""Closures ranked: every closure against one ensemble of the smallest auto-encoder, ``f(x) = v u x``.

Coordinates ``w = u v``, ``q = u^2 - v^2`` serve the joint equation and the leaf closure; the others evolve one density
per weight. Starts: ``offset``, on one side of the valley ``u v = 1``; ``symmetric`` under ``(u, v) -> (-u, -v)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.closures import conditional, empirical_path, leaf, mean_field
from fpsim.comparison import Comparison, compare_density, compare_samples
from fpsim.datasets import GaussianPopulation
from fpsim.density import Density, Grid, from_function, gaussian
from fpsim.ensemble import Ensemble, train
from fpsim.evolution import evolve
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots import LABELS, plot_curves, plot_marginal
from fpsim.scenario.parameters.sections import EnsembleSize, ScenarioBase, Sgd, StartName, StartPoint, Theory, Time
from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import STRICT_Z, Kind
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter
from fpsim.theory import from_valley, scalar_network, valley_density

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KIND", "RankingScenario", "experiment_of"]

Array = NDArray[np.float64]
CLOSURES = ("joint", "leaf", "conditional", "empirical-path", "mean-field")
DRAWS = 100_000
BINS = 160
EXACT = ("joint", "leaf", "conditional")
"""Closures that keep the correlation of the two weights: those that claim to be right."""
STRICT_RATIO = 0.05
"""Relative error of the width above which one of them falls short."""
Measured = tuple[float, float, float, float, float, float]
"""As named in ``MEASURED``, of the last time."""
Row = tuple[Array, Array, Measured]
"""Widths through time, last density, and what was measured."""


MEASURED = {
    "distance": "total variation of the density of u",
    "floor": "sampling floor of the total variation",
    "spread": "standard deviation of the total variation under agreement",
    "z": "excess of the total variation over its floor",
    "grid_error": "bound of the grid's share of the total variation",
    "noise": "share of the total variation that the closure has from learning on a finite ensemble",
}


class RankingScenario(ScenarioBase):
    """All closures against one ensemble of the scalar auto-encoder f(x) = v u x."""

    kind: Literal["ranking"] = "ranking"
    sgd: Sgd = Sgd(sampling="fresh", label_noise=0.3, learning_rate=0.02)
    start: dict[StartName, StartPoint] = Field(
        default_factory=lambda: {"start": StartPoint(mean=(0.8, 0.5))}, min_length=1
    )
    time: Time = Time(end=4.0, records=16)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)
    theory: Theory = Theory(cells=256)

    @model_validator(mode="after")
    def _fits(self) -> RankingScenario:
        for name, start in self.start.items():
            if isinstance(start.mean, tuple) and len(start.mean) != 2:
                raise ValueError(
                    f"start.{name}.mean has {len(start.mean)} entries: one number or 2 (u, v) are accepted"
                )
        if self.sgd.sampling != "fresh":
            raise ValueError(f"sgd.sampling = {self.sgd.sampling!r}: fresh samples of a population are accepted here")
        return self


def experiment_of(scenario: RankingScenario, start: StartPoint) -> Experiment:
    """The scalar auto-encoder on fresh standard normal data."""
    u, v = np.resize(start.mean, 2)
    return Experiment(
        GaussianPopulation(np.ones((1, 1))),
        BottleneckAutoEncoder(1, 1),
        SGD(**{**scenario.sgd.model_dump(), "sampling": "fresh"}),
        Start.gaussian({"W1": [[u]], "W2": [[v]]}, start.std),
    )


def check_ranking(scenario: RankingScenario) -> None:
    """Refuse, before any work, what the experiment or the memory does not allow."""
    for start in scenario.start.values():
        experiment_of(scenario, start)
    check_memory(16.0 * (scenario.time.records + 1) * scenario.ensemble.replicas, "ensemble.replicas")


def ranking_stages(
    scenario: RankingScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """One group ``/START/ranking`` per start: widths through time, densities of ``u`` at the last time, distances."""
    for index, (name, start) in enumerate(scenario.start.items()):
        if f"/{name}/ranking" in done.groups:
            continue
        experiment = experiment_of(scenario, start)
        times = np.linspace(0.0, scenario.time.end, scenario.time.records + 1)
        ensemble = train(
            experiment,
            replicas=scenario.ensemble.replicas,
            times=times.tolist(),
            rng=scenario.seed + index,
            threads=threads,
            progress=report(f"{name}: train"),
        )
        u = ensemble.weights["W1"][:, :, 0, 0]
        edges = np.linspace(u.min() - 0.2 * np.ptp(u), u.max() + 0.2 * np.ptp(u), BINS + 1)
        rows: dict[str, Row] = {"ensemble": (u.std(axis=1), _histogram(u[-1], edges), (np.nan,) * 6)}
        halves = tuple(_halves(ensemble, threads))
        progress = report(f"{name}: closures")
        for count, closure in enumerate(CLOSURES):
            rows[closure] = _one(closure, scenario, start, experiment, ensemble, halves, edges, threads)
            progress((count + 1) / len(CLOSURES))
        yield {f"/{name}/ranking": _record(ensemble.times, edges, rows)}


def _one(
    closure: str,
    scenario: RankingScenario,
    start: StartPoint,
    experiment: Experiment,
    ensemble: Ensemble,
    halves: tuple[Ensemble, ...],
    edges: Array,
    threads: int | None,
) -> Row:
    """Standard deviation of ``u`` through time, its last density, and how far that is from the ensemble."""
    u, times = ensemble.weights["W1"][:, :, 0, 0], ensemble.times
    options: dict[str, Any] = {
        "tolerance": scenario.theory.tolerance,
        "threads": threads,
    }
    if closure in ("joint", "leaf"):
        w, q = u * ensemble.weights["W2"][:, :, 0, 0], u**2 - ensemble.weights["W2"][:, :, 0, 0] ** 2
        box = [(float(x.min() - 0.1 * np.ptp(x)), float(x.max() + 0.1 * np.ptp(x))) for x in (w, q)]
        grid = Grid.box((*box[0], scenario.theory.cells), (*box[1], scenario.theory.cells), names=("w", "q"))
        pair = _normal_pair(start)
        first = from_function(grid, lambda w, q: valley_density(pair, w, q), order=3)
        equation = leaf(experiment) if closure == "leaf" else scalar_network(experiment).equation()
        rng = np.random.default_rng(scenario.seed)
        result = evolve(equation, first, times, **options)
        drawn = [_weights(p, start, rng) for p in result.densities]
        apart = compare_samples(u[-1], drawn[-1], observable="u")
        return np.array([d.std() for d in drawn]), _histogram(drawn[-1], edges), _measured(apart, result.grid_error)
    grids = [Grid.box((edges[0], edges[-1], 4 * BINS)), _box(ensemble.weights["W2"][:, :, 0, 0])]
    starts = tuple(gaussian(g, m, start.std**2) for g, m in zip(grids, np.resize(start.mean, 2), strict=True))
    if closure == "mean-field":
        pair_of = (mean_field(experiment, "W1"), mean_field(experiment, "W2"))
        both = evolve(pair_of, starts, times, **options)
        densities, grid_error, noise = [p[0] for p in both.densities], both.grid_error, 0.0
    else:
        make = conditional if closure == "conditional" else empirical_path
        alone = evolve(make(experiment, "W1", ensemble), starts[0], times, **options)
        densities, grid_error = list(alone.densities), alone.grid_error
        learned = [
            evolve(make(experiment, "W1", half), starts[0], times, **options, estimate_grid_error=False).final
            for half in halves
        ]
        noise = _noise(*learned)
    last = densities[-1]
    measured = _measured(compare_density(last, u[-1], observable="u"), grid_error, noise)
    return np.array([float(p.std[0]) for p in densities]), last.values.reshape(BINS, -1).mean(axis=1), measured


def _halves(ensemble: Ensemble, threads: int | None) -> Iterator[Ensemble]:
    """The two halves of an ensemble, trained again: a replica is the same in any ensemble of its seed."""
    half = ensemble.replicas // 2
    assert ensemble.experiment is not None
    for first in (0, half):
        times, key = ensemble.times.tolist(), ensemble.key
        yield train(ensemble.experiment, replicas=half, times=times, rng=key, first_replica=first, threads=threads)


def _noise(a: Density, b: Density) -> float:
    """Total variation that is owed to what was learned from all replicas, from what was learned from two halves.

    A half has twice the variance of all, the difference of two halves four times: half their distance.
    """
    return 0.25 * float(np.abs(a.values - b.values).sum()) * a.grid.cell_volume


def _measured(apart: Comparison, grid_error: Array, noise: float = 0.0) -> Measured:
    """Distance, floor, spread, z; half the L1 grid error bounds the total variation of any function of the weights."""
    return apart.value, apart.floor, apart.spread, apart.z, 0.5 * float(grid_error[-1]), noise


def _box(samples: Array) -> Grid:
    reach = float(np.ptp(samples))
    return Grid.box((float(samples.min()) - 0.2 * reach, float(samples.max()) + 0.2 * reach, 4 * BINS))


def _normal_pair(start: StartPoint) -> Callable[[Array, Array], Array]:
    (a, b), s = np.resize(start.mean, 2), start.std
    return lambda u, v: np.exp(-((u - a) ** 2 + (v - b) ** 2) / (2 * s * s)) / (2 * np.pi * s * s)


def _weights(density: Density, start: StartPoint, rng: np.random.Generator) -> Array:
    """Draws of ``u`` from a density over (w, q): both signs of (u, v) where the start is symmetric."""
    u, _ = from_valley(*density.sample(DRAWS, rng=rng).T)
    symmetric = not np.any(np.resize(start.mean, 2))
    return u * rng.choice([-1.0, 1.0], size=u.shape) if symmetric else u


def _histogram(values: Array, edges: Array) -> Array:
    return np.histogram(values, edges)[0] / (len(values) * np.diff(edges))


def _record(times: Array, edges: Array, rows: dict[str, Row]) -> xr.Dataset:
    return xr.Dataset(
        {
            "std": (
                ("source", "time"),
                np.array([r[0] for r in rows.values()]),
                {"long_name": "std of u", "units": "1"},
            ),
            "density": (("source", "u"), np.array([r[1] for r in rows.values()]), {"long_name": "density of u"}),
            **{
                name: ("source", [r[2][i] for r in rows.values()], {"long_name": text, "units": "1"})
                for i, (name, text) in enumerate(MEASURED.items())
            },
        },
        {
            "source": list(rows),
            "time": ("time", times, {"long_name": "training time, steps x learning rate", "units": "1"}),
            "u": ("u", 0.5 * (edges[1:] + edges[:-1]), {"long_name": "encoder weight u", "units": "1"}),
        },
    )


def ranking_summary(tree: xr.DataTree) -> xr.Dataset:
    """Widths of all starts and closures, in one data set."""
    starts = xr.DataArray(list(tree.children), dims="start", name="start")
    parts = [group(tree, s, "ranking")[["std", *MEASURED]] for s in starts.values]
    return xr.concat(parts, dim=starts, data_vars="all", coords="minimal", compat="override", join="exact")


def ranking_report(tree: xr.DataTree) -> str:
    """The closures in the order of their distance from the ensemble."""
    lines = []
    for start in tree.children:
        table = group(tree, start, "ranking")
        truth = float(table["std"].sel(source="ensemble").isel(time=-1))
        lines += [f"start {start}, t = {float(table['time'][-1]):g}: std of u in the ensemble {truth:.4f}", ""]
        order = sorted(CLOSURES, key=lambda c: float(table["z"].sel(source=c)))
        lines.append(
            f"{'closure':<22}{'std of u':>10}{'ratio':>8}{'distance':>10}{'floor':>17}{'z':>8}"
            f"{'grid error':>12}{'noise':>10}"
        )
        for closure in order:
            std = float(table["std"].sel(source=closure).isel(time=-1))
            distance, floor, spread, z, grid, noise = (float(table[name].sel(source=closure)) for name in MEASURED)
            learned = f"{noise:.4f}" if noise else "-"
            lines.append(
                f"{LABELS.get(closure, closure):<22}{std:>10.4f}{std / truth:>8.3f}{distance:>10.4f}"
                f"{f'{floor:.4f} ±{spread:.4f}':>17}{z:>8.1f}{grid:>12.1g}{learned:>10}"
            )
        lines.append("")
    lines.append("noise: what a closure that learns from the ensemble owes to its size, from its two halves")
    return "\n".join(lines)


def ranking_figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Widths through time and last densities, one row per start."""
    from matplotlib.figure import Figure

    starts = list(tree.children)
    figure = Figure(figsize=(9.5, 3.4 * len(starts) + 0.5))
    axes = figure.subplots(len(starts), 2, squeeze=False)
    for row, start in zip(axes, starts, strict=True):
        table = group(tree, start, "ranking")
        sources = [str(s) for s in table["source"].values]
        plot_curves(table["time"], {s: table["std"].sel(source=s) for s in sources}, ax=row[0])
        row[0].set_title(f"standard deviation of u, start: {start}")
        row[0].set_ylim(bottom=0)
        tops = {s: float(table["density"].sel(source=s).max()) for s in sources}
        height, cut = 2.2 * tops["ensemble"], []
        for source in sources:
            one = table.sel(source=source)
            plot_marginal(one["u"], one["density"], source=source, ax=row[1], filled=source == "ensemble")
            if tops[source] > height:
                cut.append(f"{LABELS.get(source, source)} reaches {tops[source]:.3g}")
        row[1].set_title(f"density of u at t = {float(table['time'][-1]):g}, start: {start}")
        row[1].set_xlabel("u")
        row[1].set_ylim(0, height)
        row[1].annotate("\n".join(cut), (0.01, 0.98), xycoords="axes fraction", va="top", fontsize=8)
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6)
    yield "ranking", figure


def ranking_shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Closures that claim to be right and miss the ensemble's width, or its density beyond what is known."""
    lines = []
    for start in tree.children:
        table = group(tree, start, "ranking")
        last = table["std"].isel(time=-1)
        truth = float(last.sel(source="ensemble"))
        ratios = {c: float(last.sel(source=c)) / truth for c in EXACT}
        lines += [
            f"start {start}, {closure}: std of u {ratio:.3f} times the ensemble's"
            for closure, ratio in ratios.items()
            if abs(ratio - 1.0) > STRICT_RATIO
        ]
        for closure in EXACT:
            distance, floor, spread, z, grid, noise = (float(table[name].sel(source=closure)) for name in MEASURED)
            beyond = (distance - floor - grid - noise) / spread
            if beyond > STRICT_Z:
                lines.append(f"start {start}, {closure}: z = {z:.1f}, {beyond:.1f} beyond the grid and its own noise")
    return tuple(lines)


KIND = Kind(
    model=RankingScenario,
    check=check_ranking,
    stages=ranking_stages,
    summary=ranking_summary,
    figures=ranking_figures,
    report=ranking_report,
    shortfalls=ranking_shortfalls,
)
