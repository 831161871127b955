"""Fokker-Planck problem as a scenario: density, sample paths of the same equation, and what the generator knows.

A scenario file gives the equation and the box in a subclass of :class:`FokkerPlanckProblem`; the functions of this
module do the rest, each a stage or a part of what is said about the run, to be used or replaced one by one::

    class Wells(FokkerPlanckProblem):
        def equation(self):
            return FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2 / 4, diffusion=0.1)

        def grid(self):
            return Grid.box((-2.2, 2.2, self.theory.cells), names=("x",))

    scenario = Scenario(title="Two wells", description=__doc__, parameters=Wells(), **PARTS)

Limits: the equation is linear in its density, for sample paths; the generator's analyses are those of an equation that
does not depend on time, so that others leave the stage ``analyses`` out. Sample paths have a finite step, of weak order
2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.interpolate import RegularGridInterpolator

from fpsim.comparison import compare_density
from fpsim.density import Boundary, Density, Grid, from_samples, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve
from fpsim.generator import (
    Generator,
    build_generator,
    entropy_production,
    mean_first_passage_time,
    quasi_stationary,
    slowest_modes,
    stationary_box,
    stationary_density,
)
from fpsim.paths import simulate
from fpsim.plots import plot_density, plot_marginal
from fpsim.scenario.parameters.sections import Numbers, Parameters, Positive, Section
from fpsim.scenario.records import density_at, density_variable, grid_coordinates, named
from fpsim.scenario.results import Results, Workbench
from fpsim.scenario.tables import Column, Table
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim, Identity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "PARTS",
    "Duration",
    "FokkerPlanckProblem",
    "NormalStart",
    "Passage",
    "Resolution",
    "SamplePaths",
    "analyses",
    "check_problem",
    "claims",
    "conclusions",
    "ensemble",
    "figures",
    "summary",
    "tables",
    "theory",
]

Array = NDArray[np.float64]
MODES = 6
"""Modes of the generator that are asked for: turning ones lie further from zero than they decay."""
ROUNDING = 1e-12
"""Size of a number that is zero up to rounding."""
SHOWN = 5
"""Times in the picture."""
FINEST = 64
"""Cells along an axis of a histogram in the picture."""


class NormalStart(Section):
    """Density at time zero, independent normal coordinates."""

    mean: Numbers = 0.0
    """One number, or one for each coordinate."""
    std: Positive = 0.1
    """Standard deviation of every coordinate."""


class Duration(Section):
    """Time, recorded at ``records`` equal intervals after the start."""

    end: Positive = 10.0
    """Time at which the run ends."""
    records: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Number of equal intervals."""


class SamplePaths(Section):
    """Sample paths of the equation."""

    replicas: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    """Number of independent paths."""
    step: Positive = 0.01
    """Longest time step of the paths, of weak order 2."""


class Resolution(Section):
    """Grids and tolerance."""

    cells: Annotated[int, Field(ge=16, le=4096)] = 128
    """Cells along each axis of the density."""
    tolerance: Annotated[float, Field(gt=0, le=0.5)] = 1e-2
    """Accumulated L1 error allowed to the time stepping."""
    generator_cells: Annotated[int, Field(ge=32, le=4096, multiple_of=2)] = 120
    """Cells along each axis of the generator that is analysed."""


@dataclass(frozen=True)
class Passage:
    """First passage through a plane.

    Attributes
    ----------
    start : tuple of float
        Where it begins.
    axis : str
        Coordinate that is constant on the plane.
    place : float
        Its value there; the target is the side on which the start is not.
    """

    start: tuple[float, ...]
    axis: str
    place: float


class FokkerPlanckProblem(Parameters):
    """What every Fokker-Planck problem has: a start, times, sample paths, grids; a subclass adds its own numbers."""

    start: NormalStart = NormalStart()
    time: Duration = Duration()
    ensemble: SamplePaths = SamplePaths()
    theory: Resolution = Resolution()

    @model_validator(mode="after")
    def _fits(self) -> FokkerPlanckProblem:
        axes = self.grid().ndim
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != axes:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or {axes} are accepted")
        return self

    def equation(self) -> FokkerPlanck:
        """The equation; every subclass says its own."""
        raise NotImplementedError(f"{type(self).__name__} has no equation(self)")

    def grid(self) -> Grid:
        """Box, boundaries and cells of the density; every subclass says its own."""
        raise NotImplementedError(f"{type(self).__name__} has no grid(self)")

    def initial(self, grid: Grid) -> Density:
        """Density at time zero: normal, unless a subclass says otherwise."""
        return gaussian(grid, self.start.mean, self.start.std**2)

    def passages(self) -> Mapping[str, Passage]:
        """First passages whose mean times are asked for, by name."""
        return {}

    def exact(self) -> Mapping[str, float]:
        """Numbers of the generator that are known otherwise, by name."""
        return {}

    @property
    def times(self) -> Array:
        """Times that are recorded, the start first."""
        return np.linspace(0.0, self.time.end, self.time.records + 1)


