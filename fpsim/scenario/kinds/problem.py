"""A Fokker-Planck problem without a network: density, sample paths of the same equation, and what the generator knows.

Two systems, in two dimensions:

- ``double-well``: potential ``(x^2 - 1)^2 / 4 + y^2 / 2`` with isotropic noise;
- ``rotating-flow``: drift ``-(x, y) + rotation * (y, -x)`` with a tensor ``D [[1, c], [c, 1]]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field, model_validator
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import RegularGridInterpolator
from scipy.linalg import solve_continuous_lyapunov

from fpsim.comparison import compare_density
from fpsim.density import Grid, from_samples, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.generator import Generator, build_generator, entropy_production, mean_first_passage_time, slowest_modes
from fpsim.generator import stationary_density as stationary
from fpsim.paths import simulate
from fpsim.plots import plot_density
from fpsim.scenario.parameters.sections import EnsembleSize, Positive, ScenarioBase, Section, StartPoint, Theory, Time
from fpsim.scenario.records import density_variable, grid_coordinates, group
from fpsim.scenario.shared.kind import STRICT_Z, Kind
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KIND", "Problem", "ProblemScenario", "equation_of"]

HALF_WIDTH = 2.2
GENERATOR_CELLS, ROUGH_CELLS = 120, 64
MODES = 6
REACH = 5.0
"""Standard deviations of the stationary density on either side of its mean that its box reaches."""
QUADRATURE = 40_001
ROUNDING = 1e-12
"""Entropy production below which it is printed as zero."""
STEP = 0.01
"""Time step of the sample paths (weak order 2): its bias is far below their sampling error."""
TIME = {"units": "1", "long_name": "time"}


class Problem(Section):
    """A Fokker-Planck problem that needs no network."""

    system: Literal["double-well", "rotating-flow"] = "double-well"
    diffusion: Positive = 0.05
    rotation: float = 2.0
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.0


class ProblemScenario(ScenarioBase):
    """Evolve a density in a given drift and hold it against an ensemble of stochastic paths."""

    kind: Literal["problem"] = "problem"
    problem: Problem = Problem()
    start: StartPoint = StartPoint(mean=(-1.0, 0.5), std=0.1)
    time: Time = Time()
    ensemble: EnsembleSize = EnsembleSize()
    theory: Theory = Theory()

    @model_validator(mode="after")
    def _fits(self) -> ProblemScenario:
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        return self


def equation_of(problem: Problem) -> FokkerPlanck:
    """The equation of a problem."""
    d, c, turn = problem.diffusion, problem.diffusion * problem.correlation, problem.rotation
    if problem.system == "double-well":
        return FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 / 4 + y**2 / 2, diffusion=d)
    return FokkerPlanck(drift=lambda x, y: (-x + turn * y, -y - turn * x), diffusion=[[d, c], [c, d]])


def check_problem(scenario: ProblemScenario) -> None:
    """Refuse, before any work, a grid or an ensemble that does not fit into memory (``MemoryLimitError``)."""
    records = scenario.time.records + 1
    check_memory(8.0 * (records + 8) * scenario.theory.cells**2, f"theory.cells = {scenario.theory.cells}")
    check_memory(24.0 * records * scenario.ensemble.replicas, f"ensemble.replicas = {scenario.ensemble.replicas}")


def problem_stages(
    scenario: ProblemScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/problem/ensemble``, ``/problem/theory``, ``/problem/comparison`` and ``/problem/generator``."""
    if "/problem/generator" in done.groups:
        return
    equation = equation_of(scenario.problem)
    cells = scenario.theory.cells
    grid = Grid.box((-HALF_WIDTH, HALF_WIDTH, cells), (-HALF_WIDTH, HALF_WIDTH, cells), names=("x", "y"))
    times = np.linspace(0.0, scenario.time.end, scenario.time.records + 1)
    start = gaussian(grid, scenario.start.mean, scenario.start.std**2)
    coordinates = {"time": ("time", times, TIME), **grid_coordinates(grid)}
    result = evolve(
        equation,
        start,
        times,
        tolerance=scenario.theory.tolerance,
        threads=threads,
        progress=report("evolve"),
    )
    attributes = {"method": result.method, "time_error": result.time_error[-1], "grid_error": result.grid_error[-1]}
    theory = xr.Dataset({"density": density_variable(result.densities, "density")}, coordinates, attributes)
    yield {"/problem/theory": theory}
    paths = simulate(
        equation, start, times, step=STEP, replicas=scenario.ensemble.replicas, grid=grid, rng=scenario.seed
    )
    rows = [
        compare_density(p, x, observable="density", time=float(t))
        for p, x, t in zip(result.densities, paths.positions, times, strict=True)
    ]
    histograms = [from_samples(grid, x) for x in paths.positions]
    yield {
        "/problem/ensemble": xr.Dataset(
            {"density": density_variable(histograms, "histogram density")},
            coordinates,
            {"replicas": scenario.ensemble.replicas},
        ),
        "/problem/comparison": xr.Dataset(
            {
                name: ("time", [getattr(c, field) for c in rows], {"units": "1"})
                for name, field in (("distance", "value"), ("floor", "floor"), ("spread", "spread"), ("z", "z"))
            },
            {"time": ("time", times, TIME)},
        ),
    }
    yield {"/problem/generator": _analyses(scenario.problem, equation, _resting_place(equation, grid))}


