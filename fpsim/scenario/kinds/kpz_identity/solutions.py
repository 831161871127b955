"""The Cole-Hopf equation against finite volumes, and coefficients recovered from densities and replicas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.diagnostics.height_equation.cole_hopf import cole_hopf_height, cole_hopf_residual
from fpsim.diagnostics.height_equation.height import height
from fpsim.diagnostics.height_equation.height_ensemble import ensemble_residual
from fpsim.diagnostics.height_equation.height_regression import (
    KPZCoefficients,
    coefficients_from_densities,
    coefficients_from_samples,
)
from fpsim.evolution import evolve
from fpsim.generator import build_generator, propagate
from fpsim.paths import simulate
from fpsim.scenario.judgement import part, verdict_dataset
from fpsim.scenario.kinds.kpz_identity.model import KPZIdentityScenario
from fpsim.scenario.kinds.kpz_identity.system import (
    TIME,
    WRONG_VISCOSITY,
    box,
    drift,
    equation_of,
    potential,
    records_of,
    start_of,
)
from fpsim.scenario.records import grid_coordinates
from fpsim.support.progress import Reporter
from fpsim.uncertainty.verdict import Claim, Identity

__all__ = ["cole_hopf", "regression"]

Array = NDArray[np.float64]
STEP = 0.0125
"""Time step of the sample paths (weak order 2)."""


def cole_hopf(scenario: KPZIdentityScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """The logarithm of finite-volume densities, down to 1e-12 of the maximum, against the Cole-Hopf equation."""
    nu, times = scenario.height.viscosity, records_of(scenario)
    sizes = [scenario.height.cells // 4, scenario.height.cells // 2]
    progress, found = report("Cole-Hopf"), []
    for k, cells in enumerate(sizes):
        start = start_of(scenario, cells)
        found.append(propagate(build_generator(equation_of(nu), start.grid), start, times.tolist(), threads=threads))
        progress((k + 1) / 3)
    coarse, fine = found
    grid = fine[0].grid

    def truth(viscosity: float) -> Array:
        values = cole_hopf_height(potential, viscosity, start_of(scenario, sizes[1]), grid, times).value
        return np.asarray(values)

    exact = truth(nu)
    rows = [cole_hopf_residual(h, p, q) for h, p, q in zip(exact, fine, coarse, strict=True)]
    wrong = cole_hopf_residual(truth(WRONG_VISCOSITY * nu)[-1], fine[-1], coarse[-1])
    progress(1.0)
    control = f"Cole-Hopf, viscosity {WRONG_VISCOSITY:g} times"
    verdicts = [
        Identity(f"Cole-Hopf, t = {t:g}", r.residual, r.error) for t, r in zip(times.tolist(), rows, strict=True)
    ]
    verdicts.append(Identity(control, wrong.residual, wrong.error))
    row = int(np.argmax(fine[-1].values.max(axis=0)))
    log = {"units": "1", "long_name": "h = ln p along x"}
    record = xr.Dataset(
        {
            "height": (("time", "x"), [height(p)[:, row] for p in fine], log),
            "cole_hopf": (("time", "x"), exact[:, :, row], {**log, "long_name": "h of the Cole-Hopf equation along x"}),
            "gap": (
                "time",
                [r.residual for r in rows],
                {"units": "1", "long_name": "root mean square difference of h"},
            ),
            "largest_gap": ("time", [r.details["largest"] for r in rows], {"units": "1", "long_name": "largest"}),
        },
        {"time": ("time", times, TIME), "x": grid_coordinates(grid)["x"]},
        {"cut": float(grid.centers[1][row])},
    )
    table = part(verdict_dataset(verdicts, expected={control: "fails"}), "cole-hopf")
    return {"/height/cole-hopf": record, "/verdicts/cole-hopf": table}


def regression(scenario: KPZIdentityScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """``nu``, ``lambda`` and their ratio from densities and from replicas."""
    h, r = scenario.height, scenario.regression
    times = r.first + r.interval * np.arange(r.snapshots)
    fine, coarse = (
        evolve(
            equation_of(h.viscosity),
            start_of(scenario, cells),
            times,
            tolerance=h.tolerance * (h.cells / cells) ** 2,
            threads=threads,
            progress=report(f"snapshots, {cells} cells"),
            estimate_grid_error=False,
        ).densities
        for cells in (h.cells, h.cells // 2)
    )
    progress = report("sample paths")
    equation, grid = equation_of(h.viscosity), box(h.viscosity, r.cells)
    start = start_of(scenario, h.cells)
    paths = simulate(equation, start, times, step=STEP, replicas=r.replicas, rng=scenario.seed).positions
    progress(1 / 2)
    found = {
        "densities": coefficients_from_densities(times, fine, coarse, drift, floor=h.floor),
        "sample paths": coefficients_from_samples(times, paths, drift, grid, bandwidth=r.bandwidth),
        "drift left out": coefficients_from_samples(
            times, paths, lambda x, y: [0.0 * x, 0.0 * y], grid, bandwidth=r.bandwidth
        ),
    }
    middle = r.snapshots // 2
    identity = ensemble_residual(
        list(paths[middle - 1 : middle + 2]),
        equation,
        grid,
        bandwidth=r.bandwidth,
        interval=r.interval,
        t=float(times[middle]),
    )
    progress(1.0)
    *right, wrong = found
    claims = [replace(found[source].claim(), name=f"lambda = 2 nu, {source}") for source in right]
    claims += [replace(c.fit_claim(), name=f"nothing else, {source}") for source, c in found.items()]
    verdicts: list[Identity | Claim] = [Identity("K1, sample paths", identity.residual, identity.error), *claims]
    return {
        "/height/regression": _coefficients_record(found),
        "/verdicts/regression": part(
            verdict_dataset(verdicts, expected={f"nothing else, {wrong}": "fails"}), "regression"
        ),
    }


def _coefficients_record(found: dict[str, KPZCoefficients]) -> xr.Dataset:
    three = [[c.viscosity, c.nonlinearity, c.ratio] for c in found.values()]
    return xr.Dataset(
        {
            "value": (
                ("source", "coefficient"),
                [[float(e.value) for e in row] for row in three],
                {"units": "1", "long_name": "recovered coefficient"},
            ),
            "error": (
                ("source", "coefficient"),
                [[float(e.error) for e in row] for row in three],
                {"units": "1", "long_name": "standard error, or the difference to cells twice as wide"},
            ),
            "misfit": (
                "source",
                [float(c.misfit.value) for c in found.values()],
                {"units": "1", "long_name": "relative root mean square misfit of the regression"},
            ),
            "misfit_error": (
                "source",
                [float(c.misfit.error) for c in found.values()],
                {"units": "1", "long_name": "standard error, or the difference to cells twice as wide"},
            ),
        },
        {"source": list(found), "coefficient": ["viscosity", "nonlinearity", "ratio"]},
    )
