"""Learning rates and batch sizes: widths collapse on theta = eta c_B, and depart from it in two ways.

Does the noise of SGD depend on learning rate over batch size only? Ensembles of a linear auto-encoder with weight
decay, which isolates its minimum, train at every pair of learning rate eta and batch size B. To leading order the
stationary covariance is theta = eta c_B times one matrix, the Lyapunov equation's; c_B is 1 / B for independent draws,
(n - B) / (B (n - 1)) for B of n without replacement. Two corrections are kept apart: steps of finite size, a function
of the learning rate alone, which the discrete Lyapunov equation knows (fpsim.theory.stationary_covariance), and the
width of the ensemble, whose relative size is proportional to theta again and has to vanish with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder, mean_loss
from fpsim.plots import COLOURS
from fpsim.plots.stationary_states import plot_collapse, plot_departures
from fpsim.scenario import Column, Each, Parameters, Results, Scenario, Table, Workbench, named
from fpsim.scenario.parameters.sections import Data, EnsembleSize, NetworkShape, Positive, Section, StartPoint
from fpsim.scenario.records import entry_names
from fpsim.scenario.training import train_kept
from fpsim.support.errors import ConfigError
from fpsim.support.memory import check_memory
from fpsim.theory import landscape_of, minimum_near, stationary_covariance
from fpsim.theory.landscape import hessian
from fpsim.theory.stationary_covariance import steps_to_rest, unrelaxed_share
from fpsim.uncertainty.verdict import Claim, control

LearningRates = Annotated[tuple[Positive, ...], Field(min_length=2, max_length=12)]
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
MOST_STEPS = 1e7
MOST_ENTRIES = 4  # of a matrix: the theory's covariance has as many squared, four times
NARROW = 0.1  # largest theta whose cells enter the fit of the departures
UNRELAXED = 1e-3  # share of the stationary squared width that may be missing at the end: less than samples show
VISIBLE = 0.05  # departure by finite steps from which on the collapse on theta alone has to fail


class Sweep(Section):
    """The grid of learning rates and batch sizes, and what all its cells share."""

    learning_rates: LearningRates = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
    """Increasing."""
    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=2, max_length=12)] = (1, 2, 4, 8, 16, 32)
    """Increasing."""
    sampling: Literal["iid", "without_replacement"] = "iid"
    weight_decay: Annotated[float, Field(gt=0, le=100)] = 0.3
    end: Positive = 12.0
    """Training time of every cell, from the minimum: long enough for stationary widths."""


class BatchSweep(Parameters):
    """Stationary widths over a grid of learning rates and batch sizes."""

    data: Data = Data(source="iris")
    network: NetworkShape = NetworkShape()
    start: StartPoint = StartPoint(mean=(0.9, 0.0))
    sweep: Sweep = Sweep()
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)

    @model_validator(mode="after")
    def _fits(self) -> BatchSweep:
        entries = self.network.bottleneck * self.data.components
        if self.network.activation != "linear" or entries > MOST_ENTRIES:
            raise ValueError(
                f"network.activation = {self.network.activation!r} with {entries} entries a matrix: linear with at "
                f"most {MOST_ENTRIES} (network.bottleneck x data.components) is accepted"
            )
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != entries:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or {entries} are accepted")
        for name in ("learning_rates", "batch_sizes"):
            if np.any(np.diff(getattr(self.sweep, name)) <= 0):
                raise ValueError(f"sweep.{name}: increasing numbers are accepted")
        steps = self.sweep.end / np.array(self.sweep.learning_rates)
        if steps.max() > MOST_STEPS or steps.min() < 1.0:
            raise ValueError(
                f"sweep.end = {self.sweep.end:g} takes {steps.min():.3g} to {steps.max():.3g} steps at these "
                f"learning rates: 1 to {MOST_STEPS:.0e} are accepted"
            )
        return self

    def experiment(self, learning_rate: float, batch_size: int, start: np.ndarray) -> Experiment:
        """One cell of the grid: weights begin at ``start``, ``W1`` before ``W2``, each in C order."""
        k, d = self.network.bottleneck, self.data.components
        return Experiment(
            self.data.load(rng=self.seed)[0],
            BottleneckAutoEncoder(d, k),
            SGD(learning_rate, batch_size, self.sweep.sampling, weight_decay=self.sweep.weight_decay),
            Start.point({"W1": start[: k * d].reshape(k, d), "W2": start[k * d :].reshape(d, k)}),
        )


def check(p: BatchSweep) -> None:
    """Refuse cells that the experiment or the theory does not allow (``ConfigError``, ...)."""
    entries = 2 * p.network.bottleneck * p.data.components
    check_memory(48.0 * entries * p.ensemble.replicas, "ensemble.replicas")
    theory(p)


def theory(p: BatchSweep, run: Results | None = None) -> xr.Dataset:
    """Minimum and covariances per unit of ``theta``: leading order, and with steps of finite size."""
    part, d, k = p.sweep, p.data.components, p.network.bottleneck
    guess = np.tile(np.resize(p.start.mean, d * k), 2)
    guess[d * k :] = guess[d * k :].reshape(k, d).T.ravel()  # W2 begins at the transpose of W1
    experiment = p.experiment(part.learning_rates[0], max(part.batch_sizes), guess)
    landscape, factor = landscape_of(experiment), experiment.batch_factor
    if factor == 0.0:
        raise ConfigError("sweep.batch_sizes: a batch of all samples has no noise; fewer samples are accepted")
    minimum = minimum_near(landscape, guess)
    leading = stationary_covariance(landscape, 1.0, minimum) / factor
    if not np.trace(leading) > 1e-12:
        raise ConfigError(
            f"sweep.weight_decay = {part.weight_decay:g}: the minimum {np.round(minimum, 4).tolist()} has no noise; "
            "a weight decay below the largest second moment of the data is accepted"
        )
    rates = part.learning_rates
    discrete = [stationary_covariance(landscape, r, minimum, discrete=True) / (r * factor) for r in rates]
    curvature = hessian(landscape, minimum)
    lacks = [unrelaxed_share(curvature, c, r, round(part.end / r)) for r, c in zip(rates, discrete, strict=True)]
    if max(lacks) > UNRELAXED:
        least = max(r * steps_to_rest(curvature, c, r, UNRELAXED) for r, c in zip(rates, discrete, strict=True))
        raise ConfigError(
            f"sweep.end = {part.end:g}: squared widths lack a share of {max(lacks):.2g} of their stationary value; "
            f"{least:.10g} or more is accepted"
        )
    each = np.array([np.diag(c) for c in discrete])
    return xr.Dataset(
        {
            "minimum": ("weight", minimum, named("weight at the minimum")),
            "leading": ("weight", np.diag(leading), named("variance per theta, Lyapunov equation")),
            "discrete": (("learning_rate", "weight"), each, named("variance per theta, steps of finite size")),
            "unrelaxed": ("learning_rate", lacks, named("share of the squared width that is missing at the end")),
        },
        {
            "weight": [*entry_names("W1", (k, d)), *entry_names("W2", (d, k))],
            "learning_rate": ("learning_rate", list(rates), named("learning rate")),
        },
    )


def _rows(p: BatchSweep) -> Iterable[tuple[str, str]]:
    return [("rows", f"rate_{k + 1}") for k in range(len(p.sweep.learning_rates))]


def row(p: BatchSweep, run: Workbench, _rows: str, name: str) -> xr.Dataset:
    """Variances of all batch sizes at one learning rate, with standard errors from the replicas."""
    k, part, minimum = int(name.removeprefix("rate_")) - 1, p.sweep, run["theory"]["minimum"]
    rate = part.learning_rates[k]
    progress, cells = run.progress(f"learning rate {rate:g}"), []
    size = {"replicas": p.ensemble.replicas, "steps": [round(part.end / rate)]}
    size |= {"checkpoint": None, "threads": run.threads}  # a cell takes seconds
    for j, batch in enumerate(part.batch_sizes):
        experiment = p.experiment(rate, batch, minimum.values)
        ensemble = train_kept(experiment, **size, seed=p.seed + 1000 * k + j, stage=f"cell {k} {j}")
        alive = ~ensemble.divergence.mask
        weights = {matrix: w[-1][alive] for matrix, w in ensemble.weights.items()}
        rows = np.concatenate([w.reshape(len(w), -1) for w in weights.values()], axis=1)
        square = (rows - rows.mean(axis=0)) ** 2
        width = square.sum(axis=1)
        loss = mean_loss(experiment.network, weights, experiment.data.x, threads=run.threads).mean()
        error = width.std() / np.sqrt(len(rows))
        cells.append((rate * experiment.batch_factor, square.mean(axis=0), width.mean(), error, loss))
        progress((j + 1) / len(part.batch_sizes))
    theta, variance, width2, width2_error, loss = map(np.array, zip(*cells, strict=True))
    return xr.Dataset(
        {
            "theta": ("batch_size", theta, named("learning rate x batch factor c_B")),
            "variance": (("batch_size", "weight"), variance, named("variance of the weight")),
            "width2": ("batch_size", width2, named("squared width, sum of all variances")),
            "width2_error": ("batch_size", width2_error, named("standard error of the squared width")),
            "loss": ("batch_size", loss, named("mean loss of a replica")),
        },
        {
            "batch_size": ("batch_size", list(part.batch_sizes), named("batch size")),
            "weight": run["theory"]["weight"].values,
        },
        {"learning_rate": rate},
    )


def grid(p: BatchSweep, run: Workbench) -> xr.Dataset:
    """All cells with their departures from the collapse, and the curve that those of narrow ensembles lie on."""
    exact = run["theory"]
    cells = xr.concat([run["/".join(keys)] for keys in _rows(p)], dim=exact["learning_rate"], join="exact")
    leading, discrete = (cells["theta"] * exact[name].sum("weight") for name in ("leading", "discrete"))
    found = cells.assign(
        departure=(cells["width2"] / leading - 1.0).assign_attrs(named("departure from the collapse on theta")),
        departure_error=(cells["width2_error"] / leading).assign_attrs(named("standard error of the departure")),
        finite_step=(discrete / leading - 1.0).assign_attrs(named("departure that steps of finite size explain")),
        rest=(cells["width2"] / discrete - 1.0).assign_attrs(named("departure from the discrete Lyapunov equation")),
        rest_error=(cells["width2_error"] / discrete).assign_attrs(named("standard error of the rest")),
    )
    narrow = found["theta"].values <= NARROW
    x, y, e = (found[name].values[narrow] for name in ("theta", "rest", "rest_error"))
    if x.size < 4:
        return found.assign_attrs(dict.fromkeys(("intercept", "intercept_error", "slope", "curvature", "chi2"), np.nan))
    fit, covariance = np.polyfit(x, y, 2, w=1.0 / e, cov="unscaled")
    error, chi2 = float(np.sqrt(covariance[2, 2])), float(np.sum(((y - np.polyval(fit, x)) / e) ** 2))
    names = dict(zip(("curvature", "slope", "intercept"), fit, strict=True))
    return found.assign_attrs(intercept_error=error, narrow=NARROW, chi2=chi2, freedom=x.size - 3, **names)


def claims(p: BatchSweep, run: Results) -> Iterator[Claim]:
    """The rest vanishes with theta and is a function of theta alone; without finite steps, no collapse."""
    cells, a = run["grid"], run["grid"].attrs
    yield Claim("the rest vanishes with theta", abs(a["intercept"]), a["intercept_error"], 0.0)
    freedom = a.get("freedom", 1)  # chi^2 has the mean m and the variance 2 m
    excess = max(0.0, a["chi2"] / freedom - 1.0)
    yield Claim("the rest is a function of theta alone", excess, np.sqrt(2.0 / freedom), 0.0)
    last = cells.isel(learning_rate=-1, batch_size=-1)
    if float(last["finite_step"]) > VISIBLE:
        departure, error = abs(float(last["departure"])), float(last["departure_error"])
        yield control(Claim("widths collapse on theta without finite steps", departure, error, 0.0))


def tables(p: BatchSweep, run: Results) -> Iterator[Table]:
    """Squared width over that of the Lyapunov equation, cell by cell."""
    cells, exact = run["grid"], run["theory"]
    yield Table(
        f"squared width / ({float(exact['leading'].sum()):.5g} theta), which is 1 on the collapse",
        [
            Column("learning rate", cells["learning_rate"].values),
            *(Column(f"B={b}", 1.0 + cells["departure"].sel(batch_size=b).values, ".3f") for b in p.sweep.batch_sizes),
            Column("mean error", cells["departure_error"].mean("batch_size").values, ".3f"),
            Column("finite steps", 1.0 + cells["finite_step"].isel(batch_size=0).values, ".3f"),
        ],
        notes=[f"at the end at most {float(exact['unrelaxed'].max()):.1g} of a stationary width is missing"],
    )


def conclusions(p: BatchSweep, run: Results) -> Iterator[str]:
    """How far the collapse reaches, and what is left of it."""
    cells, a = run["grid"], run["grid"].attrs
    span = float(cells["width2"].max() / cells["width2"].min())
    farthest = np.abs(cells["departure"]).max("batch_size").values
    yield (
        f"Squared widths that differ by a factor of {span:.3g} lie within {farthest[0]:.1%} of the Lyapunov equation "
        f"at the smallest learning rate and within {farthest[-1]:.1%} at the largest, where steps of finite size "
        f"explain {float(cells['finite_step'][-1, 0]):.1%}."
    )
    if np.isfinite(a["intercept"]):
        yield (
            f"Beyond finite steps, for theta <= {a['narrow']:g}, what is left is {a['intercept']:+.4f} "
            f"± {a['intercept_error']:.4f} {a['slope']:+.3g} theta {a['curvature']:+.3g} theta^2; about this line "
            f"chi^2 is {a['chi2']:.0f} for {a['freedom']} degrees of freedom."
        )


def figures(p: BatchSweep, run: Results) -> Iterator[tuple[str, Figure]]:
    """Squared widths against ``theta``; departures against the learning rate; what is left against ``theta``."""
    cells, a = run["grid"], run["grid"].attrs
    rates, theta = cells["learning_rate"].values, cells["theta"].values
    ends = theta.min() / 1.5, theta.max() * 1.5
    figure = Figure(figsize=(11.5, 4.0))
    left, middle, right = figure.subplots(1, 3)
    line = float(run["theory"]["leading"].sum()) * np.array(ends)
    left.plot(ends, line, color=COLOURS["theory"], label="Lyapunov equation")
    plot_collapse(theta, cells["width2"], cells["width2_error"], rates, ax=left)
    left.set(xscale="log", yscale="log", xlabel="θ = η c_B", title="squared width of all weights")
    left.legend(fontsize=8)
    plot_departures(rates, cells["departure"], cells["departure_error"], cells["finite_step"][:, 0], ax=middle)
    if np.isfinite(a["intercept"]):
        t = np.geomspace(ends[0], a["narrow"], 80)
        fit = np.polyval([a["curvature"], a["slope"], a["intercept"]], t)
        right.plot(t, fit, color="0.35", label="fit to narrow ensembles")
    plot_collapse(theta, cells["rest"], cells["rest_error"], rates, ax=right)
    right.set(xscale="log", xlabel="θ = η c_B", title="what finite steps leave unexplained")
    for ax in (middle, right):
        ax.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
        ax.legend(*(part[:1] for part in ax.get_legend_handles_labels()), fontsize=8, loc="upper left")
    yield "collapse", figure


scenario = Scenario(
    title="Learning rates and batch sizes: widths collapse on their ratio",
    subject="Stochastic gradient descent",
    description=__doc__,
    parameters=BatchSweep(),
    quick={"ensemble.replicas": 4_000, "sweep.end": 9.0},
    check=check,
    stages=(theory, Each(row, over=_rows), grid),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["grid"].drop_attrs(deep=False),
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
