"""Stages of a run: stationary variances over momenta, then the way to the minimum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.experiment import SGD
from fpsim.scenario.kinds.momentum.model import MomentumScenario
from fpsim.scenario.shared.quadratic import moments_through_training
from fpsim.scenario.shared.records import named
from fpsim.support.progress import Reporter
from fpsim.theory import effective_learning_rate, kramers_moments, momentum_moments, momentum_variance

__all__ = ["check", "stages"]

Array = NDArray[np.float64]
RELAXATIONS = 8.0
"""Logarithm by which the start is forgotten before a variance counts as stationary."""


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
        progress((k + 1) / len(rule.momenta))
    names = {
        "variance": "stationary variance, SGD",
        "error": "standard error of the variance",
        "exact": "exact stationary variance",
        "effective": "variance of the equation with the effective learning rate, and of the underdamped one",
    }
    return xr.Dataset(
        {name: ("momentum", rows[name], named(text)) for name, text in names.items()},
        {"momentum": ("momentum", list(rule.momenta), named("momentum"))},
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
                named("mean of the weight"),
            ),
            "variance": (
                ("source", "step"),
                np.array([found.variance, *(v for _, v in theories.values())]),
                named("variance of the weight"),
            ),
            "mean_error": ("step", found.mean_error, named("standard error of the ensemble's mean")),
            "variance_error": ("step", found.variance_error, named("standard error of the ensemble's variance")),
        },
        {"source": sources, "step": ("step", steps, named("step"))},
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
