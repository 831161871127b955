"""Momentum on a loss whose moments are known exactly: an effective learning rate, and when it is not enough.

At rest momentum mu is a learning rate of eta / (1 - mu), up to the steps' finite size. On the way it is not: once
eta lambda exceeds (1 - sqrt(mu))^2 the weight swings through its minimum. The underdamped (Kramers) equation follows
that; an equation with an effective learning rate cannot (fpsim.theory.momentum).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim.experiment import SGD
from fpsim.plots import COLOURS, plot_measured
from fpsim.scenario import Column, EnsembleSize, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Positive
from fpsim.studies.quadratic import Quadratic, moments_through_training
from fpsim.theory import effective_learning_rate, kramers_moments, momentum_moments, momentum_variance
from fpsim.uncertainty.verdict import Claim

Momentum = Annotated[float, Field(ge=0, lt=1)]
LABELS = {"exact": "exact", "underdamped": "underdamped equation", "effective": "effective learning rate"}
RELAXATIONS = 8.0
"""Logarithm by which the start is forgotten before a variance counts as stationary."""
STYLES = {
    "underdamped": {"color": COLOURS["theory"]},
    "effective": {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2))},
    "exact": {"color": COLOURS["joint"], "linewidth": 1.0},
}


class Rule(Section):
    """How it is trained."""

    learning_rate: Positive = 0.2
    batch_size: Annotated[int, Field(ge=1)] = 4
    momenta: Annotated[tuple[Momentum, ...], Field(min_length=2, max_length=40)] = (
        *(0.0, 0.25, 0.5, 0.7),
        *(0.8, 0.9, 0.95, 0.98),
    )
    """Momenta whose stationary variances are measured, increasing."""
    path: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Momentum whose way to the minimum is recorded."""
    start: Annotated[float, Field(ge=-1e6, le=1e6)] = 2.0
    """Weight at the start of that way; the minimum is at zero."""
    steps: Annotated[int, Field(ge=2, le=100_000)] = 100
    """Steps of that way."""


class MomentumStudy(Parameters):
    """Stationary variance over momenta, and the way to it."""

    problem: Quadratic = Quadratic(curvature=1.0)
    sgd: Rule = Rule()
    ensemble: EnsembleSize = EnsembleSize(replicas=50_000)

    @model_validator(mode="after")
    def _fits(self) -> MomentumStudy:
        reach = self.sgd.learning_rate * self.problem.curvature
        limit = 2.0 * (1.0 + min(*self.sgd.momenta, self.sgd.path))
        if not 1e-6 < reach < limit:
            raise ValueError(
                f"sgd.learning_rate x problem.curvature = {reach:.4g}: 1e-6 to {limit:.4g} = 2 (1 + least momentum) is "
                "accepted"
            )
        if np.any(np.diff(self.sgd.momenta) <= 0.0) or self.sgd.momenta[-1] > 0.9999:
            raise ValueError("sgd.momenta: increasing numbers up to 0.9999 are accepted")
        return self

    @property
    def noise(self) -> float:
        """Variance of the mini-batch gradient."""
        return self.problem.noise**2 / self.sgd.batch_size


def stationary(p: MomentumStudy, run: Workbench) -> xr.Dataset:
    """Variances after many relaxation times of the slowest mode of the steps."""
    rate, curvature, progress = p.sgd.learning_rate, p.problem.curvature, run.progress("stationary variances")
    found = []
    for k, mu in enumerate(p.sgd.momenta):
        sgd = SGD(rate, p.sgd.batch_size, momentum=mu)
        steps = [_relaxed(rate * curvature, mu)]
        found.append(
            moments_through_training(
                p.problem.experiment(sgd),
                replicas=p.ensemble.replicas,
                steps=steps,
                seed=p.seed + k,
                threads=run.threads,
            )
        )
        progress((k + 1) / len(p.sgd.momenta))
    exact = [momentum_variance(rate, mu, curvature, p.noise) for mu in p.sgd.momenta]
    effective = [0.5 * effective_learning_rate(rate, mu) * p.noise / curvature for mu in p.sgd.momenta]
    return xr.Dataset(
        {
            "variance": ("momentum", [float(m.variance[0]) for m in found], named("stationary variance, SGD")),
            "error": ("momentum", [float(m.variance_error[0]) for m in found], named("its standard error")),
            "exact": ("momentum", exact, named("exact stationary variance")),
            "effective": ("momentum", effective, named("stationary variance at the effective learning rate")),
        },
        {"momentum": ("momentum", list(p.sgd.momenta), named("momentum"))},
    )


