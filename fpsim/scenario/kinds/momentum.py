"""Momentum on a loss whose moments are known exactly: an effective learning rate, and when it is not enough.

To leading order momentum ``mu`` amounts to the learning rate ``eta / (1 - mu)``, and the stationary variance says so at
every ``mu``, up to the steps' finite size. The way there is another matter: once ``eta lambda`` exceeds
``(1 - sqrt(mu))^2`` the weight swings through its minimum, which the underdamped (Kramers) equation follows and no
effective learning rate can (:mod:`fpsim.theory.momentum`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.experiment import SGD
from fpsim.plots import COLOURS
from fpsim.plots.sgd_axes import plot_measured
from fpsim.progress import Reporter
from fpsim.scenario.kind import Kind
from fpsim.scenario.quadratic import Quadratic, moments_through_training
from fpsim.scenario.records import group
from fpsim.scenario.sections import EnsembleSize, Positive, ScenarioBase, Section
from fpsim.theory import effective_learning_rate, kramers_moments, momentum_moments, momentum_variance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KIND", "MomentumScenario"]

Array = NDArray[np.float64]
Momentum = Annotated[float, Field(ge=0, lt=1)]
THEORIES = {
    "exact": ("exact", COLOURS["joint"], "-"),
    "underdamped": ("underdamped equation", COLOURS["theory"], "-"),
    "effective": ("effective learning rate", COLOURS["mean-field"], (0, (5, 2))),
}
RELAXATIONS = 8.0
"""Logarithm by which the start is forgotten before a variance counts as stationary."""
STRICT_Z = 4.0


class Rule(Section):
    """How it is trained."""

    learning_rate: Positive = 0.1
    batch_size: Annotated[int, Field(ge=1)] = 4
    momenta: Annotated[tuple[Momentum, ...], Field(min_length=2, max_length=40)] = (0.0, 0.5, 0.9)
    """Momenta whose stationary variances are measured."""
    path: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Momentum whose way to the minimum is recorded."""
    start: Annotated[float, Field(ge=-1e6, le=1e6)] = 2.0
    """Weight at the start of that way; the minimum is at zero."""
    steps: Annotated[int, Field(ge=2, le=100_000)] = 120
    """Steps of that way."""


class MomentumScenario(ScenarioBase):
    """Stationary variance over momenta, and the way to it."""

    kind: Literal["momentum"] = "momentum"
    problem: Quadratic = Quadratic(curvature=1.0)
    sgd: Rule = Rule()
    ensemble: EnsembleSize = EnsembleSize(replicas=50_000)

    @model_validator(mode="after")
    def _fits(self) -> MomentumScenario:
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


def check(scenario: MomentumScenario) -> None:
    """Everything was checked with the values: moments are streamed, so that any size fits."""


