"""The learning rate as an ultraviolet cutoff: naive and improved lines of constant physics.

What has to change with the learning rate eta so that nothing else changes? Halving it together with the batch keeps the
noise, but not the drift: the difference is of order eta. Adding (eta / 8) |grad L|^2 to the loss of the halved one as
well keeps both, and the difference is of order eta^2 or less (fpsim.diagnostics.callan_symanzik). In linear regression
all is in closed form; in the auto-encoder on a training set it is real SGD, both cutoffs with the same samples. The
naive line is the control of the claim, and half the learning rate without label noise that of the identities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.density import Grid
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.network import BottleneckAutoEncoder
from fpsim.paths import simulate
from fpsim.plots.renormalisation import plot_cutoff
from fpsim.scenario import Column, Parameters, Results, Scenario, Table, Workbench, named
from fpsim.scenario.judgement import records_of, stored_records
from fpsim.scenario.parameters.sections import Data, EnsembleSize, NetworkShape, Positive, Section, StartPoint
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim, Identity, control

Array = NDArray[np.float64]
OBSERVABLES = {"regression": ("E δ", "E δ²"), "autoencoder": ("E f", "E f²")}
TITLES = {"regression": "linear regression, closed form", "autoencoder": "auto-encoder, SGD"}
LINES = ("naive", "improved")
PATHS, TIMES, STEP = 20_000, 9, 0.02


class Cutoff(Section):
    """Learning rates at the coarse ends, and what is kept fixed."""

    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=12)] = (0.2, 0.1, 0.05, 0.025)
    batch_size: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 8
    """Batch at the coarse ends; half of it at the fine ones."""
    time: Positive = 1.0
    """Training time at which both are compared, a multiple of every learning rate."""


class Regression(Section):
    """Linear regression of one weight on normal samples of variance one."""

    noise: Annotated[float, Field(ge=0)] = 0.3
    """Standard deviation of the targets' noise."""
    start: float = 1.0
    """Distance from the best weight at time zero; not zero, where it would stay at any cutoff."""


class CutoffScaling(Parameters):
    """Slopes of the difference between two cutoffs against the learning rate."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 20250705
    cutoff: Cutoff = Cutoff()
    regression: Regression = Regression()
    data: Data = Data()
    network: NetworkShape = NetworkShape()
    start: StartPoint = StartPoint(mean=(0.6, 0.2), std=0.1)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)

    @model_validator(mode="after")
    def _fits(self) -> CutoffScaling:
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
        shape = BottleneckAutoEncoder(self.data.components, self.network.bottleneck, self.network.activation)
        return cs.NetworkLoss(shape, self.data.load(rng=self.seed)[0].x)


def check(p: CutoffScaling) -> None:
    """Refuse networks that do not exist and ensembles that do not fit into memory."""
    entries = 2 * p.network.bottleneck * p.data.components
    check_memory(48.0 * entries * p.ensemble.replicas, f"ensemble.replicas = {p.ensemble.replicas}")
    _ = p.loss


def regression(p: CutoffScaling, run: Workbench) -> xr.Dataset:
    """Differences in closed form; identities of the regression's equation, by quadrature and by sample paths."""
    start, cutoff = p.regression.start, p.cutoff
    model, rate = cs.LinearRegression(np.ones((1, 1)), p.regression.noise), max(cutoff.learning_rates)
    found = model.scaling(
        np.array([start]),
        np.array([[start**2]]),
        time=cutoff.time,
        learning_rates=cutoff.learning_rates,
        batch_size=cutoff.batch_size,
    )
    equation = model.equation(rate, cutoff.batch_size)
    quiet = cs.LinearRegression(np.ones((1, 1))).equation(0.5 * rate, cutoff.batch_size)
    reach, outputs = 1.5 * abs(start) + 1.0, cs.Outputs(lambda d: [d])
    times = np.linspace(0.0, cutoff.time, TIMES)
    paths = simulate(equation, np.full((PATHS, 1), start), times, step=STEP, rng=p.seed).positions
    laws = [cs.SampleExpectation(x) for x in paths]
    backward = equation, Grid.box((-reach, reach, 512)), outputs, (0, 0), 0.5 * cutoff.time
    false = "half the learning rate, no label noise"
    records = [
        replace(cs.backward_residual(*backward), name="I1 (backward), regression, E[δ² | w]"),
        control(replace(cs.backward_residual(*backward, against=quiet), name=f"control: I1 with {false}")),
        replace(cs.hierarchy_residual(times, laws, outputs, equation), name="I2 (hierarchy), regression, paths"),
        control(replace(cs.hierarchy_residual(times, laws, outputs, quiet), name=f"control: I2 with {false}")),
    ]
    return _scaling("regression", found, records)


def autoencoder(p: CutoffScaling, run: Workbench) -> xr.Dataset:
    """Differences of the output at the first principal axis, whose second moment in the data is one."""
    loss, cutoff, rng = p.loss, p.cutoff, np.random.default_rng(p.seed)
    entries = p.network.bottleneck * p.data.components
    mean = np.tile(np.resize(p.start.mean, entries), 2)
    start = mean + p.start.std * rng.standard_normal((p.ensemble.replicas, 2 * entries))
    output = cs.network_outputs(loss.network, np.eye(1, p.data.components), component=0)

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
        progress=run.progress("auto-encoder at both cutoffs"),
    )
    return _scaling("autoencoder", found, [])