def _relaxed(reach: float, mu: float) -> int:
    """Steps in which the slowest eigenvalue of ``(W, v) -> (W + v', v')`` falls by ``exp(-RELAXATIONS)``."""
    slowest = float(np.abs(np.linalg.eigvals([[1.0 - reach, mu], [-reach, mu]])).max())
    return int(np.ceil(RELAXATIONS / -np.log(slowest))) if slowest > 0.0 else 2


def path(p: MomentumStudy, run: Workbench) -> xr.Dataset:
    """Mean and variance at every step from a start away from the minimum: ensemble and three theories."""
    rule, steps = p.sgd, np.arange(p.sgd.steps + 1)
    sgd = SGD(rule.learning_rate, rule.batch_size, momentum=rule.path)
    found = moments_through_training(
        p.problem.experiment(sgd, rule.start),
        replicas=p.ensemble.replicas,
        steps=steps.tolist(),
        seed=p.seed + 1000,
        threads=run.threads,
        progress=run.progress("the way to the minimum"),
    )
    problem = rule.learning_rate, rule.path, p.problem.curvature, p.noise
    theories = {
        "exact": momentum_moments(*problem, steps, start=rule.start),
        "underdamped": kramers_moments(*problem, steps, start=rule.start),
        "effective": _effective(p, steps),
    }
    mean = np.array([found.mean, *(m for m, _ in theories.values())])
    variance = np.array([found.variance, *(v for _, v in theories.values())])
    return xr.Dataset(
        {
            "mean": (("source", "step"), mean, named("mean of the weight")),
            "variance": (("source", "step"), variance, named("variance of the weight")),
            "mean_error": ("step", found.mean_error, named("standard error of the ensemble's mean")),
            "variance_error": ("step", found.variance_error, named("standard error of the ensemble's variance")),
        },
        {"source": ["ensemble", *theories], "step": ("step", steps, named("step"))},
    )


