"""The learning rate as a cutoff: which trainings are the same up to O(eta^2)?

Ends of a step ``eta -> eta / 2`` at fixed time, on the naive line (half the batch) and on the improved one (half the
batch, and ``L + (eta / 8) |grad L|^2``): linear regression in closed form, and an auto-encoder with real SGD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.datasets import digits, iris
from fpsim.density import Grid
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.network import BottleneckAutoEncoder
from fpsim.paths import simulate
from fpsim.plots.renormalisation import plot_cutoff
from fpsim.scenario.judgement import (
    CONTROL,
    collected_verdicts,
    controlled_verdicts,
    part,
    shortfalls_of,
    verdict_lines,
)
from fpsim.scenario.parameters.sections import (
    Data,
    EnsembleSize,
    NetworkShape,
    Positive,
    ScenarioBase,
    Section,
    StartPoint,
)
from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import Kind
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KIND", "CutoffScalingScenario"]

Array = NDArray[np.float64]
OBSERVABLES = {"regression": ("E δ", "E δ²"), "autoencoder": ("E f", "E f²")}
TITLES = {"regression": "linear regression, closed form: E δ", "autoencoder": "auto-encoder, SGD: E f"}
LINES = ("naive", "improved")
PATHS, TIMES, STEP = 20_000, 9, 0.02


class Cutoff(Section):
    """Learning rates at the coarse ends, and what is kept fixed."""

    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=12)] = (0.2, 0.1, 0.05, 0.025)
    batch_size: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 8
    time: Positive = 1.0
    """A multiple of every learning rate."""


class Regression(Section):
    """Linear regression of one weight on normal samples of variance one."""

    noise: Annotated[float, Field(ge=0)] = 0.3
    start: float = 1.0
    """Distance from the best weight at time zero; not zero, where it would stay at any cutoff."""


class CutoffScalingScenario(ScenarioBase):
    """Slopes of the difference between two cutoffs against the learning rate."""

    kind: Literal["cutoff-scaling"] = "cutoff-scaling"
    cutoff: Cutoff = Cutoff()
    regression: Regression = Regression()
    data: Data = Data()
    network: NetworkShape = NetworkShape()
    start: StartPoint = StartPoint(mean=(0.6, 0.2), std=0.1)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)

    @model_validator(mode="after")
    def _fits(self) -> CutoffScalingScenario:
        steps = self.cutoff.time / np.array(self.cutoff.learning_rates)
        if (np.round(steps) < 1).any() or not np.allclose(steps, np.round(steps)):
            raise ValueError(
                f"cutoff.time = {self.cutoff.time} with learning rates {self.cutoff.learning_rates}: a multiple of "
                "every one of them is accepted"
            )
        if len(set(self.cutoff.learning_rates)) < len(self.cutoff.learning_rates):
            raise ValueError("cutoff.learning_rates repeat: different ones are accepted")
        if self.regression.start == 0.0:
            raise ValueError("regression.start is the best weight: a start away from it is accepted")
        entries = self.network.bottleneck * self.data.components
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != entries:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or {entries} are accepted")
        return self

    @property
    def loss(self) -> cs.NetworkLoss:
        """The network on its training set."""
        data = (digits if self.data.source == "digits" else iris)(components=self.data.components)
        shape = BottleneckAutoEncoder(self.data.components, self.network.bottleneck, self.network.activation)
        return cs.NetworkLoss(shape, data.x)


def check_cutoff_scaling(scenario: CutoffScalingScenario) -> None:
    """Refuse networks that do not exist and ensembles that do not fit into memory."""
    entries = 2 * scenario.network.bottleneck * scenario.data.components
    check_memory(48.0 * entries * scenario.ensemble.replicas, f"ensemble.replicas = {scenario.ensemble.replicas}")
    _ = scenario.loss


def cutoff_scaling_stages(
    scenario: CutoffScalingScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/regression`` and ``/autoencoder``: ``scaling``; and ``/verdicts`` of each."""
    del threads  # plain NumPy
    if "/verdicts/regression" not in done.groups:
        yield _regression(scenario)
    if "/verdicts/autoencoder" not in done.groups:
        yield _autoencoder(scenario, report)


