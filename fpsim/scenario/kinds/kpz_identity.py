"""The height ``h = ln p`` of an evolved density and the equation it obeys, held against everything that is known of it.

A double well with noise ``nu``: ``L = (x^2 - 1)^2 / 4 + y^2 / 2``. Term budgets through time on three grids, the
Cole-Hopf equation solved independently, ``nu`` and ``lambda`` recovered from densities and from sample paths, and
Burgers' velocity. Controls that have to fail: a wrong viscosity, and a drift left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator
from fpsim.generator.uniformization import propagate
from fpsim.kpz.cole_hopf import cole_hopf_height, cole_hopf_residual
from fpsim.kpz.height import HeightTerms, burgers_velocity, height, height_budget, height_residual
from fpsim.kpz.height_ensemble import ensemble_residual
from fpsim.kpz.height_regression import KPZCoefficients, coefficients_from_densities, coefficients_from_samples
from fpsim.memory import check_memory
from fpsim.progress import Reporter, share_of
from fpsim.scenario.kind import Kind
from fpsim.scenario.records import density_variable, grid_coordinates, group
from fpsim.scenario.sections import Positive, ScenarioBase, Section, StartPoint, Time
from fpsim.scenario.verdict_table import collected_verdicts, part, shortfalls_of, verdict_dataset, verdict_lines
from fpsim.sde import simulate
from fpsim.transport import evolve
from fpsim.verdict import Claim, Identity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KIND", "KPZIdentityScenario"]

Array = NDArray[np.float64]
DECAY = 100.0
"""Four times the logarithm by which the root of the Gibbs density has fallen at the walls."""
INTERVAL = 1.6
"""Time between two densities of a budget, in cells of the unit length: it shrinks with the cell."""
TERMS = ("rate", "diffusion", "nonlinear", "advection", "source", "residual")
DRAWN = 0.03
"""Share of the largest density above which terms are drawn: squares of slopes rule the tails."""
STEP = 0.0125
"""Time step of the sample paths (weak order 2)."""
WRONG_VISCOSITY = 1.05
TIME = {"units": "1", "long_name": "time"}


class Height(Section):
    """The density and where its height counts."""

    viscosity: Annotated[float, Field(ge=0.02, le=0.5)] = 0.1
    floor: Annotated[float, Field(gt=0, lt=0.1)] = 1e-3
    """Share of the largest density above which K1 is judged."""
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


class KPZIdentityScenario(ScenarioBase):
    """The exact height equation of an evolved density."""

    kind: Literal["kpz-identity"] = "kpz-identity"
    height: Height = Height()
    start: StartPoint = StartPoint(mean=(-0.4, 0.5), std=0.2)
    time: Time = Time(end=2.0, records=4)
    regression: Regression = Regression()

    @model_validator(mode="after")
    def _fits(self) -> KPZIdentityScenario:
        longest = 4.0 * INTERVAL / self.height.cells
        spacing = self.time.end / self.time.records
        if not spacing > 2.0 * longest:
            raise ValueError(
                f"time.records = {self.time.records} are {spacing:.3g} apart: more than {2.0 * longest:.3g} "
                "(twice the interval of a budget on the coarsest grid) is accepted"
            )
        if self.regression.snapshots % 2 == 0:
            raise ValueError(f"regression.snapshots = {self.regression.snapshots}: an odd number is accepted")
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        if self.start.std >= np.sqrt(0.5 * self.height.viscosity):
            raise ValueError(
                f"start.std = {self.start.std}: below {np.sqrt(0.5 * self.height.viscosity):.3g} is accepted at this "
                "height.viscosity (the Cole-Hopf equation needs a start narrower than the Gibbs density)"
            )
        return self


def _potential(x: Array, y: Array) -> Array:
    return (x * x - 1.0) ** 2 / 4.0 + y * y / 2.0


def _drift(x: Array, y: Array) -> tuple[Array, Array]:
    return -x * (x * x - 1.0), -y


def _equation(viscosity: float) -> FokkerPlanck:
    return FokkerPlanck(drift=_drift, diffusion=viscosity)


def _box(viscosity: float, cells: int) -> Grid:
    """Walls where ``exp(-L / 2 nu)`` is negligible, as the Cole-Hopf equation needs it."""
    x, y = np.sqrt(1.0 + np.sqrt(2.0 * DECAY * viscosity)), np.sqrt(DECAY * viscosity)
    return Grid.box((-x, x, cells), (-y, y, cells), names=("x", "y"))


def _start(scenario: KPZIdentityScenario, cells: int) -> Density:
    return gaussian(_box(scenario.height.viscosity, cells), scenario.start.mean, scenario.start.std**2)


def _records(scenario: KPZIdentityScenario) -> Array:
    return scenario.time.end * np.arange(1, scenario.time.records + 1) / scenario.time.records


def check(scenario: KPZIdentityScenario) -> None:
    """Refuse, before any work, what does not fit into memory (``MemoryLimitError``)."""
    cells, records, snapshots = scenario.height.cells, scenario.time.records, scenario.regression.snapshots
    check_memory(8.0 * (4 * records + 40) * cells**2, f"height.cells = {cells}")
    check_memory(24.0 * (snapshots + 8) * scenario.regression.replicas, "regression.replicas")


def stages(
    scenario: KPZIdentityScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/height/budget``, ``/height/cole-hopf``, ``/height/regression``, and ``/verdicts/...`` for each."""
    if "/verdicts/budget" not in done.groups:
        yield _budgets(scenario, threads, report)
    if "/verdicts/cole-hopf" not in done.groups:
        yield _cole_hopf(scenario, threads, report)
    if "/verdicts/regression" not in done.groups:
        yield _regression(scenario, threads, report)


