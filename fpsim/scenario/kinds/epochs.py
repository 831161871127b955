"""Shuffled epochs against independent batches, on a loss whose variances are known exactly.

Within an epoch the noises of the batches sum to zero: the variance rises like a bridge and falls again, and at the ends
of epochs it is far below what the plain Fokker-Planck equation gives, which does not apply
(:mod:`fpsim.theory.shuffling`). Second part: the factor over learning rates, which tends to one when weights relax
within an epoch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from fpsim.errors import ValidityWarning
from fpsim.experiment import SGD
from fpsim.plots import COLOURS
from fpsim.plots.sgd_axes import plot_measured
from fpsim.progress import Reporter
from fpsim.scenario.kind import Kind
from fpsim.scenario.quadratic import Quadratic, moments_through_training
from fpsim.scenario.records import group
from fpsim.scenario.sections import EnsembleSize, Positive, ScenarioBase, Section
from fpsim.theory import epoch_variance_path, iid_variance_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fpsim.experiment.settings import Sampling

__all__ = ["KIND", "EpochsScenario"]

SAMPLINGS: tuple[Sampling, ...] = ("iid", "without_replacement", "epochs")
COLOUR_OF = {"iid": COLOURS["ensemble"], "without_replacement": COLOURS["leaf"], "epochs": COLOURS["joint"]}
LABEL_OF = {"iid": "independent, iid", "without_replacement": "independent, distinct", "epochs": "shuffled epochs"}
RELAXATIONS = 4.0
"""Relaxation times of the weight after which its variance counts as stationary: to 3e-4."""
STRICT_Z = 4.0


class Epochs(Section):
    """How it is trained."""

    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1)] = 4
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 12
    """Epochs through which the variance is recorded at every step."""
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=40)] = (0.025, 0.05, 0.1)
    """Learning rates of the second part."""


class EpochsScenario(ScenarioBase):
    """Shuffled epochs against independent batches."""

    kind: Literal["epochs"] = "epochs"
    problem: Quadratic = Quadratic()
    sgd: Epochs = Epochs()
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)

    @model_validator(mode="after")
    def _fits(self) -> EpochsScenario:
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


def check(scenario: EpochsScenario) -> None:
    """Everything was checked with the values: moments are streamed, so that any size fits."""


def stages(
    scenario: EpochsScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/training`` and ``/rates``."""
    if "/training" not in done.groups:
        yield {"/training": _training(scenario, threads, report)}
    if "/rates" not in done.groups:
        yield {"/rates": _factor(scenario, threads, report("learning rates"))}


def _exact(scenario: EpochsScenario, sampling: Sampling, rate: float, steps: Any) -> Any:
    p, batch = scenario.problem, scenario.sgd.batch_size
    if sampling == "epochs":
        return epoch_variance_path(rate, p.curvature, p.noise**2, samples=p.samples, batch_size=batch, steps=steps)
    factor = p.experiment(SGD(rate, batch, sampling)).batch_factor
    return iid_variance_path(rate, p.curvature, p.noise**2, batch_factor=factor, steps=steps)


def _training(scenario: EpochsScenario, threads: int | None, report: Reporter) -> xr.Dataset:
    """Variance at every step for every sampling, exact and by the plain Fokker-Planck equation."""
    rate, p = scenario.sgd.learning_rate, scenario.problem
    steps = np.arange(scenario.batches * scenario.sgd.epochs + 1)
    rows: dict[str, list[Any]] = {name: [] for name in ("variance", "error", "exact", "equation")}
    told = ""
    for k, sampling in enumerate(SAMPLINGS):
        experiment = p.experiment(SGD(rate, scenario.sgd.batch_size, sampling))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            experiment.warn_if_noise_is_not_white()
        told = next((str(w.message) for w in caught), told)
        found = moments_through_training(
            experiment,
            replicas=scenario.ensemble.replicas,
            steps=steps.tolist(),
            seed=scenario.seed + k,
            threads=threads,
            progress=report(f"train, {sampling}"),
        )
        rows["variance"].append(found.variance)
        rows["error"].append(found.variance_error)
        rows["exact"].append(_exact(scenario, sampling, rate, steps))
        diffusion = 0.5 * rate * experiment.batch_factor * p.noise**2
        rows["equation"].append(diffusion / p.curvature * -np.expm1(-2.0 * p.curvature * rate * steps))
    warnings.warn(told, ValidityWarning, stacklevel=2)
    names = {
        "variance": "variance of the weight, SGD",
        "error": "standard error of the variance",
        "exact": "exact variance",
        "equation": "variance by the plain Fokker-Planck equation with D = eta c_B Sigma / 2",
    }
    return xr.Dataset(
        {name: (("sampling", "step"), np.array(rows[name]), _named(text)) for name, text in names.items()},
        {
            "sampling": list(SAMPLINGS),
            "step": ("step", steps, _named("step")),
            "time": ("step", rate * steps, _named("training time, steps x learning rate")),
        },
        {"batches": scenario.batches, "warning": told},
    )