def _scaling(name: str, found: cs.CutoffScaling, records: Iterable[Identity | Claim]) -> xr.Dataset:
    """Differences and slopes of both lines, and the claims about the slopes."""
    differences, slopes = (found.naive, found.improved), (found.naive_slope, found.improved_slope)
    claimed = list(records)
    for k, observable in enumerate(OBSERVABLES[name]):
        label = f"slope at least 2, {name}"
        claimed.append(replace(found.claim(observable=k), name=f"{label}, improved, {observable}"))
        naive = replace(found.claim(observable=k, line="naive"), name=f"control: {label}, naive, {observable}")
        claimed.append(control(naive))
    over, beside = ("line", "learning_rate", "observable"), ("line", "observable")
    variables = {
        "difference": (over, np.array([d.value for d in differences]), named("difference between cutoffs")),
        "difference_error": (over, np.array([d.error for d in differences]), named("its standard error")),
        "slope": (beside, np.array([s.value for s in slopes]), named("slope against the learning rate")),
        "slope_error": (beside, np.array([s.error for s in slopes]), named("its standard error")),
    }
    coordinates = {
        "line": list(LINES),
        "learning_rate": ("learning_rate", found.learning_rates, named("learning rate")),
        "observable": list(OBSERVABLES[name]),
    }
    return xr.Dataset(variables, coordinates).merge(stored_records(claimed))


def claims(p: CutoffScaling, run: Results) -> Iterator[Identity | Claim]:
    """Identities of the regression; slopes of both systems."""
    for name in OBSERVABLES:
        yield from records_of(run[name])


def tables(p: CutoffScaling, run: Results) -> Iterator[Table]:
    """Differences and slopes, one table for each system."""
    for name in OBSERVABLES:
        cells = run[name].stack(cell=("line", "observable"))
        lines = [f"{line}, {observable}" for line, observable in cells["cell"].values]
        sampled = bool(cells["difference_error"].any())
        columns = [Column("line", lines)]
        for rate in cells["learning_rate"].values:
            one = cells.sel(learning_rate=rate)
            errors = one["difference_error"].values if sampled else None
            columns.append(Column(f"η = {rate:g}", one["difference"].values, ".3g", errors=errors))
        errors = cells["slope_error"].values if sampled else None
        columns.append(Column("slope", cells["slope"].values, ".3f", errors=errors))
        yield Table(f"difference between η and η / 2, {TITLES[name]}", columns)


def conclusions(p: CutoffScaling, run: Results) -> Iterator[str]:
    """What improvement gains at the smallest learning rate."""
    for name in OBSERVABLES:
        one = run[name].isel(observable=0)
        last = np.abs(one["difference"].sel(learning_rate=min(p.cutoff.learning_rates)))
        naive, improved = (float(last.sel(line=line)) for line in LINES)
        slopes = " and ".join(f"{float(one['slope'].sel(line=line)):.3g} ({line})" for line in LINES)
        yield (
            f"{TITLES[name]}: {OBSERVABLES[name][0]} falls with slopes {slopes}; at learning rate "
            f"{min(p.cutoff.learning_rates):g} the improved line leaves {improved / naive:.2g} of the naive difference."
        )


def summary(p: CutoffScaling, run: Results) -> xr.Dataset:
    """Slopes of both systems, for the first and second moment."""
    parts = [
        run[name][["slope", "slope_error"]].rename(observable="moment").assign_coords(moment=[1, 2])
        for name in OBSERVABLES
    ]
    return xr.concat(parts, dim=xr.DataArray(list(OBSERVABLES), dims="system", name="system"))


def figures(p: CutoffScaling, run: Results) -> Iterator[tuple[str, Figure]]:
    """Differences of the first moment against the learning rate, with reference slopes."""
    found = {name: run[name].isel(observable=0) for name in OBSERVABLES if name in run}
    figure = Figure(figsize=(5.4, 3.4 * len(found) + 0.5))
    axes = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (name, one) in zip(axes, found.items(), strict=True):
        lines = {line: (one["difference"].sel(line=line), one["difference_error"].sel(line=line)) for line in LINES}
        plot_cutoff(one["learning_rate"], lines, ax=ax, slopes={"naive": 1.0, "improved": 2.0})
        ax.set_title(f"{TITLES[name]}: {OBSERVABLES[name][0]}")
        ax.set_ylabel("difference  η  to  η / 2")
        ax.set_xlabel("learning rate  η" if ax is axes[-1] else "")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    yield "cutoff-slopes", figure


scenario = Scenario(
    title="The learning rate as a cutoff: naive and improved lines of constant physics",
    subject="Callan-Symanzik",
    description=__doc__,
    parameters=CutoffScaling(),
    quick={"ensemble.replicas": 20_000, "cutoff.learning_rates": [0.2, 0.1, 0.05]},
    check=check,
    stages=(regression, autoencoder),
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
