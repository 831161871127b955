"""Labelled arrays of what a run produces: the groups of the output file (see docs/file-format.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.density import Boundary, Density, GaussianMixture, Grid
from fpsim.density.gaussian_mixture.single_precision import (
    SinglePrecision,
    from_single_precision,
    to_single_precision,
)
from fpsim.support.errors import DomainError, FileError

if TYPE_CHECKING:
    from fpsim.comparison import Budget, Comparison

__all__ = [
    "TRAINING_TIME",
    "budgets_dataset",
    "comparison_dataset",
    "density_at",
    "density_series",
    "density_variable",
    "distances_dataset",
    "entry_names",
    "grid_coordinates",
    "group",
    "labelled",
    "mixture_dataset",
    "mixture_names",
    "mixture_series",
    "moments",
    "named",
]

Array = NDArray[np.float64]
TRAINING_TIME = {"units": "1", "long_name": "training time, steps x learning rate"}


def group(tree: xr.DataTree, *path: str) -> xr.Dataset:
    """One group of a run as a data set, ``group(tree, "offset", "ensemble")``, without coordinates it does not use."""
    node = tree["/".join(path)]
    assert isinstance(node, xr.DataTree)
    dataset = node.to_dataset()
    used = {d for variable in dataset.data_vars.values() for d in variable.dims}
    return dataset.drop_vars([name for name, c in dataset.coords.items() if not set(c.dims) <= used])


def labelled(dataset: xr.Dataset) -> xr.Dataset:
    """The data set with ``units`` and ``long_name`` on every variable: dimensionless, and its own name, if unsaid."""
    said = {}
    for name, variable in dataset.data_vars.items():
        unsaid = {"long_name": str(name).replace("_", " ")}
        if variable.dtype.kind in "fiuc":
            unsaid["units"] = "1"
        said[name] = variable.assign_attrs({**unsaid, **variable.attrs})
    return dataset.assign(said)


def entry_names(matrix: str, shape: tuple[int, int]) -> tuple[str, ...]:
    """Names of a matrix's entries in C order, counted from one: ``W1_1_1, W1_1_2, ...``."""
    return tuple(f"{matrix}_{i + 1}_{j + 1}" for i in range(shape[0]) for j in range(shape[1]))


def grid_coordinates(grid: Grid) -> dict[str, Any]:
    """Cell centres as coordinates named after the grid's axes."""
    return {
        name: (
            name,
            grid.centers[i],
            {
                "units": "1",
                "long_name": f"coordinate {name}",
                "spacing": grid.spacing[i],
                "lower": grid.lower[i],
                "upper": grid.upper[i],
                "boundary": " ".join(dict.fromkeys(side.value for side in grid.boundary[i])),
            },
        )
        for i, name in enumerate(grid.names)
    }


def _sides(text: str) -> tuple[Boundary, Boundary]:
    """Boundary conditions of an axis from ``reflecting`` or ``absorbing reflecting`` (lower, upper)."""
    lower, *rest = (Boundary(name) for name in text.split())
    return lower, rest[0] if rest else lower


def density_variable(densities: Sequence[Density], long_name: str) -> tuple[Any, ...]:
    """Densities on one grid through time as a variable of dimensions (time, axes)."""
    grid = densities[0].grid
    values = np.stack([p.values for p in densities])
    return (
        ("time", *grid.names),
        values,
        {"units": "1" if grid.ndim == 0 else f"weight^-{grid.ndim}", "long_name": long_name},
    )


def density_series(dataset: xr.Dataset, variable: str) -> tuple[Density, ...]:
    """A stored density at all its times; one that does not depend on time gives one."""
    if "time" not in dataset[variable].dims:
        return (density_at(dataset, variable, None),)
    return tuple(density_at(dataset, variable, i) for i in range(dataset.sizes["time"]))


def density_at(dataset: xr.Dataset, variable: str, index: int | None) -> Density:
    """One stored density as an object again.

    Parameters
    ----------
    dataset : xarray.Dataset
        A group of a run's file.
    variable : str
        Name of a density, for example ``density_W1``.
    index : int or None
        Position along ``time``; ``None`` for a density without times.
    """
    array = dataset[variable] if index is None else dataset[variable].isel(time=index)
    axes = [dataset[str(name)] for name in array.dims]
    grid = Grid(
        tuple(float(a.attrs["lower"]) for a in axes),
        tuple(float(a.attrs["upper"]) for a in axes),
        array.shape,
        tuple(_sides(str(a.attrs.get("boundary", "reflecting"))) for a in axes),
        names=tuple(str(name) for name in array.dims),
    )
    return Density(grid, array.values)