def _factor(scenario: EpochsScenario, threads: int | None, progress: Any) -> xr.Dataset:
    """Stationary variances at the end and in the middle of an epoch, and of independent batches."""
    p, m = scenario.problem, scenario.batches
    rates = np.array(scenario.sgd.learning_rates)
    rows: dict[str, list[Any]] = {name: [] for name in ("variance", "error", "exact")}
    for k, rate in enumerate(rates):
        decay = -np.log(max(abs(1.0 - rate * p.curvature), np.exp(-RELAXATIONS)))
        epochs = 1 + int(np.ceil(RELAXATIONS / (m * decay)))
        steps = [epochs * m, epochs * m + m // 2]
        for j, sampling in enumerate(SAMPLINGS[1:]):
            found = moments_through_training(
                p.experiment(SGD(float(rate), scenario.sgd.batch_size, sampling)),
                replicas=scenario.ensemble.replicas,
                steps=steps if sampling == "epochs" else steps[:1],
                seed=scenario.seed + 100 * (k + 1) + j,
                threads=threads,
            )
            rows["variance"].append(found.variance)
            rows["error"].append(found.variance_error)
            rows["exact"].append(_exact(scenario, sampling, float(rate), steps if sampling == "epochs" else steps[:1]))
        progress(k + 1, len(rates))
    names = {"variance": "stationary variance, SGD", "error": "standard error", "exact": "exact variance"}
    tables = {
        name: (("learning_rate", "place"), np.concatenate(rows[name]).reshape(len(rates), 3), _named(text))
        for name, text in names.items()
    }
    table = xr.Dataset(
        tables,
        {
            "learning_rate": ("learning_rate", rates, _named("learning rate")),
            "place": ["independent", "end of epoch", "middle of epoch"],
            "relaxations": (
                "learning_rate",
                rates * p.curvature * m,
                _named("relaxations within an epoch, learning rate x curvature x batches"),
            ),
        },
    )
    one, other = (table.sel(place=place, drop=True) for place in ("independent", "end of epoch"))
    relative = np.hypot(one["error"] / one["variance"], other["error"] / other["variance"])
    factor = one["variance"] / other["variance"]
    return table.assign(
        factor=factor.assign_attrs(_named("variance of independent batches over that of shuffled epochs")),
        factor_error=(factor * relative).assign_attrs(_named("standard error of the factor")),
        exact_factor=(one["exact"] / other["exact"]).assign_attrs(_named("exact factor")),
    )


def _named(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the factor over learning rates."""
    return group(tree, "rates")[["factor", "factor_error", "exact_factor"]].drop_attrs(deep=False)


def report(tree: xr.DataTree) -> str:
    """Variances at the end of training, then the factor over learning rates."""
    if "rates" not in tree.children:
        return "the run is not complete"
    training, factor = group(tree, "training"), group(tree, "rates")
    last = training.isel(step=-1)
    lines = [
        f"after {int(last['step'])} steps, {int(last['step']) // training.attrs['batches']} epochs",
        f"{'sampling':<24}{'variance':>22}{'exact':>11}{'z':>6}{'Fokker-Planck':>16}{'off by':>9}",
    ]
    for sampling in last["sampling"].values:
        one = last.sel(sampling=sampling)
        value, error, exact, equation = (float(one[n]) for n in ("variance", "error", "exact", "equation"))
        found = f"{value:.4g} ±{error:.1g}"
        z = f"{(value - exact) / error:>6.1f}"
        lines.append(f"{LABEL_OF[sampling]:<24}{found:>22}{exact:>11.4g}{z}{equation:>16.4g}{equation / exact:>9.3g}")
    lines += ["", f"warning: {training.attrs['warning']}", ""]
    lines += [f"{'learning rate':>14}{'relaxations an epoch':>22}{'independent / shuffled':>26}{'exact':>9}{'z':>6}"]
    for rate in factor["learning_rate"].values:
        one = factor.sel(learning_rate=rate)
        value, error, exact = (float(one[n]) for n in ("factor", "factor_error", "exact_factor"))
        lines.append(
            f"{rate:>14.4g}{float(one['relaxations']):>22.3g}{f'{value:.4g} ±{error:.2g}':>26}{exact:>9.4g}"
            f"{(value - exact) / error:>6.1f}"
        )
    return "\n".join(lines)


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Variance through training, its bridges within the last epochs, and the factor over learning rates."""
    from matplotlib.figure import Figure

    training, factor = group(tree, "training"), group(tree, "rates")
    figure = Figure(figsize=(11.5, 3.9))
    left, middle, right = figure.subplots(1, 3)
    _draw_training(left, training)
    m = training.attrs["batches"]
    bridge = training.sel(sampling="epochs").isel(step=slice(-3 * m - 1, None))
    middle.plot(bridge["step"] / m, bridge["exact"], color=COLOUR_OF["epochs"], label="exact")
    plot_measured(bridge["step"] / m, bridge["variance"], bridge["error"], ax=middle, markersize=3)
    middle.set_ylim(bottom=0.0, top=1.45 * float(bridge["variance"].max()))
    middle.set_title("shuffled: a bridge in every epoch")
    middle.set_xlabel("epochs")
    middle.legend()
    x = factor["relaxations"]
    right.plot(x, factor["exact_factor"], color=COLOURS["theory"], label="exact")
    plot_measured(x, factor["factor"], factor["factor_error"], ax=right)
    right.axhline(1.0, color="0.7", linewidth=0.8)
    right.set(xscale="log", yscale="log", xlabel="η λ M, relaxations within an epoch")
    right.set_title("variance, independent / shuffled")
    right.legend()
    yield "epochs", figure


def _draw_training(ax: Axes, training: xr.Dataset) -> None:
    m = training.attrs["batches"]
    for sampling in training["sampling"].values:
        one = training.sel(sampling=sampling).isel(step=slice(1, None))
        half = max(1, m // 2)
        few = one.isel(step=slice(half - 1, None, half))  # the middle and the end of every epoch
        colour, label = COLOUR_OF[sampling], LABEL_OF[sampling]
        ax.plot(one["time"], one["exact"], color=colour, linewidth=1.1)
        plot_measured(few["time"], few["variance"], few["error"], ax=ax, colour=colour, label=label, markersize=3)
    one = training.sel(sampling="epochs")
    style: dict[str, Any] = {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2)), "zorder": 4}
    ax.plot(one["time"][1:], one["equation"][1:], label="plain Fokker-Planck", **style)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * 12.0)
    ax.set_title("variance of the weight; lines: exact")
    ax.set_xlabel("training time  t")
    ax.legend(fontsize=8, loc="upper right", ncols=2)


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Variances more than four standard errors from exact, after training and over learning rates."""
    last, rates = group(tree, "training").isel(step=-1), group(tree, "rates")
    tables = (
        (last, "sampling", "{}, last step"),
        (rates.stack(cell=("place", "learning_rate")), "cell", "{0[0]}, {0[1]:g}"),
    )
    lines = []
    for table, dimension, text in tables:
        z = ((table["variance"] - table["exact"]) / table["error"]).values
        names = table[dimension].values
        lines += [
            f"variance, {text.format(name)}: {value:.1f} standard errors from exact"
            for name, value in zip(names, z, strict=True)
            if not abs(value) <= STRICT_Z
        ]
    return tuple(lines)


KIND = Kind(
    model=EpochsScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
