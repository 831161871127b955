"""Objects of the Python interface as a run's file: ``fpsim.save(path, theory=evolution, ensemble=paths)``.

Each object becomes the group of its name; densities, weights and verdicts are laid out as those of a scenario's run, so
that everything that reads run files reads these. Ensembles and paths get histograms on the grids of the densities
beside them. Limits: the densities of one object lie on one grid; an experiment's group is called ``ensemble``, as
everywhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.comparison import Comparison
from fpsim.density import Density, GaussianMixture, Grid, from_samples
from fpsim.ensemble import Ensemble
from fpsim.evolution import Evolution
from fpsim.evolution.moment_closure import MixtureEvolution
from fpsim.paths import Paths
from fpsim.runs.run import Run
from fpsim.runs.run_comparison import compare_runs
from fpsim.scenario.judgement import CLAIMS, verdict_dataset
from fpsim.scenario.parameters.toml_text import toml_text
from fpsim.scenario.records import (
    density_variable,
    entry_names,
    grid_coordinates,
    labelled,
    mixture_dataset,
    named,
)
from fpsim.scenario.running import account_text
from fpsim.scenario.tables import Column, Table, tables_as_json
from fpsim.storage import check_target, provenance, save_tree, writer_lock
from fpsim.support.checks import shown
from fpsim.support.errors import DomainError, FileError
from fpsim.uncertainty.verdict import Claim, Identity, judged_together

__all__ = ["save"]

Array = NDArray[np.float64]
ACCEPTED = (
    "a Density, an Evolution, a GaussianMixture or its evolution, an Ensemble, Paths, Comparisons, identities and "
    "claims, an xarray Dataset or DataArray"
)


def save(path: str | Path, /, *, title: str = "", overwrite: bool = False, **objects: Any) -> Path:
    """Write objects into one run file, which ``fpsim.load`` and the commands read (``fpsim.save``).

    Parameters
    ----------
    path : str or Path
        The file.
    title : str, keyword-only
        One line.
    overwrite : bool, keyword-only
        Replace a file that is there.
    **objects
        By name of the group: densities (`Density`, `Evolution`), mixtures (`GaussianMixture` and its evolution),
        experiments (`Ensemble`, `Paths`; the one called ``ensemble`` is compared with the theories), `Comparison` or a
        sequence of them, identities and claims (judged together), labelled arrays.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DomainError
        If there is nothing to save, or an object is none of these.
    FileError
        If the file exists or cannot be written.
    """
    if not isinstance(path, str | Path):
        raise DomainError(f"path is {shown(path)}: the path of a file is accepted, as in 'own.h5'")
    if not objects:
        raise DomainError(f"nothing to save in {path}: by name, {ACCEPTED} are accepted")
    grids = dict(_grids(objects.values()))
    groups = {}
    for name, value in objects.items():
        where = CLAIMS if _is_of(value, (Identity, Claim)) else name
        if where in groups:
            raise DomainError(f"{name}: identities and claims stand in the group {where}, one such object is accepted")
        groups[where] = labelled(_dataset(name, value, grids))
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    kinds = {name: type(value).__name__ for name, value in objects.items()}
    keys = [int(value.key) for value in objects.values() if isinstance(value, Ensemble) and value.key is not None]
    about = provenance(config=toml_text({"scenario": "objects", "objects": kinds}), seed=0, command="fpsim.save")
    # Keys of random numbers may be longer than a file's seed; two files share a seed only if they share the key.
    tree.attrs = {
        **about,
        "seed": keys[0] % 2**63 if keys else 0,
        "title": title or Path(path).stem,
        "scenario": "objects",
        "kind": "objects",
        "content": "objects",
        "description": "",
        "conclusions": "",
        "complete": 1,
    }
    _add_tables(tree, Path(path), objects)
    check_target(path, overwrite=overwrite)
    with writer_lock(path):
        check_target(path, overwrite=overwrite)
        save_tree(tree, path)
    return Path(path)


def _dataset(name: str, value: Any, grids: Mapping[str, Grid]) -> xr.Dataset:
    for types, convert in CONVERTERS.items():
        if isinstance(value, types):
            return convert(value, grids)
    if isinstance(value, xr.DataArray):
        return value.to_dataset(name=value.name or name)
    if _is_of(value, Comparison):
        return _of_comparisons(value)
    if _is_of(value, (Identity, Claim)):
        return verdict_dataset(judged_together(value))
    raise DomainError(f"{name} is {shown(value)}: {ACCEPTED} are accepted")


def _is_of(value: Any, types: Any) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and all(isinstance(one, types) for one in value)


def _variable(grid: Grid) -> str:
    """Name of a density: that of its matrix, if all axes are entries of one."""
    matrices = {name.partition("_")[0] for name in grid.names if name.count("_") == 2}
    entries = all(name.count("_") == 2 for name in grid.names)
    return f"density_{matrices.pop()}" if entries and len(matrices) == 1 else "density"


def _grids(values: Any) -> Iterator[tuple[str, Grid]]:
    """Grids of densities, by variable; the first of each."""
    seen = set()
    for value in values:
        first = value.final if isinstance(value, Evolution) else value
        for density in first if isinstance(first, tuple) else (first,):
            if isinstance(density, Density) and (name := _variable(density.grid)) not in seen:
                seen.add(name)
                yield name, density.grid


def _of_densities(times: Sequence[float] | Array, densities: Sequence[Density]) -> xr.Dataset:
    grid = densities[0].grid
    if any(density.grid != grid for density in densities):
        raise DomainError("densities of one object lie on different grids: one grid is accepted (fpsim.density.regrid)")
    name = _variable(grid)
    coordinates = {"time": ("time", np.asarray(times, dtype=float), named("time")), **grid_coordinates(grid)}
    return xr.Dataset({name: density_variable(densities, name.replace("_", " of "))}, coordinates)


def _of_density(value: Density, _grids: Mapping[str, Grid]) -> xr.Dataset:
    return _of_densities([0.0], [value])


def _of_evolution(value: Evolution, _grids: Mapping[str, Grid]) -> xr.Dataset:
    systems = [one if isinstance(one, tuple) else (one,) for one in value.densities]
    found = xr.merge([_of_densities(value.times, series) for series in zip(*systems, strict=True)], join="exact")
    for name in ("time_error", "grid_error"):
        found[name] = ("time", getattr(value, name), named(f"estimated L1 error, {name.partition('_')[0]}"))
    about = {
        "method": value.method,
        "time_error": float(value.time_error[-1]),
        "grid_error": float(np.nan_to_num(value.grid_error[-1])),
        "warnings": "\n".join(value.warnings),
    }
    return found.assign_attrs(about)


def _of_mixture(value: GaussianMixture, _grids: Mapping[str, Grid]) -> xr.Dataset:
    return mixture_dataset([0.0], [value], name="mixture").assign_coords(time=[0.0])


def _of_mixtures(value: MixtureEvolution, _grids: Mapping[str, Grid]) -> xr.Dataset:
    times = np.asarray(value.times, dtype=float)
    return mixture_dataset(list(times), value.densities, name="mixture").assign_coords(time=times)


def _of_ensemble(value: Ensemble, grids: Mapping[str, Grid]) -> xr.Dataset:
    names = [name for matrix, w in value.weights.items() for name in entry_names(matrix, w.shape[2:])]
    rows = np.concatenate([w.reshape(*w.shape[:2], -1) for w in value.weights.values()], axis=2)
    kept = ~value.divergence.mask
    about = {"replicas": value.replicas, "diverged": value.divergence.count}
    data = xr.Dataset(
        {"weights": (("time", "replica", "weight"), rows, named("weights"))},
        {"time": ("time", value.times, named("time")), "weight": names},
        about,
    )
    return _with_histograms(data, rows[:, kept], names, grids)


def _of_paths(value: Paths, grids: Mapping[str, Grid]) -> xr.Dataset:
    first = next((g for g in grids.values() if g.ndim == value.positions.shape[2]), None)
    names = list(first.names) if first else [f"x{i + 1}" for i in range(value.positions.shape[2])]
    data = xr.Dataset(
        {"positions": (("time", "replica", "coordinate"), value.positions, named("positions of the paths"))},
        {"time": ("time", value.times, named("time")), "coordinate": names},
        {"replicas": value.positions.shape[1], "diverged": 0},
    )
    return _with_histograms(data, value.positions, names, grids)


def _with_histograms(data: xr.Dataset, rows: Array, names: Sequence[str], grids: Mapping[str, Grid]) -> xr.Dataset:
    """Histograms of points (times, replicas, coordinates) on every grid whose axes they have."""
    for variable, grid in grids.items():
        if not set(grid.names) <= set(names):
            continue
        columns = rows[:, :, [names.index(axis) for axis in grid.names]]
        try:
            series = [_histogram(grid, points) for points in columns]
        except DomainError as error:
            data.attrs[f"no_{variable}"] = f"no histogram on the grid of the densities: {error}"
            continue
        coordinates = {k: v for k, v in grid_coordinates(grid).items() if k not in data.coords}
        data = data.assign_coords(coordinates)
        data[variable] = density_variable(series, f"histogram, {variable.replace('_', ' of ')}")
    return data


def _histogram(grid: Grid, points: Array) -> Density:
    """Histogram of the points that are there; its mass is their share."""
    there = np.isfinite(points).all(axis=1)
    if not there.any():
        return Density(grid, np.zeros(grid.shape))
    return Density(grid, from_samples(grid, points[there]).values * float(there.mean()))


def _of_comparisons(value: Sequence[Comparison]) -> xr.Dataset:
    numbers = ("value", "floor", "spread", "z", "time")
    data = {name: ("row", [float(getattr(c, name)) for c in value], named(name)) for name in numbers}
    words = {name: ("row", [str(getattr(c, name)) for c in value]) for name in ("observable", "distance", "method")}
    return xr.Dataset({f"compared_{name}": column for name, column in {**data, **words}.items()})


CONVERTERS: dict[Any, Callable[..., xr.Dataset]] = {
    Density: _of_density,
    Evolution: _of_evolution,
    GaussianMixture: _of_mixture,
    MixtureEvolution: _of_mixtures,
    Ensemble: _of_ensemble,
    Paths: _of_paths,
    Comparison: lambda value, _grids: _of_comparisons([value]),
    (Identity, Claim): lambda value, _grids: verdict_dataset(judged_together([value])),
    xr.Dataset: lambda value, _grids: value,
}
"""Labelled arrays of each type of object."""


def _add_tables(tree: xr.DataTree, path: Path, objects: Mapping[str, Any]) -> None:
    """Tables of the densities and comparisons, put into the tree as text and as cells."""
    run = Run(path, None, tree)
    tables = [*_of_moments(run), *_of_distances(run)]
    alone = [[v] if isinstance(v, Comparison) else v for v in objects.values()]
    compared = [c for v in alone if _is_of(v, Comparison) for c in v]
    if compared:
        tables.append(
            Table(
                "comparisons",
                [
                    Column("observable", [c.observable for c in compared]),
                    Column("distance", [c.distance for c in compared]),
                    Column("time", [c.time for c in compared], ".3g"),
                    Column("value", [c.value for c in compared]),
                    Column("floor", [c.floor for c in compared], errors=[c.spread for c in compared]),
                    Column("z", [c.z for c in compared], ".1f"),
                ],
            )
        )
    tree.attrs["tables"] = tables_as_json(tables)
    tree.attrs["table"] = account_text(tree)


def _of_moments(run: Run) -> Iterator[Table]:
    rows = []
    for path, by_name in run.densities.items():
        for name, series in by_name.items():
            last = series[-1]
            if last.mass > 0.0:
                moments = zip(last.grid.names, np.ravel(last.mean), np.ravel(last.std), strict=True)
                rows += [(path, name, run.times(path)[-1], *one, last.mass) for one in moments]
    if rows:
        headings = ("group", "density", "time", "axis", "mean", "standard deviation", "mass")
        columns = [Column(h, list(values)) for h, values in zip(headings, zip(*rows, strict=True), strict=True)]
        yield Table("densities at their last time", columns)


def _of_distances(run: Run) -> Iterator[Table]:
    """Theories against the ensemble beside them, where there is one."""
    with contextlib.suppress(DomainError, FileError):
        rows = compare_runs(run)
        yield Table(
            "total variation from the ensemble",
            [
                Column("theory", [row.first for row in rows]),
                Column("density", [row.variable for row in rows]),
                Column("time", [row.time for row in rows], ".3g"),
                Column("distance", [row.value for row in rows]),
                Column("floor", [row.floor for row in rows], errors=[row.spread for row in rows]),
                Column("z", [row.z for row in rows], ".1f"),
            ],
        )