def mixture_dataset(times: Sequence[float], mixtures: Sequence[GaussianMixture], *, name: str = "joint") -> xr.Dataset:
    """Mixtures through time in single precision, as a group of a run's file.

    Variables ``NAME_weights`` (time, NAME_component), ``NAME_means`` (..., NAME_coordinate) and ``NAME_roots`` (...,
    NAME_entry): packed lower triangles ``L`` of ``C = L L^T``. The attribute ``relative_error`` of the roots is the
    largest that single precision makes, of a covariance in norm or of a mean in widths of its component.

    Raises
    ------
    DomainError
        If there are not as many mixtures as times, or they differ in components or coordinates.
    """
    sizes = {(p.size, p.names) for p in mixtures}
    if len(sizes) != 1 or len(times) != len(mixtures):
        raise DomainError(
            f"{len(mixtures)} mixtures at {len(times)} times, of {len(sizes)} shapes: one at each time, with equal "
            "components and coordinates, is accepted"
        )
    rounded = [to_single_precision(p) for p in mixtures]
    weights, means, roots = (np.stack(part) for part in zip(*(parts for parts, _ in rounded), strict=True))
    error = {"relative_error": max(e for _, e in rounded)}
    axes = ("time", f"{name}_component")
    return xr.Dataset(
        {
            f"{name}_weights": (axes, weights, named(f"weights of the mixture {name}")),
            f"{name}_means": ((*axes, f"{name}_coordinate"), means, named(f"means of the mixture {name}")),
            f"{name}_roots": (
                (*axes, f"{name}_entry"), roots, {**named(f"roots of the covariances of the mixture {name}"), **error},
            ),
        },
        {
            "time": ("time", np.asarray(times, float), named("training time, sum of learning rates")),
            f"{name}_coordinate": (f"{name}_coordinate", list(mixtures[0].names)),
        },
    )  # fmt: skip


def mixture_names(dataset: xr.Dataset) -> tuple[str, ...]:
    """Names of the mixtures that a group holds."""
    ends = ("_weights", "_means", "_roots")
    found = [str(v).removesuffix("_roots") for v in dataset.data_vars if str(v).endswith("_roots")]
    return tuple(name for name in found if all(f"{name}{end}" in dataset for end in ends))


def mixture_series(dataset: xr.Dataset, name: str) -> tuple[GaussianMixture, ...]:
    """Stored mixtures as objects again, one for each time.

    Raises
    ------
    FileError
        If the arrays are no mixture: what is wrong, and at which time.
    """
    axes = ("time", f"{name}_component")
    accepted = {"weights": axes, "means": (*axes, f"{name}_coordinate"), "roots": (*axes, f"{name}_entry")}
    parts = {part: dataset[f"{name}_{part}"] for part in accepted}
    for part, dimensions in accepted.items():
        if parts[part].dims != dimensions:
            raise FileError(f"{name}_{part} has the axes {parts[part].dims}: {dimensions} are accepted")
    if f"{name}_coordinate" not in dataset.coords:
        raise FileError(f"mixture {name} does not name its coordinates: {name}_coordinate is accepted")
    names = tuple(map(str, dataset[f"{name}_coordinate"].values))
    found = []
    for i in range(dataset.sizes["time"]):
        arrays = SinglePrecision(*(parts[part].values[i] for part in accepted))
        try:
            found.append(from_single_precision(arrays, names))
        except DomainError as error:
            raise FileError(f"mixture {name} at place {i} of time: {error}") from None
    return tuple(found)


def moments(samples: Mapping[str, Array]) -> dict[str, Any]:
    """Mean, standard deviation and correlations of all weights through time, with standard errors.

    Parameters
    ----------
    samples : mapping
        ``{"W1": (T, R, entries), "W2": (T, R, entries)}``; replicas that diverged must have been taken out.
    """
    joined = np.concatenate(list(samples.values()), axis=2)
    count = joined.shape[1]
    mean, std = joined.mean(axis=1), joined.std(axis=1, ddof=1)
    centred = (joined - mean[:, None]) / np.where(std > 0, std, 1.0)[:, None]
    correlation = np.einsum("tri,trj->tij", centred, centred) / (count - 1)
    kurtosis = np.mean(centred**4, axis=1)
    return {
        "mean": (("time", "weight"), mean, {"units": "1", "long_name": "mean weight"}),
        "std": (("time", "weight"), std, {"units": "1", "long_name": "standard deviation of the weight"}),
        "mean_error": (("time", "weight"), std / np.sqrt(count), {"units": "1", "long_name": "standard error"}),
        "std_error": (
            ("time", "weight"),
            std * np.sqrt(np.maximum(kurtosis - 1.0, 0.0) / (4.0 * count)),
            {"units": "1", "long_name": "standard error"},
        ),
        "correlation": (
            ("time", "weight", "weight_other"),
            correlation,
            {"units": "1", "long_name": "correlation of two weights over replicas"},
        ),
    }


