"""Random walks in a space-time random environment."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.diagnostics.random_environment.random_walk import bulk_variance, rescale_tail, simulate_walks, walk_moments
from fpsim.diagnostics.surface_growth.claims import exact_value
from fpsim.diagnostics.surface_growth.tracy_widom import limit_law
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.random_environment.model import RandomEnvironmentScenario
from fpsim.support.progress import Reporter
from fpsim.uncertainty.verdict import Claim, Identity

__all__ = ["walks"]

Array = NDArray[np.float64]
ONE = {"units": "1"}


def walks(scenario: RandomEnvironmentScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """Spread over environments of the probability to be right of the origin, and of the logarithm of a tail.

    The constants that rescale the tail are known for the uniform law only: ``chi`` is not a number for the other.
    """
    walk, progress = scenario.walk, report("walks")
    measured, error, exact, chi = [], [], [], []
    verdicts: list[Identity | Claim] = []
    for k, steps in enumerate(walk.steps):
        downwards = min(max(round(0.5 * (1.0 - walk.velocity) * steps), 1), (steps - 1) // 2)
        tail = steps - 2 * downwards  # a place that the walk can reach
        found = simulate_walks(
            steps,
            [0, tail],
            environment=walk.environment,
            environments=walk.environments,
            rng=scenario.seed + k,
            threads=threads,
        )
        std, spread = _spread(found[:, 0])
        truth = float(np.sqrt(walk_moments(steps, environment=walk.environment).variance))
        measured.append(std)
        error.append(spread)
        exact.append(truth)
        verdicts.append(exact_value(f"two walkers, {steps} steps", std, spread, truth))
        chi.append(_tail(found[:, 1], steps, tail / steps) if walk.law == "uniform" else (np.nan,) * 4)
        progress((k + 1) / len(walk.steps))
    wrong = exact_value(
        "two walkers, taken for the bulk law", measured[0], error[0], float(np.sqrt(_bulk(scenario)[0]))
    )
    verdicts.append(wrong)
    gue = limit_law("gue").cumulants
    std_units = {**ONE, "long_name": "standard deviation over environments of P(X >= 0)"}
    record = xr.Dataset(
        {
            "std": ("steps", measured, std_units),
            "std_error": ("steps", error, {**ONE, "long_name": "standard error"}),
            "exact_std": ("steps", exact, {**ONE, "long_name": "exact, two walkers"}),
            "bulk_std": ("steps", np.sqrt(_bulk(scenario)), {**ONE, "long_name": "limit of many steps"}),
            "chi": (
                ("cumulant", "steps"),
                np.array(chi).T[:2],
                {**ONE, "long_name": "rescaled logarithm of the tail probability"},
            ),
            "chi_error": (("cumulant", "steps"), np.array(chi).T[2:], {**ONE, "long_name": "standard error"}),
            "chi_limit": ("cumulant", [gue.mean, gue.variance], {**ONE, "long_name": "limit, Tracy-Widom GUE"}),
        },
        {
            "steps": ("steps", list(walk.steps), {**ONE, "long_name": "steps of the walk"}),
            "cumulant": ["mean", "variance"],
        },
        {"law": walk.law},
    )
    return {"/walk": record, "/verdicts/walk": part(verdict_dataset(verdicts, expected={wrong.name: "fails"}), "walk")}


def _bulk(scenario: RandomEnvironmentScenario) -> Array:
    return bulk_variance(scenario.walk.steps, environment=scenario.walk.environment)


def _spread(p: Array) -> tuple[float, float]:
    """Standard deviation and its standard error."""
    square = (p - p.mean()) ** 2
    std = float(np.sqrt(square.mean()))
    return std, float(square.std() / np.sqrt(p.size) / (2.0 * std))


def _tail(probability: Array, steps: int, velocity: float) -> tuple[float, float, float, float]:
    """Mean and variance of the rescaled logarithm, and their standard errors."""
    chi = rescale_tail(probability, steps, velocity)
    square = (chi - chi.mean()) ** 2
    root = np.sqrt(chi.size)
    return float(chi.mean()), float(square.mean()), float(chi.std() / root), float(square.std() / root)