def _regression(scenario: CutoffScalingScenario) -> dict[str, xr.Dataset]:
    start, cutoff = scenario.regression.start, scenario.cutoff
    model = cs.LinearRegression(np.ones((1, 1)), scenario.regression.noise)
    found = model.scaling(
        np.array([start]),
        np.array([[start**2]]),
        time=cutoff.time,
        learning_rates=cutoff.learning_rates,
        batch_size=cutoff.batch_size,
    )
    equation = model.equation(max(cutoff.learning_rates), cutoff.batch_size)
    quiet = cs.LinearRegression(np.ones((1, 1))).equation(0.5 * max(cutoff.learning_rates), cutoff.batch_size)
    reach = 1.5 * abs(start) + 1.0
    grid, outputs = Grid.box((-reach, reach, 512)), cs.Outputs(lambda d: [d])
    times = np.linspace(0.0, cutoff.time, TIMES)
    paths = simulate(equation, np.full((PATHS, 1), start), times, step=STEP, rng=scenario.seed).positions
    laws = [cs.SampleExpectation(x) for x in paths]
    identities: dict[str, cs.Identity | cs.Claim] = {
        "I1 (backward), regression, E[δ² | w]": cs.backward_residual(
            equation, grid, outputs, (0, 0), 0.5 * cutoff.time
        ),
        CONTROL + "I1 with half the learning rate, no label noise": cs.backward_residual(
            equation, grid, outputs, (0, 0), 0.5 * cutoff.time, against=quiet
        ),
        "I2 (hierarchy), regression, paths": cs.hierarchy_residual(times, laws, outputs, equation),
        CONTROL + "I2 with half the learning rate, no label noise": cs.hierarchy_residual(times, laws, outputs, quiet),
    }
    return _record("regression", found, identities)


def _autoencoder(scenario: CutoffScalingScenario, report: Reporter) -> dict[str, xr.Dataset]:
    """Output at the first principal axis, whose second moment in the data is one."""
    loss, cutoff = scenario.loss, scenario.cutoff
    rng = np.random.default_rng(scenario.seed)
    entries = scenario.network.bottleneck * scenario.data.components
    mean = np.tile(np.resize(scenario.start.mean, entries), 2)
    start = mean + scenario.start.std * rng.standard_normal((scenario.ensemble.replicas, 2 * entries))
    output = cs.network_outputs(loss.network, np.eye(1, scenario.data.components), component=0)

    def observable(w: Array) -> Array:
        f = output.values(list(w.T))[0]
        return np.stack([f, f * f], axis=1)

    found = cs.cutoff_scaling(
        loss,
        start,
        time=cutoff.time,
        learning_rates=cutoff.learning_rates,
        batch_size=cutoff.batch_size,
        observable=observable,
        rng=rng,
        progress=report("auto-encoder at both cutoffs"),
    )
    return _record("autoencoder", found, {})


