"""Shuffled epochs against independent batches, on a loss whose variances are known exactly.

Sampling is physics. Within a shuffled epoch the noises of the batches sum to zero, so that the variance of the weight
rises and falls like a bridge, and at the ends of epochs hardly any is left; the plain Fokker-Planck equation, which
knows independent batches only, does not apply, and the run warns of it (fpsim.theory.shuffled_epochs). The second part
compares both ways of drawing over learning rates: where weights relax within an epoch the difference is lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from fpsim.experiment import SGD
from fpsim.experiment.settings import Sampling
from fpsim.plots import COLOURS, plot_measured
from fpsim.scenario import Column, EnsembleSize, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Positive
from fpsim.studies.quadratic import Quadratic, moments_through_training
from fpsim.support.errors import ValidityWarning
from fpsim.theory import epoch_variance_path, iid_variance_path
from fpsim.uncertainty.verdict import Claim

LABELS: dict[Sampling, str] = {
    "iid": "independent, iid",
    "without_replacement": "independent, distinct",
    "epochs": "shuffled epochs",
}
COLOUR_OF = {"iid": COLOURS["ensemble"], "without_replacement": COLOURS["leaf"], "epochs": COLOURS["joint"]}
RELAXATIONS = 4.0
"""Relaxation times of the weight after which its variance counts as stationary: to 3e-4."""


class Epochs(Section):
    """How it is trained."""

    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1)] = 4
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 12
    """Epochs through which the variance is recorded at every step."""
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=40)] = (
        *(0.0125, 0.025, 0.05, 0.1, 0.2),
        *(0.4, 0.8, 1.6, 3.0, 4.5),
    )
    """Learning rates of the second part, increasing."""


class ShuffledEpochs(Parameters):
    """Variance through training, and at rest over learning rates."""

    problem: Quadratic = Quadratic()
    sgd: Epochs = Epochs()
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)

    @model_validator(mode="after")
    def _fits(self) -> ShuffledEpochs:
        batch, samples = self.sgd.batch_size, self.problem.samples
        if samples % batch or samples == batch:
            raise ValueError(
                f"sgd.batch_size = {batch}: a divisor of problem.samples = {samples} that is smaller is accepted"
            )
        limit = 2.0 / self.problem.curvature
        if max(self.sgd.learning_rate, *self.sgd.learning_rates) >= limit:
            raise ValueError(f"learning rates below 2 / problem.curvature = {limit:.4g} are accepted")
        if min(self.sgd.learning_rates) * self.problem.curvature < 1e-6:
            raise ValueError("sgd.learning_rates: products with problem.curvature from 1e-6 on are accepted")
        if np.any(np.diff(self.sgd.learning_rates) <= 0.0):
            raise ValueError("sgd.learning_rates: increasing numbers are accepted")
        return self

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return self.problem.samples // self.sgd.batch_size

    def exact(self, sampling: Sampling, rate: float, steps: Any) -> Any:
        """Exact variance of the weight after steps from its minimum."""
        q, batch = self.problem, self.sgd.batch_size
        if sampling == "epochs":
            return epoch_variance_path(rate, q.curvature, q.noise**2, samples=q.samples, batch_size=batch, steps=steps)
        factor = q.experiment(SGD(rate, batch, sampling)).batch_factor
        return iid_variance_path(rate, q.curvature, q.noise**2, batch_factor=factor, steps=steps)


def training(p: ShuffledEpochs, run: Workbench) -> xr.Dataset:
    """Variance at every step for every sampling, exact and by the plain Fokker-Planck equation."""
    rate, q = p.sgd.learning_rate, p.problem
    steps = np.arange(p.batches * p.sgd.epochs + 1)
    rows: dict[str, list[Any]] = {name: [] for name in ("variance", "error", "exact", "equation")}
    told = ""
    for k, sampling in enumerate(LABELS):
        experiment = q.experiment(SGD(rate, p.sgd.batch_size, sampling))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            experiment.warn_if_noise_is_not_white()
        told = next((str(w.message) for w in caught), told)
        found = moments_through_training(
            experiment,
            replicas=p.ensemble.replicas,
            steps=steps.tolist(),
            seed=p.seed + k,
            threads=run.threads,
            progress=run.progress(f"train, {sampling}"),
        )
        rows["variance"].append(found.variance)
        rows["error"].append(found.variance_error)
        rows["exact"].append(p.exact(sampling, rate, steps))
        diffusion = 0.5 * rate * experiment.batch_factor * q.noise**2
        rows["equation"].append(diffusion / q.curvature * -np.expm1(-2.0 * q.curvature * rate * steps))
    warnings.warn(told, ValidityWarning, stacklevel=2)
    names = {
        "variance": "variance of the weight, SGD",
        "error": "standard error of the variance",
        "exact": "exact variance",
        "equation": "variance by the plain Fokker-Planck equation with D = eta c_B Sigma / 2",
    }
    return xr.Dataset(
        {name: (("sampling", "step"), np.array(rows[name]), named(text)) for name, text in names.items()},
        {
            "sampling": list(LABELS),
            "step": ("step", steps, named("step")),
            "time": ("step", rate * steps, named("training time, steps x learning rate")),
        },
        {"batches": p.batches, "warning": told},
    )


def rates(p: ShuffledEpochs, run: Workbench) -> xr.Dataset:
    """Stationary variances at the end and in the middle of an epoch, and of independent batches."""
    q, m, progress = p.problem, p.batches, run.progress("learning rates")
    learning_rates = np.array(p.sgd.learning_rates)
    rows: dict[str, list[Any]] = {name: [] for name in ("variance", "error", "exact")}
    for k, rate in enumerate(p.sgd.learning_rates):
        decay = -np.log(max(abs(1.0 - rate * q.curvature), np.exp(-RELAXATIONS)))
        end = m * (1 + int(np.ceil(RELAXATIONS / (m * decay))))
        steps: dict[Sampling, list[int]] = {"without_replacement": [end], "epochs": [end, end + m // 2]}
        for j, (sampling, recorded) in enumerate(steps.items()):
            found = moments_through_training(
                q.experiment(SGD(rate, p.sgd.batch_size, sampling)),
                replicas=p.ensemble.replicas,
                steps=recorded,
                seed=p.seed + 100 * (k + 1) + j,
                threads=run.threads,
            )
            rows["variance"].append(found.variance)
            rows["error"].append(found.variance_error)
            rows["exact"].append(p.exact(sampling, rate, recorded))
        progress((k + 1) / len(learning_rates))
    names = {"variance": "stationary variance, SGD", "error": "standard error", "exact": "exact variance"}
    relaxations = learning_rates * q.curvature * m
    text = "relaxations within an epoch, learning rate x curvature x batches"
    table = xr.Dataset(
        {
            name: (("learning_rate", "place"), np.concatenate(rows[name]).reshape(-1, 3), named(said))
            for name, said in names.items()
        },
        {
            "learning_rate": ("learning_rate", learning_rates, named("learning rate")),
            "place": ["independent", "end of epoch", "middle of epoch"],
            "relaxations": ("learning_rate", relaxations, named(text)),
        },
    )
    one, other = (table.sel(place=place, drop=True) for place in ("independent", "end of epoch"))
    relative = np.hypot(one["error"] / one["variance"], other["error"] / other["variance"])
    factor = one["variance"] / other["variance"]
    return table.assign(
        factor=factor.assign_attrs(named("variance of independent batches over that of shuffled epochs")),
        factor_error=(factor * relative).assign_attrs(named("standard error of the factor")),
        exact_factor=(one["exact"] / other["exact"]).assign_attrs(named("exact factor")),
    )


def claims(p: ShuffledEpochs, run: Results) -> Iterator[Claim]:
    """Variances are the exact ones; the plain Fokker-Planck equation fails where weights hardly relax in an epoch."""
    last = run["training"].isel(step=-1)
    cells = run["rates"].stack(cell=("learning_rate", "place"))
    names = [f"{LABELS[s]}, last step" for s in last["sampling"].values]
    names += [f"{place}, learning rate {rate:g}" for rate, place in cells["cell"].values]
    columns = (np.concatenate([last[n].values, cells[n].values]) for n in ("variance", "exact", "error"))
    for name, variance, exact, error in zip(names, *columns, strict=True):
        yield Claim(f"variance, {name}", abs(variance / exact - 1.0), error / exact, 0.0)
    if p.sgd.learning_rate * p.problem.curvature * p.batches < 1.0:
        variance, error, equation = (float(last[n].sel(sampling="epochs")) for n in ("variance", "error", "equation"))
        residual = abs(variance / equation - 1.0)
        yield Claim("plain Fokker-Planck, shuffled epochs", residual, error / equation, 0.1, expected="fails")


def tables(p: ShuffledEpochs, run: Results) -> Iterator[Table]:
    """Variances at the end of training, then the factor over learning rates."""
    last = run["training"].isel(step=-1)
    variance, error, exact, equation = (last[n].values for n in ("variance", "error", "exact", "equation"))
    yield Table(
        f"variance after {int(last['step'])} steps, {p.sgd.epochs} epochs",
        [
            Column("sampling", list(LABELS.values())),
            Column("SGD", variance, ".4g", errors=error),
            Column("exact", exact),
            Column("z", (variance - exact) / error, ".1f"),
            Column("Fokker-Planck", equation),
            Column("over exact", equation / exact, ".3g"),
        ],
        notes=[f"warning: {last.attrs['warning']}"],
    )
    found = run["rates"]
    factor, error, exact = (found[n].values for n in ("factor", "factor_error", "exact_factor"))
    yield Table(
        "variance at rest, independent batches over shuffled epochs",
        [
            Column("learning rate", found["learning_rate"].values),
            Column("relaxations an epoch", found["relaxations"].values, ".3g"),
            Column("SGD", factor, ".4g", errors=error),
            Column("exact", exact),
            Column("z", (factor - exact) / error, ".1f"),
        ],
    )


def conclusions(p: ShuffledEpochs, run: Results) -> Iterator[str]:
    """What is left of the noise at the ends of epochs, and where the two ways of drawing agree."""
    last, found = run["training"].isel(step=-1), run["rates"]
    independent, shuffled = (float(last["variance"].sel(sampling=s)) for s in ("without_replacement", "epochs"))
    equation = float(last["equation"].sel(sampling="epochs"))
    yield (
        f"After {p.sgd.epochs} epochs at learning rate {p.sgd.learning_rate:g} independent batches leave "
        f"{independent / shuffled:.3g} times the variance of shuffled epochs, and the plain Fokker-Planck equation "
        f"gives {equation / shuffled:.3g} times as much."
    )
    factor, relaxations = found["factor"].values, found["relaxations"].values
    yield (
        f"At rest the factor is {factor[0]:.3g} with {relaxations[0]:.2g} relaxations an epoch and {factor[-1]:.3g} "
        f"with {relaxations[-1]:.2g}."
    )


def figures(p: ShuffledEpochs, run: Results) -> Iterator[tuple[str, Figure]]:
    """Variance through training, its bridges within the last epochs, and the factor over learning rates."""
    way, factor, m = run["training"], run["rates"], p.batches
    figure = Figure(figsize=(11.5, 3.9))
    left, middle, right = figure.subplots(1, 3)
    _draw_training(left, way, m)
    bridge = way.sel(sampling="epochs").isel(step=slice(-3 * m - 1, None))
    middle.plot(bridge["step"] / m, bridge["exact"], color=COLOUR_OF["epochs"], label="exact")
    plot_measured(bridge["step"] / m, bridge["variance"], bridge["error"], ax=middle, markersize=3)
    middle.set_ylim(bottom=0.0, top=1.45 * float(bridge["variance"].max()))
    middle.set(title="shuffled: a bridge in every epoch", xlabel="epochs")
    middle.legend()
    right.plot(factor["relaxations"], factor["exact_factor"], color=COLOURS["theory"], label="exact")
    plot_measured(factor["relaxations"], factor["factor"], factor["factor_error"], ax=right)
    right.axhline(1.0, color="0.7", linewidth=0.8)
    right.set(xscale="log", yscale="log", xlabel="η λ M, relaxations within an epoch")
    right.set_title("variance, independent / shuffled")
    right.legend()
    yield "epochs", figure


def _draw_training(ax: Axes, way: xr.Dataset, m: int) -> None:
    for sampling, label in LABELS.items():
        one = way.sel(sampling=sampling).isel(step=slice(1, None))
        half = max(1, m // 2)
        few = one.isel(step=slice(half - 1, None, half))  # the middle and the end of every epoch
        ax.plot(one["time"], one["exact"], color=COLOUR_OF[sampling], linewidth=1.1)
        style: dict[str, Any] = {"colour": COLOUR_OF[sampling], "label": label, "markersize": 3}
        plot_measured(few["time"], few["variance"], few["error"], ax=ax, **style)
    plain = way["equation"].sel(sampling="epochs").isel(step=slice(1, None))
    dashes: dict[str, Any] = {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2)), "zorder": 4}
    ax.plot(plain["time"], plain, label="plain Fokker-Planck", **dashes)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * 12.0)
    ax.set(title="variance of the weight; lines: exact", xlabel="training time  t")
    ax.legend(fontsize=8, loc="upper right", ncols=2)


scenario = Scenario(
    title="Shuffled epochs against independent batches: what is left of the noise",
    subject="Stochastic gradient descent",
    description=__doc__,
    parameters=ShuffledEpochs(),
    quick={"ensemble.replicas": 4_000},
    stages=(training, rates),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["rates"][["factor", "factor_error", "exact_factor"]].drop_attrs(deep=False),
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
