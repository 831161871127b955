"""The stationary law of the scalar auto-encoder, and the learning rate beyond which there is none.

It is the one density of SGD that is known exactly. For f(x) = v u x on fresh normal data with label noise,
q = u^2 - v^2 decays, and on the leaf q = 0 the density of w = u v has a closed form (fpsim.theory.stationary_law). An
ensemble is held against that law, quantile by quantile; medians and growth near w = 0 are measured over learning rates
on both sides of the threshold. The law is that of the Fokker-Planck equation: steps depart from it by O(learning rate).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim import theory
from fpsim.experiment import SGD, Experiment, scalar_experiment
from fpsim.plots import COLOURS, plot_marginal, plot_measured
from fpsim.plots.stationary_states import plot_medians, plot_threshold, plot_way_to_valley
from fpsim.scenario import Column, EnsembleSize, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Positive, StartPoint, Time
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
BINS, MOST_STEPS = 60, 1e8
SMALL = 1e-6  # weights from which growth near zero is measured


class Law(Section):
    """One experiment that has a stationary law."""

    learning_rate: Positive = 0.00125
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    label_noise: Annotated[float, Field(ge=1e-3, le=1e4)] = 20.0
    svag_l: Annotated[int, Field(ge=1, le=4096)] = 1
    """Steps are divided by this and their noise kept, which brings SGD closer to its diffusion limit."""

    @property
    def moments(self) -> tuple[float, float, float]:
        """``c = E x^2``, ``kappa = Var x^2`` of standard normal data, and ``s0 = c label_noise^2``."""
        return 1.0, 2.0, self.label_noise**2

    @property
    def threshold(self) -> float:
        """Learning rate from which on there is no stationary density."""
        return theory.collapse_threshold(*self.moments) * self.batch_size

    def at(self, learning_rate: float) -> theory.BalancedLaw:
        """The law at a learning rate."""
        return theory.BalancedLaw(*self.moments, learning_rate / self.batch_size)

    def experiment(self, learning_rate: float, mean: Any, *, std: float = 0.0, **noise: Any) -> Experiment:
        """The scalar auto-encoder on fresh standard normal data."""
        sgd = SGD(learning_rate, self.batch_size, "fresh", label_noise=self.label_noise, **noise)
        return scalar_experiment(sgd, mean, std=std)


class Collapse(Section):
    """Learning rates on both sides of the threshold, with batch size and label noise of the law, without SVAG."""

    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=40)] = (
        *(0.00125, 0.0025, 0.0035, 0.00425, 0.005, 0.0055, 0.006, 0.007, 0.008),
    )
    end: Positive = 30.0
    growth_end: Annotated[float, Field(gt=0, le=5)] = 2.0
    """Time over which growth near ``w = 0`` is measured."""
    replicas: Annotated[int, Field(ge=100, le=1_000_000)] = 2_000


class StationaryStudy(Parameters):
    """An ensemble of scalar auto-encoders against its exact stationary law."""

    law: Law = Law()
    start: StartPoint = StartPoint(mean=(1.1, 0.8), std=0.1)
    time: Time = Time(end=12.0, records=24)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000, stored=1_500)
    collapse: Collapse = Collapse()

    @model_validator(mode="after")
    def _fits(self) -> StationaryStudy:
        law, part = self.law, self.collapse
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 (u, v) are accepted")
        if not law.learning_rate < law.threshold:
            raise ValueError(
                f"law.learning_rate = {law.learning_rate:g} has no stationary law: below the threshold "
                f"{law.threshold:.4g} = 2 batch_size / (2 + label_noise^2) is accepted"
            )
        steps = self.time.end * law.svag_l / law.learning_rate
        if steps < self.time.records:
            raise ValueError(f"time.records = {self.time.records} is more than the {steps:.0f} steps of the training")
        longest = max(steps, part.end / min(part.learning_rates))
        if longest > MOST_STEPS:
            raise ValueError(f"time.end, collapse.end take {longest:.3g} steps: at most {MOST_STEPS:.0e} are accepted")
        if np.any(np.diff(part.learning_rates) <= 0.0):
            raise ValueError("collapse.learning_rates: increasing numbers are accepted")
        if part.growth_end < part.learning_rates[-1]:
            raise ValueError("collapse.growth_end is shorter than one step of the largest collapse.learning_rates")
        return self


def law(p: StationaryStudy, run: Workbench) -> xr.Dataset:
    """Density and quantiles of ``w`` at the last time, decay of ``q`` through time; diverged replicas are infinite."""
    noise = {"noise": "svag", "svag_l": p.law.svag_l} if p.law.svag_l > 1 else {}
    experiment = p.law.experiment(p.law.learning_rate, p.start.mean, std=p.start.std, **noise)
    times = np.linspace(0.0, p.time.end, p.time.records + 1)
    steps = [experiment.sgd.step(float(t)) for t in times]
    ensemble = run.train(experiment, name="law", replicas=p.ensemble.replicas, steps=steps, seed=p.seed)
    one, two = (ensemble.weights[name][:, :, 0, 0] for name in ("W1", "W2"))
    w, q, exact, few = one * two, one**2 - two**2, p.law.at(p.law.learning_rate), slice(p.ensemble.stored)
    last = np.where(np.isfinite(w[-1]), w[-1], np.inf)
    wanted, errors = exact.quantile(LEVELS), exact.quantile_error(LEVELS, last.size)
    edges = np.linspace(0.0, 1.3 * float(exact.quantile(0.98)), BINS + 1)
    density = np.histogram(last, edges)[0] / (last.size * np.diff(edges))
    with np.errstate(divide="ignore"):
        shares = np.log(np.abs(q / q[0]))
    decay = shares[:, np.isfinite(w[-1]) & np.isfinite(shares).all(axis=0)]
    return xr.Dataset(
        {
            "density": ("w", density, named("density of w, SGD")),
            "exact_density": ("w", exact.averaged(edges), named("density of w, exact, averaged over the bin")),
            "quantile": ("level", np.quantile(last, LEVELS), named("quantile of w, SGD")),
            "quantile_error": ("level", errors, named("standard error of the quantile")),
            "exact_quantile": ("level", wanted, named("quantile of w, exact")),
            "z": ("level", (np.quantile(last, LEVELS) - wanted) / errors, named("departure in standard errors")),
            "balance": ("time", decay.mean(axis=1), named("mean of ln|q / q(0)|, SGD")),
            "balance_error": ("time", decay.std(axis=1) / np.sqrt(decay.shape[1]), named("standard error")),
            "exact_balance": ("time", -exact.balance_rate * times, named("mean of ln|q / q(0)| under the law")),
            "sample_w": (("time", "replica"), w[:, few], named("w of the first replicas")),
            "sample_q": (("time", "replica"), q[:, few], named("q of the first replicas")),
        },
        {
            "w": ("w", 0.5 * (edges[1:] + edges[:-1]), named("w = u v")),
            "level": ("level", LEVELS, named("probability")),
            "time": ("time", times, named("training time, steps x learning rate")),
        },
        {"theta": exact.theta, "replicas": last.size, "diverged": int(np.count_nonzero(~np.isfinite(w[-1])))},
    )


def collapse(p: StationaryStudy, run: Workbench) -> xr.Dataset:
    """Medians of ``|w|`` at the end, from ``w = 1`` on the leaf; growth of ``ln w``, from ``w`` near zero."""
    part, limit, size, label = p.collapse, p.law.threshold, p.law.batch_size, p.law.label_noise
    rates, short = np.array(part.learning_rates), part.growth_end
    around = 0.5 + np.array([-2.0, 0.0, 2.0]) / np.sqrt(part.replicas)  # four standard errors on either side
    low, median, high = np.transpose([np.quantile(np.abs(w), around) for w in _over_rates(p, run, 1.0, part.end, 1)])
    ways = zip(rates, _over_rates(p, run, SMALL, short, 100), strict=True)
    growths = np.array([np.log(np.abs(w) / SMALL**2) / (round(short / rate) * rate) for rate, w in ways])
    error = growths.std(axis=1) / np.sqrt(part.replicas)
    equation = [theory.collapse_rate(*p.law.moments, rate / size) for rate in rates]
    exact = [theory.discrete_collapse_rate(rate, size, variance=1.0, label_noise=label) for rate in rates]
    steps_limit = theory.discrete_collapse_threshold(size, variance=1.0, label_noise=label)
    curve = limit * np.linspace(0.02, 0.98, 49)
    rest, along = ([float(p.law.at(r).quantile(0.5)) if r < limit else 0.0 for r in some] for some in (rates, curve))
    return xr.Dataset(
        {
            "median": ("learning_rate", median, named("median of |w| at the end, SGD")),
            "median_low": ("learning_rate", low, named("lower end of four standard errors")),
            "median_high": ("learning_rate", high, named("upper end of four standard errors")),
            "exact_median": ("learning_rate", rest, named("stationary median; 0 beyond the threshold")),
            "exact_curve": ("curve_rate", along, named("stationary median")),
            "rate": ("learning_rate", growths.mean(axis=1), named("growth rate of ln w near w = 0, SGD")),
            "rate_error": ("learning_rate", error, named("standard error")),
            "limit": ("learning_rate", equation, named("growth rate of the Fokker-Planck equation")),
            "exact_rate": ("learning_rate", exact, named("growth rate of the steps, exact")),
        },
        {n: (n, x, named("learning rate")) for n, x in (("learning_rate", rates), ("curve_rate", curve))},
        {"threshold": limit, "threshold_of_steps": steps_limit},
    )


def _over_rates(p: StationaryStudy, run: Workbench, weight: float, end: float, offset: int) -> Iterator[np.ndarray]:
    """``w`` of all replicas after the time ``end``, one learning rate after the other; diverged ones are infinite."""
    for k, rate in enumerate(p.collapse.learning_rates):
        rule = {"replicas": p.collapse.replicas, "steps": [round(end / rate)], "seed": p.seed + offset + k}
        ensemble = run.train(p.law.experiment(rate, weight), name=f"learning rate {k + 1} from {weight:g}", **rule)
        w = (ensemble.weights["W1"] * ensemble.weights["W2"])[-1].ravel()
        yield np.where(np.isfinite(w), w, np.inf)


def claims(_p: StationaryStudy, run: Results) -> Iterator[Claim]:
    """Quantiles are those of the law and growth rates those of the steps; no symmetric density has such quantiles."""
    found, table = run["law"], run["collapse"]
    for level, value, error, exact in _rows(found, "level", "quantile", "quantile_error", "exact_quantile"):
        yield Claim(f"quantile {level:g} of w is exact", abs(value / exact - 1), error / exact, 0.0)
    for rate, value, error, exact in _rows(table, "learning_rate", "rate", "rate_error", "exact_rate"):
        residual, scaled = 0.5 * abs(value - exact), 0.5 * error  # in units of the growth without noise
        yield Claim(f"growth near w = 0 at learning rate {rate:.4g} is exact", residual, scaled, 0.0)
    weights, width = np.array([1.0, 0.0, -2.0, 0.0, 1.0]), float(np.ptp(found["exact_quantile"].values))
    lean, exact = (float(weights @ found[name].values) / width for name in ("quantile", "exact_quantile"))
    error = float(np.linalg.norm(weights * found["quantile_error"].values)) / width
    if exact > 8.0 * error:  # else a law that is nearly normal
        yield Claim("control: w is spread evenly about its median", abs(lean), error, 0.0, expected="fails")


def _rows(table: xr.Dataset, *names: str) -> Iterator[tuple[float, ...]]:
    return zip(*(table[name].values for name in names), strict=True)


def tables(p: StationaryStudy, run: Results) -> Iterator[Table]:
    """Quantiles against the law; medians and growth rates against the learning rate."""
    found, table = run["law"], run["collapse"]
    share, diverged = p.law.learning_rate / p.law.threshold, found.attrs["diverged"]
    yield Table(
        f"stationary law at {share:.3g} of the threshold: {p.ensemble.replicas} replicas, {diverged} diverged",
        [
            Column("level", LEVELS, ".2f"),
            Column("quantile of w", found["quantile"].values, ".4f", errors=found["quantile_error"].values),
            Column("exact", found["exact_quantile"].values, ".4f"),
            Column("z", found["z"].values, ".1f"),
        ],
    )
    yield Table(
        f"medians of |w| at t = {p.collapse.end:g} and growth near w = 0",
        [
            Column("learning rate", table["learning_rate"].values),
            Column("median", table["median"].values, ".3g"),
            Column("(4 errors)", [f"{a:.3g} .. {b:.3g}" for a, b in _rows(table, "median_low", "median_high")]),
            Column("stationary", table["exact_median"].values, ".3g"),
            Column("growth", table["rate"].values, ".3f", errors=table["rate_error"].values),
            Column("exact", table["exact_rate"].values, ".3f"),
            Column("z", ((table["rate"] - table["exact_rate"]) / table["rate_error"]).values, ".1f"),
            Column("equation", table["limit"].values, ".3f"),
        ],
    )


def conclusions(p: StationaryStudy, run: Results) -> Iterator[str]:
    """How skewed the law is, how fast the leaf is reached, and what becomes of the medians."""
    found, table = run["law"], run["collapse"]
    low, _, middle, _, high = found["quantile"].values
    yield f"The 95 % quantile is {(high - middle) / (middle - low):.3g} times as far from the median as that of 5 %."
    rate, error, exact = (float(found[n][-1]) / p.time.end for n in ("balance", "balance_error", "exact_balance"))
    yield f"ln |q| falls by {-rate:.4g} ± {error:.1g} per unit of time; under the law by {-exact:.4g}."
    yield "Threshold: {threshold:.4g} of the equation, {threshold_of_steps:.4g} of the steps.".format(**table.attrs)
    rates, median, rest = (table[name].values for name in ("learning_rate", "median", "exact_median"))
    late = rates[(rest > 0.0) & (table["median_low"].values > rest)]
    if late.size:
        yield f"Medians at {', '.join(map('{:g}'.format, late))} are still above the stationary ones at the end."
    if not rest.all():
        yield f"Beyond the threshold medians have fallen to {median[rest == 0.0].max():.2g} or less."


def figures(p: StationaryStudy, run: Results) -> Iterator[tuple[str, Figure]]:
    """The way to the balanced leaf and the law on it; collapse beyond the threshold."""
    found, table = run["law"], run["collapse"]
    first = Figure(figsize=(10.5, 3.5))
    valley, balance, density = first.subplots(1, 3)
    plot_way_to_valley(found["time"], found["sample_w"], found["sample_q"], ax=valley)
    valley.set(xlim=(0.0, float(found["w"][-1])), title="replicas come to the leaf q = 0")
    plot_measured(found["time"], found["balance"], found["balance_error"], ax=balance)
    balance.plot(found["time"], found["exact_balance"], color=COLOURS["theory"], label="rate of the law", zorder=2)
    balance.set(title="mean of ln |q / q(0)|: balance decays", xlabel="training time  t")
    plot_marginal(found["w"], found["density"], source="ensemble", ax=density, filled=True)
    plot_marginal(found["w"], found["exact_density"], source="theory", ax=density, label="exact law")
    density.set(title=f"density of w at t = {p.time.end:g}", xlabel="w")
    second = Figure(figsize=(9.5, 3.8))
    left, right = second.subplots(1, 2)
    x, medians = table["learning_rate"], (table[name] for name in ("median", "median_low", "median_high"))
    plot_medians(x, *medians, (table["curve_rate"], table["exact_curve"]), ax=left)
    left.set_title(f"median of |w| at t = {p.collapse.end:g}")
    right.axhline(0.0, color="0.7", linewidth=0.8)
    right.plot(x, table["limit"], color=COLOURS["theory"], label="Fokker-Planck")
    right.plot(x, table["exact_rate"], label="steps, exact", color=COLOURS["mean-field"], linestyle=(0, (5, 2)))
    plot_measured(x, table["rate"], table["rate_error"], ax=right)
    right.set_title("growth rate of ln w near w = 0")
    for ax in (left, right):
        plot_threshold(table.attrs["threshold"], ax=ax)
        ax.set_xlabel("learning rate")
    for ax in (balance, density, left, right):
        ax.legend()
    yield from (("law", first), ("collapse", second))


scenario = Scenario(
    title="Scalar auto-encoder: exact stationary law, and collapse beyond a threshold learning rate",
    subject="Networks, theory against experiment",
    description=__doc__,
    parameters=StationaryStudy(),
    quick={"ensemble.replicas": 3_000, "ensemble.stored": 700, "time.end": 10.0, "time.records": 20}
    | {"collapse.end": 20.0, "collapse.replicas": 500},
    check=lambda p: check_memory(48.0 * (p.time.records + 1) * p.ensemble.replicas, "ensemble.replicas"),
    stages=(law, collapse),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["law"][["quantile", "quantile_error", "exact_quantile", "z"]],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