def check_problem(p: FokkerPlanckProblem) -> None:
    """Refuse, before any work, a grid or paths that do not fit into memory (``MemoryLimitError``)."""
    grid, records = p.grid(), p.time.records + 1
    check_memory(8.0 * (records + 8) * grid.size, f"theory.cells = {p.theory.cells}")
    check_memory(8.0 * (grid.ndim + 1) * records * p.ensemble.replicas, f"ensemble.replicas = {p.ensemble.replicas}")


def theory(p: FokkerPlanckProblem, run: Workbench) -> xr.Dataset:
    """Density at every recorded time, and its mass."""
    grid = p.grid()
    result = evolve(
        p.equation(),
        p.initial(grid),
        p.times,
        tolerance=p.theory.tolerance,
        threads=run.threads,
        progress=run.progress("evolve"),
    )
    return xr.Dataset(
        {
            "density": density_variable(result.densities, "density"),
            "mass": ("time", [one.mass for one in result.densities], named("mass within the box")),
        },
        {"time": ("time", p.times, named("time")), **grid_coordinates(grid)},
        {
            "label": "Fokker-Planck",
            "method": result.method,
            "time_error": result.time_error[-1],
            "grid_error": result.grid_error[-1],
        },
    )


def ensemble(p: FokkerPlanckProblem, run: Workbench) -> xr.Dataset:
    """Histograms of sample paths, and their total variation from the density beside what sampling alone makes of it.

    Paths that were absorbed are not in the histogram; the distance is that of the normalised laws of the others.
    """
    grid, equation = p.grid(), p.equation()
    found = simulate(
        equation,
        p.initial(grid),
        p.times,
        step=p.ensemble.step,
        replicas=p.ensemble.replicas,
        grid=grid,
        rng=p.seed,
        progress=run.progress("sample paths"),
    )
    left = [x[np.isfinite(x).all(axis=1)] for x in found.positions]
    share = np.array([len(x) for x in left]) / p.ensemble.replicas
    histograms = [Density(grid, part * from_samples(grid, x).values) for x, part in zip(left, share, strict=True)]
    rows = [
        compare_density(density_at(run["theory"], "density", k), x, observable="density", time=float(p.times[k]))
        for k, x in enumerate(left)
    ]
    return xr.Dataset(
        {
            "density": density_variable(histograms, "histogram density"),
            "share": ("time", share, named("share of the paths that was not absorbed")),
            "distance": ("time", [one.value for one in rows], named("total variation from the density")),
            "floor": ("time", [one.floor for one in rows], named("total variation that sampling alone makes")),
            "spread": ("time", [one.spread for one in rows], named("standard deviation of that")),
            "z": ("time", [one.z for one in rows], named("distance above its floor, in standard deviations")),
        },
        {"time": ("time", p.times, named("time")), **grid_coordinates(grid)},
        {"label": "sample paths", "replicas": p.ensemble.replicas},
    )


def analyses(p: FokkerPlanckProblem, run: Workbench) -> xr.Dataset:
    """Numbers that are linear algebra on the generator, extrapolated from cells twice as wide by order two.

    The error is the extrapolation's own step; ``exact`` is nan where nothing is known. Without absorption the box is
    that of the stationary density, whatever the density of the run reaches.
    """
    equation, progress, whole = p.equation(), run.progress("generator"), p.grid()
    whole = whole.with_shape((p.theory.generator_cells,) * whole.ndim)
    absorbing = any(Boundary.ABSORBING in sides for sides in whole.boundary)
    box = whole if absorbing else stationary_box(equation, whole)
    found = {"decay rate" if absorbing else "relaxation rate": _extrapolated(_slowest_rate, equation, box)}
    progress(0.5)
    if box.ndim > 1 and not absorbing:
        found["entropy production"] = _extrapolated(_entropy, equation, box)
    for name, passage in p.passages().items():
        aligned = _with_face(box, passage) if _holds(box, passage) and not absorbing else whole  # its walls stay
        found[f"passage time, {name}"] = _extrapolated(_passage_time(passage), equation, aligned)
    progress(1.0)
    exact = p.exact()
    return xr.Dataset(
        {
            "value": ("quantity", [value for value, _ in found.values()], named("number of the generator")),
            "error": ("quantity", [error for _, error in found.values()], named("error of its grid")),
            "exact": ("quantity", [exact.get(name, np.nan) for name in found], named("exact number")),
        },
        {"quantity": list(found)},
    )


