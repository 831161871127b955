"""Stages of a sweep: the theory of the minimum, then one row of the grid after the other, then the collapse."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.datasets import Dataset
from fpsim.network import mean_loss
from fpsim.scenario.kinds.sweep.model import SweepScenario, experiment_of
from fpsim.scenario.records import entry_names, group, named
from fpsim.scenario.training import train_kept
from fpsim.support.errors import ConfigError
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter
from fpsim.theory import landscape_of, minimum_near, stationary_covariance
from fpsim.theory.landscape import hessian

__all__ = ["check", "stages"]

Array = NDArray[np.float64]
NARROW = 0.1
"""Largest ``theta`` whose cells enter the fit of the departures."""
UNRELAXED = 1e-3
"""Share of the stationary squared width that may be missing at the end: less than samples show."""


def check(scenario: SweepScenario) -> None:
    """Refuse, before any work, cells that the experiment or the theory does not allow (``ConfigError``, ...)."""
    entries = 2 * scenario.network.bottleneck * scenario.data.components
    check_memory(48.0 * entries * scenario.ensemble.replicas, "ensemble.replicas")
    _theory(scenario)


def stages(
    scenario: SweepScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/theory``, ``/rows/rate_1`` ... (one per learning rate) and ``/grid``."""
    tree = done.copy()
    if "/theory" not in done.groups:
        groups = {"/theory": _theory(scenario)}
        tree["/theory"] = xr.DataTree(groups["/theory"])
        yield groups
    theory = group(tree, "theory")
    rates = scenario.sweep.learning_rates
    for k, rate in enumerate(rates):
        path = f"/rows/rate_{k + 1}"
        if path not in done.groups:
            row = _row(scenario, k, theory, threads, report(f"learning rate {rate:g}"))
            tree[path] = xr.DataTree(row)
            yield {path: row}
    if "/grid" not in done.groups:
        rows = [group(tree, "rows", f"rate_{k + 1}") for k in range(len(rates))]
        yield {"/grid": _collapse(xr.concat(rows, dim=theory["learning_rate"], join="exact"), theory)}


def _theory(scenario: SweepScenario) -> xr.Dataset:
    """Minimum and covariances per unit of ``theta``: leading order, and with steps of finite size."""
    part, d, k = scenario.sweep, scenario.data.components, scenario.network.bottleneck
    guess = np.tile(np.resize(scenario.start.mean, d * k), 2)
    guess[d * k :] = guess[d * k :].reshape(k, d).T.ravel()  # W2 begins at the transpose of W1
    experiment = experiment_of(scenario, part.learning_rates[0], max(part.batch_sizes), guess)
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
    unrelaxed = _unrelaxed(scenario, hessian(landscape, minimum), discrete)
    names = [*entry_names("W1", (k, d)), *entry_names("W2", (d, k))]
    return xr.Dataset(
        {
            "minimum": ("weight", minimum, named("weight at the minimum")),
            "leading": ("weight", np.diag(leading), named("variance per theta, Lyapunov equation")),
            "discrete": (
                ("learning_rate", "weight"),
                np.array([np.diag(c) for c in discrete]),
                named("variance per theta, steps of finite size"),
            ),
            "unrelaxed": ("learning_rate", unrelaxed, named("share of the squared width that is missing at the end")),
        },
        {"weight": names, "learning_rate": ("learning_rate", list(part.learning_rates), named("learning rate"))},
    )


def _unrelaxed(scenario: SweepScenario, hessian: Array, stationary: list[Array]) -> list[float]:
    """Share of the stationary squared width that is missing at the end, for each learning rate.

    From a point at the minimum the covariance after ``n`` steps is ``C - M^n C M^n`` with ``M = 1 - eta H``.
    """
    part, values = scenario.sweep, []
    curvature, modes = np.linalg.eigh(0.5 * (hessian + hessian.T))
    smallest = 0.0
    for rate, covariance in zip(part.learning_rates, stationary, strict=True):
        decay = (1.0 - rate * curvature) ** 2
        share = np.diag(modes.T @ covariance @ modes) / np.trace(covariance)
        values.append(float(share @ decay ** round(part.end / rate)))
        smallest = max(smallest, rate * _steps_to_rest(share, decay))
    if max(values) > UNRELAXED:
        raise ConfigError(
            f"sweep.end = {part.end:g}: squared widths lack a share of {max(values):.2g} of their stationary value; "
            f"{smallest:.10g} or more is accepted"
        )
    return values