def _budgets(scenario: KPZIdentityScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """K1 term by term on three grids; the densities, cuts and maps of the finest are kept."""
    h, times = scenario.height, _records(scenario)
    sizes = [h.cells // 4, h.cells // 2, h.cells]
    terms: list[list[HeightTerms]] = []
    wrong: list[list[HeightTerms]] = []
    densities: tuple[Density, ...] = ()
    for cells in sizes:
        gap = INTERVAL / cells
        triples = (times[:, None] + gap * np.array([-1.0, 0.0, 1.0])).ravel()
        progress = share_of(report(f"evolve, {cells} cells"))
        result = evolve(
            _equation(h.viscosity),
            _start(scenario, cells),
            triples,
            tolerance=h.tolerance * (h.cells / cells) ** 2,
            threads=threads,
            progress=progress,
            estimate_grid_error=False,
        )
        three = [result.densities[k : k + 3] for k in range(0, len(triples), 3)]
        for rows, viscosity in ((terms, h.viscosity), (wrong, WRONG_VISCOSITY * h.viscosity)):
            equation = _equation(viscosity)
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


def _cole_hopf(scenario: KPZIdentityScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """The logarithm of finite-volume densities, down to 1e-12 of the maximum, against the Cole-Hopf equation."""
    nu, times = scenario.height.viscosity, _records(scenario)
    sizes = [scenario.height.cells // 4, scenario.height.cells // 2]
    progress, found = report("Cole-Hopf"), []
    for k, cells in enumerate(sizes):
        start = _start(scenario, cells)
        found.append(propagate(build_generator(_equation(nu), start.grid), start, times.tolist(), threads=threads))
        progress(k + 1, 3)
    coarse, fine = found
    grid = fine[0].grid

    def truth(viscosity: float) -> Array:
        values = cole_hopf_height(_potential, viscosity, _start(scenario, sizes[1]), grid, times).value
        return np.asarray(values)

    exact = truth(nu)
    rows = [cole_hopf_residual(h, p, q) for h, p, q in zip(exact, fine, coarse, strict=True)]
    wrong = cole_hopf_residual(truth(WRONG_VISCOSITY * nu)[-1], fine[-1], coarse[-1])
    progress(3, 3)
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


def _regression(scenario: KPZIdentityScenario, threads: int | None, report: Reporter) -> dict[str, xr.Dataset]:
    """``nu``, ``lambda`` and their ratio from densities and from replicas."""
    h, r = scenario.height, scenario.regression
    times = r.first + r.interval * np.arange(r.snapshots)
    fine, coarse = (
        evolve(
            _equation(h.viscosity),
            _start(scenario, cells),
            times,
            tolerance=h.tolerance * (h.cells / cells) ** 2,
            threads=threads,
            progress=share_of(report(f"snapshots, {cells} cells")),
            estimate_grid_error=False,
        ).densities
        for cells in (h.cells, h.cells // 2)
    )
    progress = report("sample paths")
    equation, grid = _equation(h.viscosity), _box(h.viscosity, r.cells)
    start = _start(scenario, h.cells)
    paths = simulate(equation, start, times, step=STEP, samples=r.replicas, rng=scenario.seed).positions
    progress(1, 2)
    found = {
        "densities": coefficients_from_densities(times, fine, coarse, _drift, floor=h.floor),
        "sample paths": coefficients_from_samples(times, paths, _drift, grid, bandwidth=r.bandwidth),
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
    progress(2, 2)
    names = {source: f"lambda = 2 nu, {source}" for source in found}
    claims = [_renamed(c.claim(), names[source]) for source, c in found.items()]
    verdicts: list[Identity | Claim] = [Identity("K1, sample paths", identity.residual, identity.error), *claims]
    return {
        "/height/regression": _coefficients_record(found),
        "/verdicts/regression": part(verdict_dataset(verdicts, expected={claims[-1].name: "fails"}), "regression"),
    }


def _renamed(claim: Claim, name: str) -> Claim:
    return Claim(name, claim.residual, claim.error, claim.tolerance, claim.freedom, claim.details)


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
                [c.misfit for c in found.values()],
                {"units": "1", "long_name": "relative root mean square misfit of the regression"},
            ),
        },
        {"source": list(found), "coefficient": ["viscosity", "nonlinearity", "ratio"]},
    )


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the verdicts."""
    return collected_verdicts(tree, "verdicts")


def report_of(tree: xr.DataTree) -> str:
    """Residuals by grid, coefficients, and the two tables of verdicts."""
    if "verdicts" not in tree.children or "regression" not in tree["verdicts"].children:
        return "the run is not complete"
    budget, fit = group(tree, "height", "budget"), group(tree, "height", "regression")
    lines = [f"{'K1: cells':<12}{'root mean square':>18}{'largest cell':>16}   (share of the largest term, worst time)"]
    for cells in budget["cells"].values:
        one = budget.sel(cells=cells)
        rms, largest = (float(one[f"{name}_residual"].max()) for name in ("relative", "largest"))
        lines.append(f"{cells:>9}^2{rms:>19.2e}{largest:>16.2e}")
    mean = np.sqrt((budget["relative_residual"] ** 2).mean("time").values)
    order = -np.polyfit(np.log(budget["cells"].values), np.log(mean), 1)[0]
    lines += [f"order of the residual in the cell: {order:.2f}", ""]
    lines.append(f"{'recovered from':<20}{'nu':>20}{'lambda':>20}{'lambda / nu':>20}{'misfit':>10}")
    for source in fit["source"].values:
        one = fit.sel(source=source)
        cells_ = [
            _with_error(float(v), float(e)) for v, e in zip(one["value"].values, one["error"].values, strict=True)
        ]
        lines.append(f"{source!s:<20}" + "".join(f"{c:>20}" for c in cells_) + f"{float(one['misfit']):>10.3f}")
    return "\n".join([*lines, "", *verdict_lines(collected_verdicts(tree, "verdicts"))])


def _with_error(value: float, error: float) -> str:
    return f"{value:.5f} ± {error:.1g}"


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Budget through time and with the grid; terms along a cut; Cole-Hopf against the density; Burgers and lambda."""
    from matplotlib.figure import Figure

    from fpsim.plots.surface_axes import plot_estimates, plot_lines, plot_power

    budget = group(tree, "height", "budget")
    times = budget["time"].values

    figure = Figure(figsize=(9.2, 3.9))
    left, right = figure.subplots(1, 2)
    sizes = {str(t): budget["term_size"].sel(term=t) for t in TERMS}
    plot_lines(times, sizes, ax=left, styles=dict.fromkeys(TERMS, "o-"))
    left.set(yscale="log", xlabel="time  t", ylabel="root mean square,  1 / time", title="terms of the height equation")
    left.set_ylim(bottom=0.3 * float(budget["term_size"].min()), top=60.0 * float(budget["term_size"].max()))
    left.legend(ncols=2, loc="upper right")
    mean = np.sqrt((budget["relative_residual"] ** 2).mean("time"))
    series: dict[str, Any] = {"root mean square": mean, "largest cell": budget["largest_residual"].max("time")}
    plot_power(budget["cells"], series, slope=-2.0, label="slope -2", ax=right)
    right.axhline(1e-3, color="0.8", linewidth=1, zorder=0)
    right.set(xlabel="cells along an axis", ylabel="residual / largest term", title="residual with the grid")
    right.set_xticks(budget["cells"].values, [str(c) for c in budget["cells"].values])
    right.minorticks_off()
    right.legend()
    yield "budget", figure

    chosen = [0, len(times) - 1]
    figure = Figure(figsize=(9.2, 3.9))
    for ax, k in zip(np.atleast_1d(figure.subplots(1, 2, sharex=True)), chosen, strict=True):
        high = budget["density"].isel(time=k).max("y")
        cut = budget["term_cut"].isel(time=k).where(high > DRAWN * high.max())
        lines = {str(t): cut.sel(term=t) for t in TERMS[:-1]}
        lines["1000 × residual"] = 1000.0 * cut.sel(term="residual")
        plot_lines(budget["x"], lines, ax=ax, styles={"1000 × residual": "k-", "rate": "--"})
        ax.set(xlabel="x", title=f"t = {times[k]:g},  y = {budget.attrs['cut']:.2f}")
        span = [float(cut.min()), float(cut.max())]
        ax.set_ylim(span[0] - 0.08 * (span[1] - span[0]), span[1] + 0.45 * (span[1] - span[0]))
        ax.legend(ncols=2, loc="upper center", fontsize=8)
    figure.axes[0].set_ylabel("1 / time")
    yield "terms", figure

    pair = group(tree, "height", "cole-hopf")
    figure = Figure(figsize=(9.2, 3.9))
    left, right = figure.subplots(1, 2)
    for k, t in enumerate(pair["time"].values):
        line = left.plot(pair["x"], pair["height"].isel(time=k), label=f"t = {t:g}", linewidth=1.2)[0]
        left.plot(pair["x"][::4], pair["cole_hopf"].isel(time=k)[::4], ".", color=line.get_color(), markersize=4)
        gap = np.abs(pair["height"].isel(time=k) - pair["cole_hopf"].isel(time=k))
        right.semilogy(pair["x"], gap, label=f"t = {t:g}", linewidth=1.2)
    top = float(pair["height"].max())
    left.set(
        ylim=(top - 32.0, top + 12.0), xlabel="x", ylabel="h = ln p", title="finite volumes (lines), Cole-Hopf (dots)"
    )
    left.legend(ncols=2, loc="upper center")
    right.set(xlabel="x", ylabel="difference of h", title="difference, same colours", ylim=(1e-7, 10.0))
    yield "cole-hopf", figure

    fit = group(tree, "height", "regression")
    figure = Figure(figsize=(9.2, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1.0))
    plot_lines(budget["x"], {f"t = {t:g}": v for t, v in zip(times, budget["velocity"].values, strict=True)}, ax=left)
    left.axhline(0.0, color="0.8", linewidth=1, zorder=0)
    left.set(xlabel="x", ylabel="v", title=r"Burgers velocity  $v = -2 \nu\, \partial_x h$")
    left.legend()
    ratio = fit.sel(coefficient="ratio")
    names = [str(s) for s in fit["source"].values]
    plot_estimates(names, ratio["value"], ratio["error"], truth=2.0, ax=right)
    right.set(xlabel=r"$\lambda / \nu$  (± 4 errors)", title=r"$\lambda = 2 \nu$; without the drift it fails")
    yield "burgers", figure


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Identities and claims that did not hold, and controls that did not fail."""
    return shortfalls_of(collected_verdicts(tree, "verdicts"))


KIND: Any = Kind(
    model=KPZIdentityScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report_of,
    shortfalls=shortfalls,
)