def _extrapolated(analysis: Callable[[Generator], float], equation: FokkerPlanck, grid: Grid) -> tuple[float, float]:
    """Value and error; a rate at the edge of what the cells resolve, as of entropy, is infinite on still wider ones."""
    fine, coarse = (analysis(build_generator(equation, one)) for one in (grid, grid.coarser()))
    step = (fine - coarse) / 3.0
    return fine + step, abs(step)


def _slowest_rate(q: Generator) -> float:
    """Rate of the slowest mode that decays; that of the quasi-stationary density if mass is absorbed."""
    if q.absorbing:
        return float(quasi_stationary(q).rate.value)
    return float(np.sort(-np.real(slowest_modes(q, MODES).eigenvalues))[1])


def _entropy(q: Generator) -> float:
    return float(entropy_production(q, stationary_density(q)).value)


def _passage_time(passage: Passage) -> Callable[[Generator], float]:
    def analysis(q: Generator) -> float:
        axis = q.grid.names.index(passage.axis)
        above = passage.start[axis] < passage.place
        target = (lambda *x: x[axis] > passage.place) if above else (lambda *x: x[axis] < passage.place)
        times = mean_first_passage_time(q, target).value
        return float(RegularGridInterpolator(q.grid.centers, times)(np.atleast_2d(passage.start))[0])

    return analysis


def _holds(grid: Grid, passage: Passage) -> bool:
    """Whether start and plane lie in the box, two of the wider cells away from its walls."""
    margin = 4.0 * np.array(grid.spacing)
    points = np.array([passage.start, passage.start])
    points[1, grid.names.index(passage.axis)] = passage.place
    return bool(np.all((points > grid.lower + margin) & (points < grid.upper - margin)))


def _with_face(grid: Grid, passage: Passage) -> Grid:
    """The box moved along an axis, by a cell at most, so that a face lies there, on cells twice as wide too.

    A target is made of cells: where it begins between faces, its border would be off by up to half a cell.
    """
    axis = grid.names.index(passage.axis)
    width = 2.0 * grid.spacing[axis]
    move = np.zeros(grid.ndim)
    move[axis] = (passage.place - grid.lower[axis]) - width * round((passage.place - grid.lower[axis]) / width)
    return grid.with_box(tuple(np.array(grid.lower) + move), tuple(np.array(grid.upper) + move))


def claims(p: FokkerPlanckProblem, run: Results) -> Iterator[Claim | Identity]:
    """The density is that of the paths, and numbers of the generator are the exact ones where these are known.

    What explains a distance: its sampling error, and half the L1 errors that the density states for itself.
    """
    found, density = run["ensemble"], run["theory"]
    own = 0.5 * (density.attrs["time_error"] + density.attrs["grid_error"])
    for k, t in enumerate(p.times):
        excess = max(0.0, float(found["distance"][k] - found["floor"][k]))
        yield Claim(f"density is that of the paths, t = {t:.4g}", excess, float(np.hypot(found["spread"][k], own)), 0.0)
        mass, share = float(density["mass"][k]), float(found["share"][k])
        if mass < 1.0 - own - ROUNDING:
            error = np.hypot(np.sqrt(mass * (1.0 - mass) / p.ensemble.replicas), 2.0 * own)
            yield Claim(f"mass is the share of paths left, t = {t:.4g}", abs(share - mass), float(error), 0.0)
    numbers = run["analyses"]
    for name, value, error, exact in _rows(numbers):
        if np.isfinite(exact):
            scale = abs(exact) or 1.0
            yield Identity(f"{name} is exact", abs(value - exact) / scale, error / scale)


def _rows(numbers: xr.Dataset) -> Iterator[tuple[str, float, float, float]]:
    columns = (numbers[name].values for name in ("quantity", "value", "error", "exact"))
    for name, value, error, exact in zip(*columns, strict=True):
        zero = abs(value) < ROUNDING
        yield str(name), 0.0 if zero else float(value), 0.0 if zero else float(error), float(exact)