def _steps_to_rest(share: Array, decay: Array) -> int:
    """Fewest steps after which no more than ``UNRELAXED`` is missing."""

    def rested(steps: int) -> bool:
        return bool(share @ decay**steps <= UNRELAXED)

    most = 1 + int(np.log(UNRELAXED) / np.log(np.maximum(decay.max(), 1e-300)))  # the slowest mode alone
    return bisect_left(range(most), True, key=rested)


def _row(scenario: SweepScenario, k: int, theory: xr.Dataset, threads: int | None, progress: Any) -> xr.Dataset:
    """Variances of all batch sizes at one learning rate, with standard errors from the replicas."""
    part = scenario.sweep
    rate = part.learning_rates[k]
    found: dict[str, list[Any]] = {name: [] for name in ("variance", "width", "error", "loss", "theta")}
    for j, batch in enumerate(part.batch_sizes):
        experiment = experiment_of(scenario, rate, batch, theory["minimum"].values)
        ensemble = train_kept(
            experiment,
            replicas=scenario.ensemble.replicas,
            steps=[round(part.end / rate)],
            seed=scenario.seed + 1000 * k + j,
            stage=f"cell {k} {j}",
            checkpoint=None,
            threads=threads,
        )
        assert isinstance(experiment.data, Dataset)
        alive = ~ensemble.divergence.mask
        weights = {name: w[-1][alive] for name, w in ensemble.weights.items()}
        rows = np.concatenate([w.reshape(len(w), -1) for w in weights.values()], axis=1)
        square = (rows - rows.mean(axis=0)) ** 2
        found["variance"].append(square.mean(axis=0))
        found["width"].append(square.sum(axis=1).mean())
        found["error"].append(square.sum(axis=1).std() / np.sqrt(len(rows)))
        found["loss"].append(mean_loss(experiment.network, weights, experiment.data.x, threads=threads).mean())
        found["theta"].append(np.float64(rate * experiment.batch_factor))
        progress((j + 1) / len(part.batch_sizes))
    return xr.Dataset(
        {
            "theta": ("batch_size", found["theta"], named("learning rate x batch factor c_B")),
            "variance": (("batch_size", "weight"), np.array(found["variance"]), named("variance of the weight")),
            "width2": ("batch_size", found["width"], named("squared width, sum of all variances")),
            "width2_error": ("batch_size", found["error"], named("standard error of the squared width")),
            "loss": ("batch_size", found["loss"], named("mean loss of a replica")),
        },
        {
            "batch_size": ("batch_size", list(part.batch_sizes), named("batch size")),
            "weight": theory["weight"].values,
        },
        {"learning_rate": rate},
    )


def _collapse(grid: xr.Dataset, theory: xr.Dataset) -> xr.Dataset:
    """The grid with its departures from the collapse, and the straight line that those of narrow ensembles lie on."""
    leading = grid["theta"] * theory["leading"].sum("weight")
    discrete = grid["theta"] * theory["discrete"].sum("weight")
    found = grid.assign(
        departure=(grid["width2"] / leading - 1.0).assign_attrs(named("departure from the collapse on theta")),
        departure_error=(grid["width2_error"] / leading).assign_attrs(named("standard error of the departure")),
        finite_step=(discrete / leading - 1.0).assign_attrs(named("departure that steps of finite size explain")),
        rest=(grid["width2"] / discrete - 1.0).assign_attrs(named("departure from the discrete Lyapunov equation")),
        rest_error=(grid["width2_error"] / discrete).assign_attrs(named("standard error of the rest")),
    )
    narrow = found["theta"].values <= NARROW
    x, y, e = (found[name].values[narrow] for name in ("theta", "rest", "rest_error"))
    if x.size < 4:
        return found.assign_attrs(intercept=np.nan, intercept_error=np.nan, slope=np.nan, curvature=np.nan)
    (curvature, slope, intercept), covariance = np.polyfit(x, y, 2, w=1.0 / e, cov="unscaled")
    line = curvature * x**2 + slope * x + intercept
    return found.assign_attrs(
        intercept=intercept,
        intercept_error=float(np.sqrt(covariance[2, 2])),
        narrow=NARROW,
        slope=slope,
        curvature=curvature,
        chi2=float(np.sum(((y - line) / e) ** 2)),
        freedom=x.size - 3,
    )
