"""Height of an evolved density, and its equation: a Kardar-Parisi-Zhang equation that is an identity.

A double well ``L = (x^2 - 1)^2 / 4 + y^2 / 2`` with noise ``nu``. The five terms of the equation of ``h = ln p`` must
cancel, to a residual that falls with the square of the cell. An independent solution of the Cole-Hopf equation must
agree with the logarithm of the density (root mean square weighted with ``p``, over cells above 1e-12 of its maximum; so
weighted, it says little about the tails). Regression must give ``lambda = 2 nu``, from densities and from sample paths.
A wrong viscosity has to fail, and so has a fit that leaves out the drift. There is no noise in this equation, so no
growth exponent follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.density import Density, Grid, gaussian
from fpsim.diagnostics.height_equation.cole_hopf import cole_hopf_height, cole_hopf_residual
from fpsim.diagnostics.height_equation.height import HeightTerms, height, height_budget, height_residual
from fpsim.diagnostics.height_equation.height_ensemble import ensemble_residual
from fpsim.diagnostics.height_equation.height_regression import coefficients_from_densities, coefficients_from_samples
from fpsim.diagnostics.height_equation.labelled import coefficients_dataset, height_budget_dataset
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.generator import build_generator, propagate
from fpsim.paths import simulate
from fpsim.plots import height_equation as pictures
from fpsim.scenario import Column, Parameters, Results, Scenario, Section, StartPoint, Table, Time, Workbench, named
from fpsim.scenario.judgement import records_of, stored_records
from fpsim.scenario.parameters.sections import Positive
from fpsim.scenario.records import density_variable, grid_coordinates
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim, Identity, control

Array = NDArray[np.float64]
INTERVAL = 1.6
"""Time between two densities of a budget, in cells of the unit length: it shrinks with the cell."""
DECAY = 100.0
"""Four times the logarithm by which the root of the Gibbs density has fallen at the walls."""
WRONG_VISCOSITY = 1.05
STEP = 0.0125
"""Time step of the sample paths (weak order 2)."""


class Height(Section):
    """The density and where its height counts."""

    viscosity: Annotated[float, Field(ge=0.02, le=0.5)] = 0.1
    floor: Annotated[float, Field(gt=0, lt=0.1)] = 1e-3
    """Share of the largest density above which the equation is judged."""
    cells: Annotated[int, Field(ge=128, le=1024, multiple_of=8)] = 256
    """Cells along either axis of the finest of three grids, each half of the next."""
    tolerance: Positive = 1e-5
    """Accumulated L1 error allowed to the time stepping on the finest grid; it grows with the square of the cell."""


class Regression(Section):
    """Snapshots from which viscosity and nonlinearity are recovered."""

    first: Positive = 0.3
    interval: Positive = 0.05
    snapshots: Annotated[int, Field(ge=3, le=21)] = 5
    replicas: Annotated[int, Field(ge=1000, le=10_000_000)] = 300_000
    bandwidth: Positive = 0.2
    """Standard deviation of the smoothing kernel."""
    cells: Annotated[int, Field(ge=32, le=512)] = 96


class KPZIdentity(Parameters):
    """The exact height equation of an evolved density."""

    height: Height = Height()
    start: StartPoint = StartPoint(mean=(-0.4, 0.5), std=0.2)
    time: Time = Time(end=2.0, records=4)
    regression: Regression = Regression()

    @model_validator(mode="after")
    def _fits(self) -> KPZIdentity:
        longest, spacing = 4.0 * INTERVAL / self.height.cells, self.time.end / self.time.records
        if not spacing > 2.0 * longest:
            raise ValueError(
                f"time.records = {self.time.records} are {spacing:.3g} apart: more than {2.0 * longest:.3g} "
                "(twice the interval of a budget on the coarsest grid) is accepted"
            )
        if self.regression.snapshots % 2 == 0:
            raise ValueError(f"regression.snapshots = {self.regression.snapshots}: an odd number is accepted")
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        widest = np.sqrt(0.5 * self.height.viscosity)
        if self.start.std >= widest:
            raise ValueError(
                f"start.std = {self.start.std}: below {widest:.3g} is accepted at this height.viscosity "
                "(the Cole-Hopf equation needs a start narrower than the Gibbs density)"
            )
        return self

    @property
    def times(self) -> Array:
        """Times of the budgets."""
        return self.time.end * np.arange(1, self.time.records + 1) / self.time.records

    def box(self, cells: int) -> Grid:
        """Walls where ``exp(-L / 2 nu)`` is negligible, as the Cole-Hopf equation needs it."""
        decay = DECAY * self.height.viscosity
        x, y = np.sqrt(1.0 + np.sqrt(2.0 * decay)), np.sqrt(decay)
        return Grid.box((-x, x, cells), (-y, y, cells), names=("x", "y"))

    def start_on(self, cells: int) -> Density:
        """Density at time zero."""
        return gaussian(self.box(cells), self.start.mean, self.start.std**2)

    def evolved(self, cells: int, times: Array, run: Workbench) -> tuple[Density, ...]:
        """Densities at the times, with errors that fall with the square of the cell."""
        return evolve(
            equation_of(self.height.viscosity),
            self.start_on(cells),
            times,
            tolerance=self.height.tolerance * (self.height.cells / cells) ** 2,
            threads=run.threads,
            progress=run.progress(f"evolve, {cells} cells, to t = {times[-1]:.3g}"),
            estimate_grid_error=False,
        ).densities


def potential(x: Array, y: Array) -> Array:
    """The loss ``L``."""
    return (x * x - 1.0) ** 2 / 4.0 + y * y / 2.0


def drift(x: Array, y: Array) -> tuple[Array, Array]:
    """``-grad L``."""
    return -x * (x * x - 1.0), -y


def no_drift(x: Array, y: Array) -> tuple[Array, Array]:
    """What a regression must not believe."""
    return 0.0 * x, 0.0 * y


def equation_of(viscosity: float) -> FokkerPlanck:
    """The equation with noise ``nu``."""
    return FokkerPlanck(drift=drift, diffusion=viscosity)


def check(p: KPZIdentity) -> None:
    """Refuse what does not fit into memory."""
    cells = p.height.cells
    check_memory(8.0 * (4 * p.time.records + 40) * cells**2, f"height.cells = {cells}")
    check_memory(24.0 * (p.regression.snapshots + 8) * p.regression.replicas, "regression.replicas")


def budget(p: KPZIdentity, run: Workbench) -> xr.Dataset:
    """The equation term by term on three grids; densities, cuts and maps of the finest are kept."""
    h, times = p.height, p.times
    terms: dict[int, list[HeightTerms]] = {}
    wrong: dict[int, list[HeightTerms]] = {}
    for cells in (h.cells // 4, h.cells // 2, h.cells):
        gap = INTERVAL / cells
        found = p.evolved(cells, (times[:, None] + gap * np.array([-1.0, 0.0, 1.0])).ravel(), run)
        three = [found[k : k + 3] for k in range(0, len(found), 3)]
        for rows, viscosity in ((terms, h.viscosity), (wrong, WRONG_VISCOSITY * h.viscosity)):
            equation = equation_of(viscosity)
            rows[cells] = [height_budget(*triple, equation, interval=gap, floor=h.floor) for triple in three]
    (_, coarse, fine), (_, *other) = terms.values(), wrong.values()
    identity, false = height_residual(fine, coarse), height_residual(*reversed(other))
    records = {"K1, term by term": identity, f"K1, viscosity {WRONG_VISCOSITY:g} times": control(false)}
    table = height_budget_dataset(times, terms, found[1::3], h.viscosity).merge(stored_records(records))
    density = density_variable(found[1::3], "density")
    return table.assign(density=density).assign_coords(grid_coordinates(p.box(h.cells)))


def cole_hopf(p: KPZIdentity, run: Workbench) -> xr.Dataset:
    """The logarithm of finite-volume densities, down to 1e-12 of the maximum, against the Cole-Hopf equation."""
    nu, times, progress, found = p.height.viscosity, p.times, run.progress("Cole-Hopf"), []
    for k, cells in enumerate((p.height.cells // 4, p.height.cells // 2)):
        start = p.start_on(cells)
        generator = build_generator(equation_of(nu), start.grid)
        found.append(propagate(generator, start, times.tolist(), threads=run.threads))
        progress((k + 1) / 3)
    coarse, fine = found
    grid = fine[0].grid

    def truth(viscosity: float) -> Array:
        return np.asarray(cole_hopf_height(potential, viscosity, p.start_on(grid.shape[0]), grid, times).value)

    exact = truth(nu)
    rows = [cole_hopf_residual(h, a, b) for h, a, b in zip(exact, fine, coarse, strict=True)]
    wrong = cole_hopf_residual(truth(WRONG_VISCOSITY * nu)[-1], fine[-1], coarse[-1])
    progress(1.0)
    records = {f"Cole-Hopf, t = {t:g}": r for t, r in zip(times, rows, strict=True)}
    records[f"Cole-Hopf, viscosity {WRONG_VISCOSITY:g} times"] = control(wrong)
    row = int(np.argmax(fine[-1].values.max(axis=0)))
    return xr.Dataset(
        {
            "height": (("time", "x"), [height(q)[:, row] for q in fine], named("h = ln p along x")),
            "cole_hopf": (("time", "x"), exact[:, :, row], named("h of the Cole-Hopf equation along x")),
            "gap": ("time", [r.residual for r in rows], named("root mean square difference of h")),
            "largest_gap": ("time", [r.details["largest"] for r in rows], named("largest difference of h")),
        },
        {"time": ("time", times, named("time")), "x": grid_coordinates(grid)["x"]},
        {"cut": float(grid.centers[1][row])},
    ).merge(stored_records(records))


def regression(p: KPZIdentity, run: Workbench) -> xr.Dataset:
    """``nu``, ``lambda`` and their ratio from densities and from replicas."""
    h, r = p.height, p.regression
    times = r.first + r.interval * np.arange(r.snapshots)
    fine, coarse = (p.evolved(cells, times, run) for cells in (h.cells, h.cells // 2))
    progress, equation, grid = run.progress("sample paths"), equation_of(h.viscosity), p.box(r.cells)
    paths = simulate(equation, p.start_on(h.cells), times, step=STEP, replicas=r.replicas, rng=p.seed).positions
    progress(1 / 2)
    found = {
        "densities": coefficients_from_densities(times, fine, coarse, drift, floor=h.floor),
        "sample paths": coefficients_from_samples(times, paths, drift, grid, bandwidth=r.bandwidth),
        "drift left out": coefficients_from_samples(times, paths, no_drift, grid, bandwidth=r.bandwidth),
    }
    middle = r.snapshots // 2
    now, t = list(paths[middle - 1 : middle + 2]), float(times[middle])
    identity = ensemble_residual(now, equation, grid, bandwidth=r.bandwidth, interval=r.interval, t=t)
    progress(1.0)
    *right, wrong = found
    records: dict[str, Identity | Claim] = {"K1, sample paths": identity}
    records |= {f"lambda = 2 nu, {source}": found[source].claim() for source in right}
    records |= {f"nothing else, {source}": found[source].fit_claim() for source in right}
    records[f"nothing else, {wrong}"] = control(found[wrong].fit_claim())
    return coefficients_dataset(found).merge(stored_records(records))


def claims(p: KPZIdentity, run: Results) -> Iterator[Identity | Claim]:
    """What the stages judged, on densities that the file does not keep."""
    for stage in ("budget", "cole_hopf", "regression"):
        yield from records_of(run[stage])


def tables(p: KPZIdentity, run: Results) -> Iterator[Table]:
    """Residuals by grid, then coefficients."""
    found = run["budget"]
    rms, largest = (found[f"{name}_residual"].max("time").values for name in ("relative", "largest"))
    mean = np.sqrt((found["relative_residual"] ** 2).mean("time").values)
    order = -np.polyfit(np.log(found["cells"].values), np.log(mean), 1)[0]
    residuals = [Column("root mean square", rms, ".2e"), Column("largest cell", largest, ".2e")]
    yield Table(
        "residual of the height equation over its largest term, at the worst time",
        [Column("cells", [f"{n}^2" for n in found["cells"].values]), *residuals],
        notes=[f"order of the residual in the cell: {order:.2f}"],
    )
    fit = run["regression"]
    columns = [Column("recovered from", fit["source"].values)]
    for coefficient, name in (("viscosity", "nu"), ("nonlinearity", "lambda"), ("ratio", "lambda / nu")):
        one = fit.sel(coefficient=coefficient)
        columns.append(Column(name, one["value"].values, ".5f", errors=one["error"].values))
    columns.append(Column("misfit", fit["misfit"].values, ".5f", errors=fit["misfit_error"].values))
    yield Table("viscosity and nonlinearity", columns)


def conclusions(p: KPZIdentity, run: Results) -> Iterator[str]:
    """How well the terms cancel, and what the regression gives."""
    found, fit = run["budget"], run["regression"].sel(coefficient="ratio")
    rms, largest = (float(found[f"{name}_residual"].isel(cells=-1).max()) for name in ("relative", "largest"))
    yield f"The terms cancel to {rms:.1e} of the largest (root mean square), and to {largest:.1e} in every cell."
    gaps = [f"{abs(float(fit['value'].sel(source=s)) / 2.0 - 1.0):.1g} of it ({s})" for s in fit["source"].values]
    yield f"lambda / nu differs from 2 by {', '.join(gaps)}."


def figures(p: KPZIdentity, run: Results) -> Iterator[tuple[str, Figure]]:
    """Budget through time and with the grid; terms along a cut; Cole-Hopf against the density; Burgers and lambda."""
    yield "budget", pictures.draw_budget(run["budget"])
    yield "terms", pictures.draw_terms(run["budget"])
    yield "cole-hopf", pictures.draw_heights(run["cole_hopf"])
    ratio = run["regression"].sel(coefficient="ratio").isel(source=slice(0, -1))
    yield "burgers", pictures.draw_burgers(run["budget"], ratio)


scenario = Scenario(
    title="The height equation: a Kardar-Parisi-Zhang equation that is an identity",
    subject="Kardar-Parisi-Zhang",
    description=__doc__,
    parameters=KPZIdentity(),
    quick={"height.cells": 192, "regression.replicas": 60_000},
    stages=(budget, cole_hopf, regression),
    check=check,
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["regression"][["value", "error"]],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