def _effective(p: MomentumStudy, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Ornstein-Uhlenbeck process with the effective learning rate."""
    rate = effective_learning_rate(p.sgd.learning_rate, p.sgd.path)
    decay = np.exp(-rate * p.problem.curvature * steps)
    return p.sgd.start * decay, 0.5 * rate * p.noise / p.problem.curvature * (1.0 - decay**2)


def claims(p: MomentumStudy, run: Results) -> Iterator[Claim]:
    """Exact formulas hold; the effective learning rate fails on the way, and at rest where steps are large."""
    table, way = run["stationary"], run["path"]
    for mu, variance, exact, error in zip(p.sgd.momenta, *_columns(table, "variance", "exact", "error"), strict=True):
        yield Claim(f"stationary variance at momentum {mu:g} is exact", abs(variance / exact - 1), error / exact, 0.0)
    for source, expected in (("exact", "holds"), ("effective", "fails")):
        for name in ("mean", "variance"):
            gap = np.abs(way[name].sel(source=source) - way[name].sel(source="ensemble"))
            worst = int(np.argmax((gap / np.maximum(way[f"{name}_error"], 1e-12)).values))
            scale = float(np.abs(way[name].sel(source="exact")).max())
            residual, error = float(gap[worst]) / scale, float(way[f"{name}_error"][worst]) / scale
            yield Claim(f"{name} on the way, {LABELS[source]}", residual, error, 0.0, expected=expected)


def _columns(table: xr.Dataset, *names: str) -> list[np.ndarray]:
    return [table[name].values for name in names]


def tables(p: MomentumStudy, run: Results) -> Iterator[Table]:
    """Stationary variances, then how far each theory is from the ensemble's way."""
    found = run["stationary"]
    variance, error, exact, effective = _columns(found, "variance", "error", "exact", "effective")
    yield Table(
        "stationary variance",
        [
            Column("momentum", found["momentum"].values),
            Column("SGD", variance, ".5g", errors=error),
            Column("exact", exact, ".5g"),
            Column("z", (variance - exact) / error, ".1f"),
            Column("effective learning rate", effective, ".5g"),
            Column("off by", effective / exact - 1, "+.1%"),
        ],
    )
    way = run["path"]
    off = {n: [_farthest(way, n, source) for source in LABELS] for n in ("mean", "variance")}
    four = {n: 4.0 * float(way[f"{n}_error"].max()) for n in off}
    yield Table(
        f"farthest from SGD on the way, momentum {p.sgd.path:g}",
        [
            Column("theory", [*LABELS.values(), "four standard errors of SGD"]),
            *(Column(n, [*off[n], four[n]], ".4f") for n in off),
        ],
    )


def _farthest(way: xr.Dataset, name: str, source: str) -> float:
    return float(np.abs(way[name].sel(source=source) - way[name].sel(source="ensemble")).max())


def conclusions(p: MomentumStudy, run: Results) -> Iterator[str]:
    """What the numbers say of the effective learning rate."""
    found = run["stationary"]
    off = (found["effective"] / found["exact"] - 1).values
    span = float(found["variance"].max() / found["variance"].min())
    yield (
        f"At rest the effective learning rate is right to {np.abs(off).max():.1%} over variances that differ by a "
        f"factor of {span:.3g}."
    )
    limit = (1.0 - p.sgd.path**0.5) ** 2 / p.problem.curvature
    swings = p.sgd.learning_rate > limit
    yield (
        f"At momentum {p.sgd.path:g} learning rates beyond {limit:.3g} swing through the minimum; this one, "
        f"{p.sgd.learning_rate:g}, {'does' if swings else 'does not'}."
    )


def figures(p: MomentumStudy, run: Results) -> Iterator[tuple[str, Figure]]:
    """Stationary variance over momenta; mean and variance on the way."""
    table, way = run["stationary"], run["path"]
    figure = Figure(figsize=(11.5, 3.9))
    left, *others = figure.subplots(1, 3)
    x = 1.0 - table["momentum"].values
    left.plot(x, table["exact"] / table["effective"], color=COLOURS["joint"], label="exact")
    left.axhline(1.0, label=LABELS["effective"], **STYLES["effective"])
    plot_measured(x, table["variance"] / table["effective"], table["error"] / table["effective"], ax=left)
    left.set(xscale="log", xlabel="1 − momentum", title="stationary variance, in units of η S / 2λ(1 − μ)")
    low, high = left.get_ylim()
    left.set_ylim(low, high + 0.35 * (high - low))
    left.legend(fontsize=8, loc="upper left")
    few = way.isel(step=slice(None, None, max(1, way.sizes["step"] // 40)))
    for ax, name in zip(others, ("mean", "variance"), strict=True):
        for source, style in STYLES.items():
            ax.plot(way["step"], way[name].sel(source=source), label=LABELS[source], **style)
        plot_measured(few["step"], few[name].sel(source="ensemble"), few[f"{name}_error"], ax=ax, markersize=3)
        ax.set(title=f"{name} of the weight, momentum {p.sgd.path:g}", xlabel="steps")
    others[0].axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    others[0].legend(fontsize=8)
    others[1].set_ylim(bottom=0.0)
    yield "momentum", figure


scenario = Scenario(
    title="Momentum: an effective learning rate in the end, but not on the way",
    subject="Stochastic gradient descent",
    description=__doc__,
    parameters=MomentumStudy(),
    quick={"ensemble.replicas": 10_000},
    stages=(stationary, path),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["stationary"],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
