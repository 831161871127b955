"""Term budgets of the height equation on three grids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.density import Density
from fpsim.diagnostics.height_equation.height import HeightTerms, burgers_velocity, height_budget, height_residual
from fpsim.evolution import evolve
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.kpz_identity.model import INTERVAL, KPZIdentityScenario
from fpsim.scenario.kinds.kpz_identity.system import TIME, WRONG_VISCOSITY, equation_of, records_of, start_of
from fpsim.scenario.records import density_variable, grid_coordinates
from fpsim.support.progress import Reporter
from fpsim.uncertainty.verdict import Identity

__all__ = ["TERMS", "budgets"]

Array = NDArray[np.float64]
TERMS = ("rate", "diffusion", "nonlinear", "advection", "source", "residual")


def budgets(scenario: KPZIdentityScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """K1 term by term on three grids; the densities, cuts and maps of the finest are kept."""
    h, times = scenario.height, records_of(scenario)
    sizes = [h.cells // 4, h.cells // 2, h.cells]
    terms: list[list[HeightTerms]] = []
    wrong: list[list[HeightTerms]] = []
    densities: tuple[Density, ...] = ()
    for cells in sizes:
        gap = INTERVAL / cells
        triples = (times[:, None] + gap * np.array([-1.0, 0.0, 1.0])).ravel()
        progress = report(f"evolve, {cells} cells")
        result = evolve(
            equation_of(h.viscosity),
            start_of(scenario, cells),
            triples,
            tolerance=h.tolerance * (h.cells / cells) ** 2,
            threads=threads,
            progress=progress,
            estimate_grid_error=False,
        )
        three = [result.densities[k : k + 3] for k in range(0, len(triples), 3)]
        for rows, viscosity in ((terms, h.viscosity), (wrong, WRONG_VISCOSITY * h.viscosity)):
            equation = equation_of(viscosity)
            rows.append([height_budget(a, b, c, equation, interval=gap, floor=h.floor) for a, b, c in three])
        densities = result.densities[1::3]
    identity = height_residual(terms[2], terms[1])
    control = height_residual(wrong[2], wrong[1])
    names = ("K1, term by term", f"K1, viscosity {WRONG_VISCOSITY:g} times")
    verdicts = [Identity(n, i.residual, i.error) for n, i in zip(names, (identity, control), strict=True)]
    return {
        "/height/budget": _budget_record(times, sizes, terms, densities, h.viscosity),
        "/verdicts/budget": part(verdict_dataset(verdicts, expected={names[1]: "fails"}), "budget"),
    }


def _budget_record(
    times: Array,
    sizes: list[int],
    terms: list[list[HeightTerms]],
    densities: Sequence[Density],
    viscosity: float,
) -> xr.Dataset:
    finest = terms[-1]
    grid = finest[0].grid
    row = int(np.argmax(densities[-1].values.max(axis=0)))  # the cut goes through the highest density
    inside = [np.where(b.mask, 1.0, np.nan) for b in finest]
    cut = [[(getattr(b, t) * m)[:, row] for t in TERMS] for b, m in zip(finest, inside, strict=True)]
    sizes_of = [[_rms(b, t) for t in TERMS] for b in finest]
    relative, largest = ([[getattr(b, f) for b in r] for r in terms] for f in ("relative_residual", "largest_residual"))
    velocity = [burgers_velocity(p, viscosity, floor=1e-6)[0][:, row] for p in densities]
    rate = "1/time"
    return xr.Dataset(
        {
            "density": density_variable(densities, "density"),
            "term_size": (
                ("time", "term"),
                sizes_of,
                {"units": rate, "long_name": "root mean square over the density"},
            ),
            "term_cut": (("time", "term", "x"), cut, {"units": rate, "long_name": "terms of K1 along x"}),
            "residual": (
                ("time", "x", "y"),
                [b.residual * m / b.scale for b, m in zip(finest, inside, strict=True)],
                {"units": "1", "long_name": "residual over the largest term"},
            ),
            "relative_residual": (
                ("cells", "time"),
                relative,
                {"units": "1", "long_name": "root mean square residual over the largest term"},
            ),
            "largest_residual": (
                ("cells", "time"),
                largest,
                {"units": "1", "long_name": "largest residual of a cell over the largest term"},
            ),
            "velocity": (
                ("time", "x"),
                velocity,
                {"units": "weight/time", "long_name": "Burgers velocity along x"},
            ),
        },
        {
            "time": ("time", times, TIME),
            "term": list(TERMS),
            "cells": ("cells", sizes, {"units": "1", "long_name": "cells along an axis"}),
            **grid_coordinates(grid),
        },
        {"cut": float(grid.centers[1][row])},
    )


def _rms(budget: HeightTerms, term: str) -> float:
    return float(np.sqrt(np.sum(budget.weight * getattr(budget, term) ** 2)))