def named(long_name: str) -> dict[str, str]:
    """Attributes of a dimensionless variable."""
    return {"units": "1", "long_name": long_name}


def comparison_dataset(times: Array, rows: Mapping[str, Sequence[Sequence[Comparison]]]) -> xr.Dataset:
    """Distances with floors by (time, theory, observable), ``nan`` where a theory claims nothing.

    Parameters
    ----------
    rows : mapping
        By theory, for each time, its comparisons; their observables may differ from theory to theory.
    """
    observables = list(dict.fromkeys(c.observable for series in rows.values() for c in series[0]))
    fields: dict[str, tuple[Callable[[Comparison], float], str]] = {
        "distance": (lambda c: c.value, "total variation between theory and ensemble"),
        "floor": (lambda c: c.floor, "mean distance if theory were true"),
        "spread": (lambda c: c.spread, "standard deviation of the distance if theory were true"),
        "z": (lambda c: c.z, "(distance - floor) / spread"),
        "band_low": (lambda c: c.band[0], "lower end of the 95 % band"),
        "band_high": (lambda c: c.band[1], "upper end of the 95 % band"),
    }
    variables: dict[str, Any] = {}
    for name, (get, long_name) in fields.items():
        values = np.full((len(times), len(rows), len(observables)), np.nan)
        for j, series in enumerate(rows.values()):
            for i, row in enumerate(series):
                for c in row:
                    values[i, j, observables.index(c.observable)] = get(c)
        variables[name] = (("time", "theory", "observable"), values, named(long_name))
    coordinates = {"time": ("time", times, TRAINING_TIME), "theory": list(rows), "observable": observables}
    return xr.Dataset(variables, coordinates)


def distances_dataset(rows: Mapping[str, Sequence[Comparison]]) -> xr.Dataset:
    """All kinds of distances by (theory, quantity, measure), ``nan`` where one does not apply."""
    every = [c for row in rows.values() for c in row]
    quantities = list(dict.fromkeys(c.observable for c in every))
    measures = list(dict.fromkeys(c.distance for c in every))
    variables = {}
    for name in ("value", "floor", "spread", "z"):
        values = np.full((len(rows), len(quantities), len(measures)), np.nan)
        for i, row in enumerate(rows.values()):
            for c in row:
                values[i, quantities.index(c.observable), measures.index(c.distance)] = getattr(c, name)
        variables[name] = (("theory", "quantity", "measure"), values, named(name))
    return xr.Dataset(variables, {"theory": list(rows), "quantity": quantities, "measure": measures})


def budgets_dataset(budgets: Mapping[str, Sequence[Budget]]) -> xr.Dataset:
    """Error budgets by (theory, observable, cause), ``nan`` where a cause does not apply; totals and words."""
    every = [budget for row in budgets.values() for budget in row]
    causes = list(dict.fromkeys(row.source for budget in every for row in budget.rows))
    observables = list(dict.fromkeys(budget.observable for budget in every))
    shape = len(budgets), len(observables)
    parts = {
        "distance": "total variation between two neighbouring laws of the chain",
        "floor": "mean distance if they were the same",
        "spread": "standard deviation of the distance if they were the same",
        "error": "distance freed of its floor",
        "share": "error over the sum of all errors",
        "resolved": "1 where the distance is seen above its floor",
    }
    whole = {
        "total": ("total", "total variation between SGD and the theory"),
        "total_floor": ("floor", "mean of the total if the theory were true"),
        "total_spread": ("spread", "standard deviation of the total if the theory were true"),
        "leading": ("leading", "source of the largest resolved error"),
        "sentence": ("sentence", "the finding in words"),
    }
    found: dict[str, Any] = {name: np.full((*shape, len(causes)), np.nan) for name in parts}
    found |= {name: np.full(shape, np.nan) for name in whole}
    found |= {name: np.full(shape, "", object) for name in ("leading", "sentence")}
    for i, row in enumerate(budgets.values()):
        for budget in row:
            j = observables.index(budget.observable)
            for part in budget.rows:
                for name in parts:
                    found[name][i, j, causes.index(part.source)] = getattr(part, name)
            for name, (key, _) in whole.items():
                found[name][i, j] = getattr(budget, key)
    dims = ("theory", "observable")
    variables: dict[str, Any] = {name: ((*dims, "cause"), found[name], named(text)) for name, text in parts.items()}
    variables |= {name: (dims, found[name], named(text)) for name, (_, text) in whole.items()}
    return xr.Dataset(
        {**variables, **{n: (dims, found[n].astype(str)) for n in ("leading", "sentence")}},
        {"theory": list(budgets), "observable": observables, "cause": causes},
    )