def tables(p: FokkerPlanckProblem, run: Results) -> Iterator[Table]:
    """Distances through time; numbers of the generator."""
    found, density = run["ensemble"], run["theory"]
    columns = [
        Column("time", p.times, ".3g"),
        Column("total variation", found["distance"].values, ".4f"),
        Column("sampling alone", found["floor"].values, ".4f", errors=found["spread"].values),
        Column("z", found["z"].values, ".1f"),
    ]
    if float(found["share"].min()) < 1.0:
        columns.append(Column("mass", density["mass"].values, ".4f"))
        columns.append(Column("paths left", found["share"].values, ".4f"))
    yield Table("density against sample paths", columns)
    names, values, errors, exact = zip(*_rows(run["analyses"]), strict=True)
    yield Table(
        "numbers of the generator",
        [
            Column("quantity", names),
            Column("value", values, ".5g", errors=errors),
            Column("exact", exact, ".5g"),
        ],
    )


def conclusions(p: FokkerPlanckProblem, run: Results) -> Iterator[str]:
    """Whether paths follow the density, how long the run is, and whether a current stays."""
    worst = run["ensemble"].isel(time=int(np.argmax(run["ensemble"]["z"].values)))
    yield (
        f"The {p.ensemble.replicas} sample paths are farthest from the density at t = {float(worst['time']):.4g}: "
        f"z = {float(worst['z']):.1f} over what sampling alone makes of it."
    )
    numbers = {name: (value, error) for name, value, error, _ in _rows(run["analyses"])}
    for name, what in (("relaxation rate", "relaxation times"), ("decay rate", "decay times")):
        if name in numbers:
            yield f"The run lasts {p.time.end * numbers[name][0]:.3g} {what} of the slowest mode."
    if "entropy production" in numbers:
        entropy, error = numbers["entropy production"]
        if entropy == 0.0:
            yield "Nothing flows at rest: the entropy production is zero."
        elif entropy > 3.0 * error:
            yield f"A current stays at rest: entropy is produced at rate {entropy:.4g}."


def figures(p: FokkerPlanckProblem, run: Results) -> Iterator[tuple[str, Figure]]:  # noqa: ARG001
    """Densities through time, of the first two coordinates: paths above, equation below; curves in one dimension."""
    from matplotlib.figure import Figure

    pair = [_plane(run[name]["density"]) for name in ("ensemble", "theory")]
    chosen = np.unique(np.round(np.linspace(0, 1, SHOWN) * (pair[0].sizes["time"] - 1)).astype(int))
    x, *y = (str(d) for d in pair[0].dims[1:])
    figure = Figure(figsize=(2.3 * len(chosen) + 0.8, 4.9 if y else 2.6))
    axes = figure.subplots(2 if y else 1, len(chosen), sharex=True, sharey=True, squeeze=False)
    peak = float(pair[1].isel(time=chosen[1:]).max())
    for column, index in enumerate(chosen):
        found, density = (one.isel(time=index) for one in pair)
        block = {d: max(1, found.sizes[d] // FINEST) for d in (x, *y)}
        few = found.coarsen(block, boundary="trim").mean()
        if y:
            for row, values in enumerate((few, density)):
                plot_density(values[x], values[y[0]], values, ax=axes[row, column], peak=peak)
        else:
            plot_marginal(few[x], few, source="ensemble", ax=axes[0, column], filled=True, label="sample paths")
            plot_marginal(density[x], density, source="theory", ax=axes[0, column], label="Fokker-Planck")
        axes[0, column].set_title(f"t = {float(found['time']):.3g}")
        axes[-1, column].set_xlabel(x)
    if y:
        axes[0, 0].set_ylabel(f"sample paths,  {y[0]}")
        axes[1, 0].set_ylabel(f"Fokker-Planck,  {y[0]}")
        bar = figure.colorbar(axes[0, 0].collections[0], ax=axes, shrink=0.8, extend="both")
        bar.set_label("density")
    else:
        axes[0, 0].set_ylabel("density")
        axes[0, 0].legend(fontsize=8)
    yield "densities", figure


def _plane(density: xr.DataArray) -> xr.DataArray:
    """The density of the first two coordinates."""
    others = [str(d) for d in density.dims[3:]]
    volume = float(np.prod([density[d].attrs["spacing"] for d in others]))
    return density.sum(others) * volume if others else density


def summary(p: FokkerPlanckProblem, run: Results) -> xr.Dataset:  # noqa: ARG001
    """Distances through time."""
    return run["ensemble"][["distance", "floor", "spread", "z"]]


PARTS: Mapping[str, Any] = MappingProxyType(
    {
        "check": check_problem,
        "stages": (theory, ensemble, analyses),
        "claims": claims,
        "tables": tables,
        "figures": figures,
        "conclusions": conclusions,
        "summary": summary,
    }
)
"""All of it, for ``Scenario(..., **PARTS)``; ``PARTS | {"claims": mine}`` replaces a part."""
