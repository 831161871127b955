"""Pairs of replicas with common batches: the two-replica equation against its closed form."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.density import Density, Grid, gaussian
from fpsim.diagnostics.random_environment.common_batches import RegressionPair
from fpsim.diagnostics.surface_growth.claims import exact_value
from fpsim.generator import build_generator, propagate
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.random_environment.model import RandomEnvironmentScenario
from fpsim.support.progress import Reporter

__all__ = ["pairs"]

Array = NDArray[np.float64]
PAIR_START, PAIR_STD, PAIR_BOX = (1.9, 1.6), 0.15, 3.5
ONE = {"units": "1"}


def pairs(scenario: RandomEnvironmentScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """Correlation of two replicas from the density of the pair, against its closed form."""
    p = scenario.pair
    times = p.end * np.arange(p.records + 1) / p.records
    progress = report("pairs of replicas")
    both = [RegressionPair(p.learning_rate, p.variance, p.temperature, common) for common in (True, False)]
    names, value, error, verdicts = ("common", "own"), [], [], []
    for k, pair in enumerate(both):
        fine, coarse = (_moments(pair, cells, times, threads) for cells in (p.cells, p.cells // 2))
        value.append(fine)
        error.append(np.abs(coarse - fine) / 3.0)
        last, other = float(pair.decay(p.end)), float(both[1 - k].decay(p.end))
        label = "common batches" if pair.common else "batches of their own"
        verdicts.append(exact_value(f"pair, {label}", float(fine[-1]), float(error[-1][-1]), last))
        if pair.common:
            wrong = exact_value("pair, taken for independent", float(fine[-1]), float(error[-1][-1]), other)
        progress((k + 1) / 2)
    verdicts.append(wrong)
    record = xr.Dataset(
        {
            "correlation": (
                ("batches", "time"),
                value,
                {**ONE, "long_name": "E[x y] of the pair density over its start"},
            ),
            "correlation_error": (("batches", "time"), error, {**ONE, "long_name": "error of the grid"}),
            "exact": (("batches", "time"), [q.decay(times) for q in both], {**ONE, "long_name": "exact, equation"}),
            "sgd": (("batches", "time"), [q.decay_of_sgd(times) for q in both], {**ONE, "long_name": "exact, SGD"}),
        },
        {"batches": list(names), "time": ("time", times, {**ONE, "long_name": "training time"})},
    )
    table = verdict_dataset(verdicts, expected={wrong.name: "fails"})
    return {"/pair": record, "/verdicts/pair": part(table, "pair")}


def _moments(pair: RegressionPair, cells: int, times: Array, threads: int | None) -> Array:
    grid = Grid.box((0.0, PAIR_BOX, cells), (0.0, PAIR_BOX, cells), names=("w", "v"))
    start = gaussian(grid, PAIR_START, PAIR_STD**2)
    densities = propagate(build_generator(pair.equation, grid), start, times.tolist(), threads=threads)

    def moment(density: Density) -> float:
        w, v = grid.mesh()
        return float(np.sum(density.values * (w - 1.0) * (v - 1.0)))

    return np.array([moment(density) for density in densities]) / moment(start)