def _record(
    name: str, found: cs.CutoffScaling, identities: Mapping[str, cs.Identity | cs.Claim]
) -> dict[str, xr.Dataset]:
    pairs = {"naive": (found.naive, found.naive_slope), "improved": (found.improved, found.improved_slope)}
    one = {"units": "1"}
    over = ("line", "learning_rate", "observable")
    variables = {
        "difference": (over, np.array([d.value for d, _ in pairs.values()]), {"long_name": "between cutoffs", **one}),
        "difference_error": (over, np.array([d.error for d, _ in pairs.values()]), {"long_name": "its error", **one}),
        "slope": (
            ("line", "observable"),
            np.array([s.value for _, s in pairs.values()]),
            {"long_name": "slope", **one},
        ),
        "slope_error": (("line", "observable"), np.array([s.error for _, s in pairs.values()]), {**one}),
    }
    coordinates = {
        "line": list(pairs),
        "learning_rate": ("learning_rate", found.learning_rates, {"long_name": "learning rate", **one}),
        "observable": list(OBSERVABLES[name]),
    }
    verdicts = dict(identities)
    for k, observable in enumerate(OBSERVABLES[name]):
        verdicts[f"slope at least 2, {name}, improved, {observable}"] = found.claim(observable=k)
        verdicts[f"{CONTROL}slope at least 2, {name}, naive, {observable}"] = found.claim(observable=k, line="naive")
    return {
        f"/{name}/scaling": xr.Dataset(variables, coordinates),
        f"/verdicts/{name}": part(controlled_verdicts(verdicts), name),
    }


def _tables(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    return {name: group(tree, name, "scaling") for name in OBSERVABLES if f"/{name}/scaling" in tree.groups}


def cutoff_scaling_summary(tree: xr.DataTree) -> xr.Dataset:
    """Slopes of both systems, for the first and second moment."""
    tables = _tables(tree)
    if not tables:
        return xr.Dataset()
    parts = [
        t[["slope", "slope_error"]].rename(observable="moment").assign_coords(moment=[1, 2]) for t in tables.values()
    ]
    return xr.concat(parts, dim=xr.DataArray(list(tables), dims="system", name="system"))


def cutoff_scaling_report(tree: xr.DataTree) -> str:
    """Identities, claims and slopes."""
    if "verdicts" not in tree.children:
        return "the run is not complete"
    lines = verdict_lines(collected_verdicts(tree, "verdicts"))
    for name, scaling in _tables(tree).items():
        rates = scaling["learning_rate"].values
        lines.append(f"{name:<24}" + "".join(f"{f'η = {eta:g}':>20}" for eta in rates) + f"{'slope':>18}")
        for line in LINES:
            for observable in scaling["observable"].values:
                one = scaling.sel(line=line, observable=observable)
                pairs = zip(one["difference"].values, one["difference_error"].values, strict=True)
                row = "".join(f"{f'{d:.3g} ± {e:.0e}' if e else f'{d:.3g}':>20}" for d, e in pairs)
                slope, error = float(one["slope"]), float(one["slope_error"])
                found = f"{slope:.3f} ± {error:.1g}" if error else f"{slope:.3f}"
                lines.append(f"{f'{line}, {observable}':<24}{row}{found:>18}")
        lines.append("")
    return "\n".join(lines)


def cutoff_scaling_figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Differences against the learning rate, with reference slopes."""
    from matplotlib.figure import Figure

    tables = _tables(tree)
    if not tables:
        return
    figure = Figure(figsize=(5.4, 3.4 * len(tables) + 0.5))
    axes = figure.subplots(len(tables), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        one = table.isel(observable=0)
        lines = {line: (one["difference"].sel(line=line), one["difference_error"].sel(line=line)) for line in LINES}
        plot_cutoff(one["learning_rate"], lines, ax=ax, slopes={"naive": 1.0, "improved": 2.0})
        ax.set_title(TITLES[name])
        ax.set_ylabel("difference  η  to  η / 2")
        ax.set_xlabel("learning rate  η" if ax is axes[-1] else "")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    yield "cutoff-slopes", figure


def cutoff_scaling_shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities, claims and controls with another verdict than expected."""
    return shortfalls_of(collected_verdicts(tree, "verdicts"))


KIND = Kind(
    model=CutoffScalingScenario,
    check=check_cutoff_scaling,
    stages=cutoff_scaling_stages,
    summary=cutoff_scaling_summary,
    figures=cutoff_scaling_figures,
    report=cutoff_scaling_report,
    shortfalls=cutoff_scaling_shortfalls,
)
