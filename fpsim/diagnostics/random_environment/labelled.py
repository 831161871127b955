"""Random environments as labelled arrays: regimes of several cases, pairs of replicas, walks.

What the modules beside this one compute, measured and exact side by side, as :class:`xarray.Dataset`. Limits: pairs
start in one normal density, away from the walls of its box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, Grid, gaussian
from fpsim.diagnostics.random_environment.common_batches import RegressionPair
from fpsim.diagnostics.random_environment.environment import Environment
from fpsim.diagnostics.random_environment.random_walk import (
    StepProbability,
    bulk_variance,
    rescale_tail,
    simulate_walks,
    walk_moments,
)
from fpsim.diagnostics.surface_growth.tracy_widom import limit_law
from fpsim.generator import build_generator, propagate
from fpsim.support.progress import Progress

__all__ = ["environment_dataset", "pair_dataset", "walk_dataset"]

Array = NDArray[np.float64]
PAIR_START, PAIR_STD, PAIR_BOX = (1.9, 1.6), 0.15, 3.5


def environment_dataset(found: Mapping[str, Environment]) -> xr.Dataset:
    """Environments by ``case``.

    Returns
    -------
    xarray.Dataset
        ``distance``, ``correlation`` and ``correlation_error`` by case and bin, ``nan`` beyond the bins of a case;
        ``correlation_length``, ``support``, ``modes``, ``temperature`` and ``regime`` by case.
    """
    every = list(found.values())
    bins = max((len(e.distance) for e in every), default=0)

    def padded(name: str) -> list[Any]:
        columns = [np.asarray(getattr(e, name), float) for e in every]
        return [np.pad(c, (0, bins - len(c)), constant_values=np.nan) for c in columns]

    def column(name: str, long_name: str, units: str = "1") -> tuple[str, list[Any], dict[str, str]]:
        return "case", [getattr(e, name) for e in every], {"units": units, "long_name": long_name}

    two = ("case", "bin")
    return xr.Dataset(
        {
            "distance": (two, padded("distance"), {"units": "weight", "long_name": "distance of two replicas"}),
            "correlation": (two, padded("correlation"), _named("root mean square correlation of the environment")),
            "correlation_error": (two, padded("error"), _named("standard error")),
            "correlation_length": column("correlation_length", "correlation length, inf: none", "weight"),
            "support": column("support", "95 % of all distances", "weight"),
            "modes": column("modes", "independent modes on the support"),
            "temperature": column("temperature", "private noise"),
            "regime": column("regime", "regime"),
        },
        {"case": list(found), "bin": ("bin", np.arange(bins), _named("bin of distances"))},
    )


def pair_dataset(
    pairs: Mapping[str, RegressionPair],
    times: ArrayLike,
    *,
    cells: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Correlation of two replicas, from the density of the pair and in closed form.

    Parameters
    ----------
    pairs : mapping
        By name, what distinguishes them as ``batches``.
    times : array_like, shape (T,)
        Training times, the first at the start.
    cells : int
        Cells along either axis; even, as the error is that of half as many.

    Returns
    -------
    xarray.Dataset
        ``correlation`` (``E[x y]`` over its start) with ``correlation_error`` of the grid; ``exact`` of the equation,
        ``sgd`` of SGD itself, both in closed form; by batches and time.
    """
    t, value, error = np.asarray(times, float), [], []
    for k, pair in enumerate(pairs.values()):
        fine, coarse = (_pair_correlation(pair, n, t, threads) for n in (cells, cells // 2))
        value.append(fine)
        error.append(np.abs(coarse - fine) / 3.0)
        if progress is not None:
            progress((k + 1) / len(pairs))
    two = ("batches", "time")
    return xr.Dataset(
        {
            "correlation": (two, value, _named("E[x y] of the pair density over its start")),
            "correlation_error": (two, error, _named("error of the grid")),
            "exact": (two, [pair.decay(t) for pair in pairs.values()], _named("exact, equation")),
            "sgd": (two, [pair.decay_of_sgd(t) for pair in pairs.values()], _named("exact, SGD")),
        },
        {"batches": list(pairs), "time": ("time", t, _named("training time"))},
    )


def _pair_correlation(pair: RegressionPair, cells: int, times: Array, threads: int | None) -> Array:
    grid = Grid.box((0.0, PAIR_BOX, cells), (0.0, PAIR_BOX, cells), names=("w", "v"))
    start = gaussian(grid, PAIR_START, PAIR_STD**2)
    w, v = grid.mesh()

    def moment(density: Density) -> float:
        return float(np.sum(density.values * (w - 1.0) * (v - 1.0)))

    densities = propagate(build_generator(pair.equation, grid), start, times.tolist(), threads=threads)
    return np.array([moment(density) for density in densities]) / moment(start)


def walk_dataset(
    steps: Sequence[int],
    *,
    law: StepProbability,
    environments: int,
    velocity: float,
    seed: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Spread over environments of the probability to be right of the origin, and of the logarithm of a tail.

    Parameters
    ----------
    steps : sequence of int
        Lengths of the walks; each has a seed of its own, from ``seed`` on.
    velocity : float
        Of the tail: the probability to be beyond ``velocity * steps``, or the nearest place that can be reached.

    Returns
    -------
    xarray.Dataset
        ``std`` with ``std_error``, ``exact_std`` of two walkers and ``bulk_std`` of many steps, by steps; ``chi`` and
        ``chi_error`` by cumulant (mean, variance) and steps, with ``chi_limit``. The constants that rescale the tail
        are known for the uniform law only: ``chi`` is ``nan`` for the other.
    """
    rows = []
    for k, n in enumerate(steps):
        downwards = min(max(round(0.5 * (1.0 - velocity) * n), 1), (n - 1) // 2)
        tail = n - 2 * downwards  # a place that the walk can reach
        found = simulate_walks(n, [0, tail], environment=law, environments=environments, rng=seed + k, threads=threads)
        square = (found[:, 0] - found[:, 0].mean()) ** 2
        std = float(np.sqrt(square.mean()))
        exact = float(np.sqrt(walk_moments(n, environment=law).variance))
        cumulants = _tail(found[:, 1], n, tail / n) if law.law == "uniform" else (np.nan,) * 4
        rows.append((std, float(square.std() / np.sqrt(square.size) / (2.0 * std)), exact, *cumulants))
        if progress is not None:
            progress((k + 1) / len(steps))
    std, error, exact, *chi = np.array(rows).T
    gue = limit_law("gue").cumulants
    return xr.Dataset(
        {
            "std": ("steps", std, _named("standard deviation over environments of P(X >= 0)")),
            "std_error": ("steps", error, _named("standard error")),
            "exact_std": ("steps", exact, _named("exact, two walkers")),
            "bulk_std": ("steps", np.sqrt(bulk_variance(steps, environment=law)), _named("limit of many steps")),
            "chi": (("cumulant", "steps"), chi[:2], _named("rescaled logarithm of the tail probability")),
            "chi_error": (("cumulant", "steps"), chi[2:], _named("standard error")),
            "chi_limit": ("cumulant", [gue.mean, gue.variance], _named("limit, Tracy-Widom GUE")),
        },
        {"steps": ("steps", list(steps), _named("steps of the walk")), "cumulant": ["mean", "variance"]},
    )


def _tail(probability: Array, steps: int, velocity: float) -> tuple[float, ...]:
    """Mean and variance of the rescaled logarithm, and their standard errors."""
    chi = rescale_tail(probability, steps, velocity)
    square, root = (chi - chi.mean()) ** 2, np.sqrt(chi.size)
    return float(chi.mean()), float(square.mean()), float(chi.std() / root), float(square.std() / root)


def _named(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}