def stages(
    scenario: MomentumScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/stationary`` and ``/path``."""
    if "/stationary" not in done.groups:
        yield {"/stationary": _stationary(scenario, threads, report("stationary variances"))}
    if "/path" not in done.groups:
        yield {"/path": _path(scenario, threads, report("the way to the minimum"))}


def _stationary(scenario: MomentumScenario, threads: int | None, progress: Any) -> xr.Dataset:
    """Variances after many relaxation times of the slowest mode of the steps."""
    p, rule = scenario.problem, scenario.sgd
    rows: dict[str, list[float]] = {name: [] for name in ("variance", "error", "exact", "effective")}
    for k, mu in enumerate(rule.momenta):
        found = moments_through_training(
            p.experiment(SGD(rule.learning_rate, rule.batch_size, momentum=mu)),
            replicas=scenario.ensemble.replicas,
            steps=[_relaxed(rule.learning_rate * p.curvature, mu)],
            seed=scenario.seed + k,
            threads=threads,
        )
        effective = effective_learning_rate(rule.learning_rate, mu)
        rows["variance"].append(float(found.variance[0]))
        rows["error"].append(float(found.variance_error[0]))
        rows["exact"].append(momentum_variance(rule.learning_rate, mu, p.curvature, scenario.noise))
        rows["effective"].append(0.5 * effective * scenario.noise / p.curvature)
        progress(k + 1, len(rule.momenta))
    names = {
        "variance": "stationary variance, SGD",
        "error": "standard error of the variance",
        "exact": "exact stationary variance",
        "effective": "variance of the equation with the effective learning rate, and of the underdamped one",
    }
    return xr.Dataset(
        {name: ("momentum", rows[name], _named(text)) for name, text in names.items()},
        {"momentum": ("momentum", list(rule.momenta), _named("momentum"))},
        {"learning_rate": rule.learning_rate},
    )


def _relaxed(reach: float, mu: float) -> int:
    """Steps in which the slowest eigenvalue of ``(W, v) -> (W + v', v')`` falls by ``exp(-RELAXATIONS)``."""
    slowest = float(np.abs(np.linalg.eigvals([[1.0 - reach, mu], [-reach, mu]])).max())
    return int(np.ceil(RELAXATIONS / -np.log(slowest))) if slowest > 0.0 else 2


def _path(scenario: MomentumScenario, threads: int | None, progress: Any) -> xr.Dataset:
    """Mean and variance at every step from a start away from the minimum: ensemble and three theories."""
    p, rule = scenario.problem, scenario.sgd
    steps = np.arange(rule.steps + 1)
    found = moments_through_training(
        p.experiment(SGD(rule.learning_rate, rule.batch_size, momentum=rule.path), rule.start),
        replicas=scenario.ensemble.replicas,
        steps=steps.tolist(),
        seed=scenario.seed + 1000,
        threads=threads,
        progress=progress,
    )
    problem = rule.learning_rate, rule.path, p.curvature, scenario.noise
    theories = {
        "exact": momentum_moments(*problem, steps, start=rule.start),
        "underdamped": kramers_moments(*problem, steps, start=rule.start),
        "effective": _effective(scenario, steps),
    }
    sources = ["ensemble", *theories]
    return xr.Dataset(
        {
            "mean": (
                ("source", "step"),
                np.array([found.mean, *(m for m, _ in theories.values())]),
                _named("mean of the weight"),
            ),
            "variance": (
                ("source", "step"),
                np.array([found.variance, *(v for _, v in theories.values())]),
                _named("variance of the weight"),
            ),
            "mean_error": ("step", found.mean_error, _named("standard error of the ensemble's mean")),
            "variance_error": ("step", found.variance_error, _named("standard error of the ensemble's variance")),
        },
        {"source": sources, "step": ("step", steps, _named("step"))},
        {
            "momentum": rule.path,
            "learning_rate": rule.learning_rate,
            "swings_beyond": (1.0 - rule.path**0.5) ** 2 / p.curvature,
        },
    )


def _effective(scenario: MomentumScenario, steps: NDArray[Any]) -> tuple[Array, Array]:
    """The Ornstein-Uhlenbeck process with the effective learning rate."""
    p, rule = scenario.problem, scenario.sgd
    rate = effective_learning_rate(rule.learning_rate, rule.path)
    decay = np.exp(-rate * p.curvature * steps)
    return rule.start * decay, 0.5 * rate * scenario.noise / p.curvature * (1.0 - decay**2)


def _named(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: stationary variances over momenta."""
    return group(tree, "stationary").drop_attrs(deep=False)


def report(tree: xr.DataTree) -> str:
    """Stationary variances, then how far each theory is from the ensemble's way."""
    if "path" not in tree.children:
        return "the run is not complete"
    table, path = group(tree, "stationary"), group(tree, "path")
    lines = [f"{'momentum':>9}{'stationary variance':>24}{'exact':>11}{'z':>6}{'effective rate':>16}{'off by':>9}"]
    for mu in table["momentum"].values:
        one = table.sel(momentum=mu)
        value, error, exact, effective = (float(one[n]) for n in ("variance", "error", "exact", "effective"))
        found, z = f"{value:.5g} ±{error:.1g}", (value - exact) / error
        lines.append(f"{mu:>9.4g}{found:>24}{exact:>11.5g}{z:>6.1f}{effective:>16.5g}{effective / exact - 1:>+9.1%}")
    a = path.attrs
    lines += [
        "",
        f"the way to the minimum at momentum {a['momentum']:g}; learning rates beyond {a['swings_beyond']:.3g} swing",
        "",
        f"{'distance from the ensemble':<28}{'mean':>10}{'variance':>12}",
    ]
    for source, (label, *_) in THEORIES.items():
        mean, variance = (_distance(path, name, source) for name in ("mean", "variance"))
        lines.append(f"{label:<28}{mean:>10.4f}{variance:>12.5f}")
    errors = [4.0 * float(path[name].max()) for name in ("mean_error", "variance_error")]
    lines.append(f"{'four standard errors':<28}{errors[0]:>10.4f}{errors[1]:>12.5f}")
    return "\n".join(lines)


def _distance(path: xr.Dataset, name: str, source: str) -> float:
    return float(np.abs(path[name].sel(source=source) - path[name].sel(source="ensemble")).max())


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Stationary variance over momenta; mean and variance on the way."""
    from matplotlib.figure import Figure

    table, path = group(tree, "stationary"), group(tree, "path")
    figure = Figure(figsize=(11.5, 3.9))
    left, middle, right = figure.subplots(1, 3)
    _draw_stationary(left, table)
    few = path.isel(step=slice(None, None, max(1, path.sizes["step"] // 40)))
    for ax, name in ((middle, "mean"), (right, "variance")):
        for source, (label, colour, style) in THEORIES.items():
            if source != "exact":
                ax.plot(path["step"], path[name].sel(source=source), color=colour, linestyle=style, label=label)
        ax.plot(path["step"], path[name].sel(source="exact"), color=COLOURS["joint"], linewidth=1.0, label="exact")
        plot_measured(few["step"], few[name].sel(source="ensemble"), few[f"{name}_error"], ax=ax, markersize=3)
        ax.set_title(f"{name} of the weight, momentum {path.attrs['momentum']:g}")
        ax.set_xlabel("steps")
    middle.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    middle.legend(fontsize=8)
    right.set_ylim(bottom=0.0)
    yield "momentum", figure


def _draw_stationary(ax: Axes, table: xr.Dataset) -> None:
    x = 1.0 - table["momentum"].values
    ratio, error = table["variance"] / table["effective"], table["error"] / table["effective"]
    ax.plot(x, table["exact"] / table["effective"], color=COLOURS["joint"], label="exact")
    style: dict[str, Any] = {"color": COLOURS["mean-field"], "linestyle": (0, (5, 2))}
    ax.axhline(1.0, label="effective learning rate", **style)
    plot_measured(x, ratio, error, ax=ax)
    ax.set(xscale="log", xlabel="1 − momentum")
    ax.set_title("stationary variance, in units of η S / 2λ(1 − μ)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))
    ax.legend(fontsize=8, loc="upper left")


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Stationary variances, and moments on the way, too far from exact."""
    table, path = group(tree, "stationary"), group(tree, "path")
    z = ((table["variance"] - table["exact"]) / table["error"]).values
    lines = [
        f"stationary variance at momentum {float(mu):g}: {value:.1f} standard errors from exact"
        for mu, value in zip(table["momentum"].values, z, strict=True)
        if not abs(value) <= STRICT_Z
    ]
    for name in ("mean", "variance"):
        gap = np.abs(path[name].sel(source="ensemble") - path[name].sel(source="exact"))
        worst = float((gap - STRICT_Z * path[f"{name}_error"]).max())
        if worst > 1e-12:
            lines.append(f"{name} on the way: {worst:.2g} beyond four standard errors from exact")
    return tuple(lines)


KIND = Kind(
    model=MomentumScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