def _resting_place(equation: FokkerPlanck, grid: Grid) -> Grid:
    """Box that the stationary density needs, however short the run: what rates on its cells can resolve.

    A coarse generator spreads too far; in the box that it asks for, the next one spreads less.
    """
    for cells in (ROUGH_CELLS, GENERATOR_CELLS, GENERATOR_CELLS):
        rest = stationary(build_generator(equation, grid.with_shape((cells,) * grid.ndim)))
        reach = REACH * rest.std
        lower, upper = np.maximum(rest.mean - reach, grid.lower), np.minimum(rest.mean + reach, grid.upper)
        grid = grid.with_box(tuple(lower), tuple(upper)).with_shape((GENERATOR_CELLS,) * grid.ndim)
    return grid


def _analyses(problem: Problem, equation: FokkerPlanck, grid: Grid) -> xr.Dataset:
    """Numbers that are linear algebra on the generator, extrapolated from half the cells (order 2).

    The error is the extrapolation's own step; ``exact`` is a closed form or quadrature, nan without one.
    """

    def numbers(g: Grid) -> dict[str, float]:
        generator = build_generator(equation, g)
        found = {
            "relaxation rate": _relaxation_rate(generator),
            "entropy production": float(entropy_production(generator, stationary(generator)).value),
        }
        if problem.system == "double-well":
            passage = mean_first_passage_time(generator, lambda x, y: x + 0 * y > 1.0)
            from_there = RegularGridInterpolator(g.centers, passage.value)
            found["passage time, x = -1 to 1"] = float(from_there((-1.0, 0.0)))
        return found

    if problem.system == "double-well":
        grid = _with_face(grid, 1.0)
    fine, coarse = numbers(grid), numbers(grid.coarser())
    names = list(fine)
    step, exact = {n: (fine[n] - coarse[n]) / 3 for n in names}, _exact(problem)
    return xr.Dataset(
        {
            "value": ("quantity", [fine[n] + step[n] for n in names]),
            "error": ("quantity", [abs(step[n]) for n in names]),
            "exact": ("quantity", [exact.get(n, np.nan) for n in names]),
        },
        {"quantity": names},
    )


def _with_face(grid: Grid, place: float) -> Grid:
    """The box moved along ``x``, by a cell at most, so that a face lies there, on cells twice as wide too.

    A target is made of cells: where it begins between faces, its border would be off by up to half a cell.
    """
    pair = 2.0 * grid.spacing[0]
    shift = (place - grid.lower[0]) - pair * round((place - grid.lower[0]) / pair)
    move = np.array([shift] + [0.0] * (grid.ndim - 1))
    return grid.with_box(tuple(np.array(grid.lower) + move), tuple(np.array(grid.upper) + move))


