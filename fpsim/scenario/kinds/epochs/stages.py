"""Stages of a run: variances through training for every sampling, then at rest over learning rates."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fpsim.experiment import SGD
from fpsim.scenario.kinds.epochs.model import SAMPLINGS, EpochsScenario
from fpsim.scenario.quadratic import moments_through_training
from fpsim.scenario.records import named
from fpsim.support.errors import ValidityWarning
from fpsim.support.progress import Reporter
from fpsim.theory import epoch_variance_path, iid_variance_path

if TYPE_CHECKING:
    from fpsim.experiment.settings import Sampling

__all__ = ["check", "stages"]

RELAXATIONS = 4.0
"""Relaxation times of the weight after which its variance counts as stationary: to 3e-4."""


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
        {name: (("sampling", "step"), np.array(rows[name]), named(text)) for name, text in names.items()},
        {
            "sampling": list(SAMPLINGS),
            "step": ("step", steps, named("step")),
            "time": ("step", rate * steps, named("training time, steps x learning rate")),
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
        progress((k + 1) / len(rates))
    names = {"variance": "stationary variance, SGD", "error": "standard error", "exact": "exact variance"}
    tables = {
        name: (("learning_rate", "place"), np.concatenate(rows[name]).reshape(len(rates), 3), named(text))
        for name, text in names.items()
    }
    table = xr.Dataset(
        tables,
        {
            "learning_rate": ("learning_rate", rates, named("learning rate")),
            "place": ["independent", "end of epoch", "middle of epoch"],
            "relaxations": (
                "learning_rate",
                rates * p.curvature * m,
                named("relaxations within an epoch, learning rate x curvature x batches"),
            ),
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
