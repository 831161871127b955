"""Run read back as objects: its scenario, densities, weights and labelled arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.density import Density, GaussianMixture
from fpsim.scenario.loading import scenario_code
from fpsim.scenario.records import density_series, group, mixture_names, mixture_series
from fpsim.scenario.running import scenario_if_known
from fpsim.scenario.scenario import Scenario
from fpsim.storage import load_tree
from fpsim.support.checks import shown
from fpsim.support.errors import DomainError, FileError

__all__ = ["Run", "density_variables", "load"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """What a file holds.

    Attributes
    ----------
    path : Path
        The file.
    scenario : Scenario or None
        The resolved scenario: run it again, or change it and run that. ``None`` where it is code that is not here.
    tree : xarray.DataTree
        All groups as labelled arrays; see docs/file-format.md.
    """

    path: Path
    scenario: Scenario | None
    tree: xr.DataTree = field(repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        return Run, (self.path, self.scenario, self.tree)

    @property
    def attributes(self) -> Mapping[str, object]:
        """Root attributes: versions, seed, command, configuration."""
        return MappingProxyType({str(k): v for k, v in self.tree.attrs.items()})

    @property
    def seed(self) -> int:
        """Seed of all its random numbers."""
        if self.scenario is None:
            return int(self.tree.attrs["seed"])
        return self.scenario.parameters.seed if isinstance(self.scenario, Scenario) else self.scenario.seed

    @property
    def complete(self) -> bool:
        """Whether the run ended; otherwise ``fpsim resume`` goes on with it."""
        return bool(self.tree.attrs["complete"] == 1)

    @property
    def groups(self) -> tuple[str, ...]:
        """Paths of the groups that hold data, such as ``offset/ensemble``."""
        return tuple(n.path.strip("/") for n in self.tree.subtree if n.path != "/" and n.data_vars)

    @cached_property
    def densities(self) -> Mapping[str, Mapping[str, tuple[Density, ...]]]:
        """By group and variable, one density per recorded time: ``run.densities["offset/ensemble"]["density_W1"]``."""
        found = {path: group(self.tree, path) for path in self.groups}
        by_group = {
            path: MappingProxyType({name: density_series(data, name) for name in density_variables(data)})
            for path, data in found.items()
        }
        return MappingProxyType({path: series for path, series in by_group.items() if series})

    @cached_property
    def mixtures(self) -> Mapping[str, Mapping[str, tuple[GaussianMixture, ...]]]:
        """By group and name, one mixture per recorded time: ``run.mixtures["law"]["joint"][-1].log_density(w)``.

        Raises
        ------
        FileError
            If arrays that are stored as a mixture are none.
        """
        by_group: dict[str, Mapping[str, tuple[GaussianMixture, ...]]] = {}
        for path in self.groups:
            data = group(self.tree, path)
            try:
                by_group[path] = MappingProxyType({name: mixture_series(data, name) for name in mixture_names(data)})
            except FileError as error:
                raise FileError(f"{self.path}: {path}: {error}") from None
        return MappingProxyType({path: series for path, series in by_group.items() if series})

    @cached_property
    def weights(self) -> Mapping[str, Mapping[str, Array]]:
        """By group and matrix, the stored weights, shape (times, replicas, rows, columns)."""
        by_group = {path: MappingProxyType(dict(_matrices(group(self.tree, path)))) for path in self.groups}
        return MappingProxyType({path: matrices for path, matrices in by_group.items() if matrices})

    def times(self, path: str) -> Array:
        """Recorded times of a group, shape (times,).

        Raises
        ------
        DomainError
            If the group does not exist or knows no time.
        """
        if path not in self.groups or "time" not in group(self.tree, path).coords:
            timed = [p for p in self.groups if "time" in group(self.tree, p).coords]
            raise DomainError(f"group {path!r} has no times; accepted are {', '.join(timed) or 'none of this file'}")
        return np.asarray(group(self.tree, path)["time"].values, dtype=np.float64)


def load(path: str | Path, *, scenario: Scenario | str | Path | None = None) -> Run:
    """Read a file that ``fpsim run`` wrote: scenario, densities, weights, labelled arrays (``fpsim.load``).

    Parameters
    ----------
    scenario : Scenario or path, optional, keyword-only
        The user's scenario that a run names but never brings, or the Python file that defines it. Without it a run of
        such a scenario has everything but this.

    Raises
    ------
    FileError
        If the file is missing, damaged, not written by fpsim or of a newer schema, if a key of its scenario is not
        known here, or if its scenario is another one than was given.
    """
    if not isinstance(path, str | Path):
        raise DomainError(f"path is {shown(path)}: the path of a file is accepted, as in 'digits.h5'")
    tree = load_tree(path)
    code = scenario_code(scenario)
    return Run(Path(path), scenario_if_known(tree, where=str(path), code=code), tree)


def density_variables(data: xr.Dataset) -> tuple[str, ...]:
    """Names of the variables that are densities on a grid: every axis but time carries the ends of its box."""
    return tuple(
        str(name)
        for name, variable in data.data_vars.items()
        if set(variable.dims) - {"time"}
        and all(d in data.coords and {"lower", "upper"} <= set(data[d].attrs) for d in set(variable.dims) - {"time"})
    )


def _matrices(data: xr.Dataset) -> Iterator[tuple[str, Array]]:
    """Matrices out of weights in columns named ``W1_1_1, W1_1_2, ...``."""
    if "weights" not in data or data["weights"].dims != ("time", "replica", "weight"):
        return
    places: dict[str, list[tuple[int, int, int]]] = {}
    for column, name in enumerate(map(str, data["weight"].values)):
        matrix, i, j = name.rsplit("_", 2)
        places.setdefault(matrix, []).append((int(i) - 1, int(j) - 1, column))
    for matrix, mine in places.items():
        rows, columns = max(i for i, _, _ in mine) + 1, max(j for _, j, _ in mine) + 1
        values = np.empty((*data["weights"].shape[:2], rows, columns))
        for row, column_of, column in mine:
            values[:, :, row, column_of] = data["weights"].values[:, :, column]
        values.flags.writeable = False
        yield matrix, values