def _exact(problem: Problem) -> dict[str, float]:
    """Closed forms, and quadrature where ``y`` is independent of ``x``."""
    d, c, turn = problem.diffusion, problem.correlation, problem.rotation
    if problem.system == "double-well":
        # backward from the absorbing point, T(-1) = int_-1^1 exp(V / D) int_-inf^x exp(-V / D) / D
        x = np.linspace(-1.0 - REACH, 1.0, QUADRATURE)
        depth = (x**2 - 1) ** 2 / 4 / d
        below = cumulative_trapezoid(np.exp(-depth), x, initial=0.0)
        inside = x >= -1.0
        passage = np.trapezoid(np.exp(depth[inside]) * below[inside], x[inside]) / d
        return {"entropy production": 0.0, "passage time, x = -1 to 1": float(passage)}
    pull, tensor = np.array([[1.0, -turn], [turn, 1.0]]), d * np.array([[1.0, c], [c, 1.0]])
    spread = solve_continuous_lyapunov(pull, 2 * tensor)
    entropy = np.trace(pull.T @ np.linalg.solve(tensor, pull) @ spread) - np.trace(pull)
    return {"relaxation rate": 1.0, "entropy production": float(entropy)}


def _relaxation_rate(generator: Generator) -> float:
    """Smallest decay rate; some more modes are asked for, since turning ones lie further from zero than they decay."""
    return float(np.sort(-np.real(slowest_modes(generator, MODES).eigenvalues))[1])


def problem_summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: the distances."""
    return group(tree, "problem", "comparison")


def problem_report(tree: xr.DataTree) -> str:
    """Table of a problem run."""
    if "problem" not in tree.children or "generator" not in tree["problem"].children:
        return "the run is not complete"
    comparison, numbers = group(tree, "problem", "comparison"), group(tree, "problem", "generator")
    lines = [f"{'time':>8}{'total variation':>18}{'sampling floor':>20}{'z':>8}"]
    for i, t in enumerate(comparison["time"].values):
        one = comparison.isel(time=i)
        floor = f"{float(one['floor']):.4f} ±{float(one['spread']):.4f}"
        lines.append(f"{t:>8.3g}{float(one['distance']):>18.4f}{floor:>20}{float(one['z']):>8.1f}")
    lines.append("")
    lines.append(f"{'generator':<28}{'value':>12} ± {'grid':<10}{'exact':>12}")
    for name in numbers["quantity"].values:
        value, error, exact = (
            float(numbers[part].sel(quantity=name)) if part in numbers else np.nan
            for part in ("value", "error", "exact")
        )
        if name == "entropy production" and abs(value) < ROUNDING:
            value = error = 0.0
        known = f"{exact:.5g}" if np.isfinite(exact) else "-"
        lines.append(f"{name!s:<28}{value:>12.5g} ± {error:<10.1g}{known:>12}")
    return "\n".join(lines)


def problem_figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Densities through time, theory below the sample paths."""
    from matplotlib.figure import Figure

    ensemble, theory = group(tree, "problem", "ensemble")["density"], group(tree, "problem", "theory")["density"]
    chosen = np.unique(np.round(np.linspace(0, 1, 5) * (ensemble.sizes["time"] - 1)).astype(int))
    figure = Figure(figsize=(2.3 * len(chosen) + 0.8, 4.9))
    axes = figure.subplots(2, len(chosen), sharex=True, sharey=True, squeeze=False)
    peak = float(theory.isel(time=chosen[1:]).max())
    block = max(1, ensemble.sizes["x"] // 64)
    for column, index in enumerate(chosen):
        few = ensemble.isel(time=index).coarsen(x=block, y=block, boundary="trim").mean()
        for row, density in enumerate((few, theory.isel(time=index))):
            plot_density(density["x"], density["y"], density, ax=axes[row, column], peak=peak)
        axes[0, column].set_title(f"t = {float(ensemble['time'][index]):.3g}")
        axes[1, column].set_xlabel("x")
    axes[0, 0].set_ylabel("sample paths,  y")
    axes[1, 0].set_ylabel("Fokker-Planck,  y")
    bar = figure.colorbar(axes[0, 0].collections[0], ax=axes, shrink=0.8, extend="both")
    bar.set_label("density")
    yield "densities", figure


def problem_shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Times at which the density and the sample paths are further apart than sampling explains."""
    table = group(tree, "problem", "comparison")
    return tuple(
        f"density at t = {float(t):g}: z = {float(z):.1f} above {STRICT_Z:g}"
        for t, z in zip(table["time"].values, table["z"].values, strict=True)
        if z > STRICT_Z
    )


KIND = Kind(
    model=ProblemScenario,
    check=check_problem,
    stages=problem_stages,
    summary=problem_summary,
    figures=problem_figures,
    report=problem_report,
    shortfalls=problem_shortfalls,
)
