"""Gathering of a sweep's runs: root data sets and verdicts, labelled by the swept keys and the seed.

A variable of the runs' root data sets becomes one array with the swept keys as first dimensions; its name and units
stay. Limits: variables whose own coordinates differ between runs, and words, are left to the runs' files.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.scenario.parameters.toml_text import toml_text
from fpsim.scenario.running import run_shortfalls
from fpsim.scenario.scenario import Scenario
from fpsim.scenario.tables import Column, Table, table_text, tables_as_json
from fpsim.storage import load_tree, provenance

__all__ = ["gather", "sweep_scalars"]

SEED = "seed"
MOST_COLUMNS = 6
"""Scalars in the printed table."""
MOST_ENTRIES = 64
"""Entries of an array that count as scalars of their own."""
Array = NDArray[Any]


def gather(
    grid: Mapping[str, Sequence[Any]], files: Sequence[Path], *, scenario: Scenario, command: str = "fpsim.sweep"
) -> xr.DataTree:
    """One tree of the finished runs of a sweep.

    Parameters
    ----------
    grid : mapping
        Values by key, in the order in which the files go through them (the last one fastest).
    files : sequence of Path
        One for each combination.
    scenario : Scenario
        The scenario before its keys were swept.

    Returns
    -------
    xarray.DataTree
        At the root the scalars and ``file``; in ``/verdicts`` residual, error, tolerance, verdict and the expected
        one of every identity and claim.
    """
    trees = [load_tree(path) for path in files]
    shape = tuple(len(values) for values in grid.values())
    labels = {key: (key, _labels(values), {"long_name": key, "units": "1"}) for key, values in grid.items()}
    root = xr.Dataset(coords=labels)
    for name in _common(trees):
        first = trees[0][name]
        values = np.stack([np.asarray(tree[name].values) for tree in trees])
        own = {str(d): trees[0].dataset.coords[d] for d in first.dims if d in trees[0].dataset.coords}
        root = root.assign_coords({d: (d, c.values, c.attrs) for d, c in own.items() if d not in root.coords})
        root[name] = ((*grid, *map(str, first.dims)), values.reshape(*shape, *first.shape), first.attrs)
    names = np.array([path.name for path in files]).reshape(shape)
    root["file"] = (tuple(grid), names, {"long_name": "file of the run"})
    short = [f"{path.name}: {line}" for path, tree in zip(files, trees, strict=True) for line in run_shortfalls(tree)]
    verdicts = _verdicts(trees, tuple(grid), shape)
    tree = xr.DataTree.from_dict({"/": root, **({"/verdicts": verdicts} if verdicts.data_vars else {})})
    config = {"scenario": f"sweep of {scenario.source}", "over": {k: list(v) for k, v in grid.items()}}
    config["parameters"] = scenario.parameters.model_dump(exclude_none=True)
    tree.attrs = {
        "title": f"Sweep: {scenario.title}",
        "scenario": scenario.name or "unnamed",
        "kind": "runs",
        "content": "sweep",
        "keys": "\n".join(grid),
        "description": scenario.purpose,
        "changed": "\n".join(scenario.changed),
        "shortfalls": "\n".join(short),
        "conclusions": "",
        "complete": 1,
        **provenance(config=toml_text(config), seed=scenario.parameters.seed, command=command),
    }
    table = _table(tree)
    tree.attrs["tables"] = tables_as_json([table])
    tree.attrs["table"] = table_text(table.as_cells())
    return tree


def _labels(values: Sequence[Any]) -> Array:
    """Numbers as they are, everything else as words."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return np.array(values)
    return np.array([str(v).lower() if isinstance(v, bool) else str(v) for v in values])


def _common(trees: Sequence[xr.DataTree]) -> Iterator[str]:
    """Numbers at the root of all runs, with the same coordinates in all."""
    for name, first in trees[0].dataset.data_vars.items():
        same = all(
            name in tree.dataset.data_vars
            and tree[str(name)].dims == first.dims
            and tree[str(name)].shape == first.shape
            and all(np.array_equal(tree.dataset[d].values, trees[0].dataset[d].values) for d in first.dims)
            for tree in trees
        )
        if first.dtype.kind in "biuf" and same:
            yield str(name)


def _verdicts(trees: Sequence[xr.DataTree], keys: tuple[str, ...], shape: tuple[int, ...]) -> xr.Dataset:
    """Identities and claims of all runs by name; nan and empty words where a run has none of that name."""
    found = xr.Dataset()
    for kind in ("identity", "claim"):
        tables = [tree["claims"].to_dataset() for tree in trees if "claims" in tree.children]
        names = list(dict.fromkeys(str(n) for t in tables if kind in t.coords for n in t[kind].values))
        if not names:
            continue
        found = found.assign_coords({kind: names})
        for part in ("residual", "error", "tolerance", "verdict", "expected"):
            column = f"{kind}_{part}"
            rows = [_column(tree, kind, column, names) for tree in trees]
            if rows[0] is not None and all(row is not None for row in rows):
                values = np.array(rows).reshape(*shape, len(names))
                found[column] = ((*keys, kind), values, {"units": "1", "long_name": f"{part} of the {kind}"})
    return found


def _column(tree: xr.DataTree, kind: str, column: str, names: Sequence[str]) -> list[Any] | None:
    words = column.endswith(("verdict", "expected"))
    table = tree["claims"].to_dataset() if "claims" in tree.children else xr.Dataset()
    if column not in table:
        return None if kind == "identity" and column.endswith("tolerance") else ["" if words else math.nan] * len(names)
    by_name = dict(zip(map(str, table[kind].values), table[column].values, strict=True))
    return [by_name.get(name, "" if words else math.nan) for name in names]


def sweep_scalars(tree: xr.DataTree) -> dict[str, xr.DataArray]:
    """Every scalar of a sweep by name, over the swept keys; an entry of an array is ``variance[momentum=0.5]``.

    What was measured comes first, errors last. Entries that are not finite in any run are left out.
    """
    keys = str(tree.attrs["keys"]).splitlines()
    found: dict[str, xr.DataArray] = {}
    for name, variable in tree.dataset.data_vars.items():
        own = [str(d) for d in variable.dims if d not in keys]
        if variable.dtype.kind not in "biuf" or math.prod(variable.sizes[d] for d in own) > MOST_ENTRIES:
            continue
        for place in itertools.product(*(range(variable.sizes[d]) for d in own)):
            entry = variable.isel(dict(zip(own, place, strict=True)))
            said = ", ".join(f"{d}={_word(tree, d, i)}" for d, i in zip(own, place, strict=True))
            if bool(np.isfinite(entry).any()):
                found[f"{name}[{said}]" if said else str(name)] = entry
    return dict(sorted(found.items(), key=lambda item: _rank(*item)))


def _rank(name: str, values: xr.DataArray) -> tuple[bool, bool]:
    """What was measured before what does not depend on the seed, errors last."""
    measured = SEED in values.dims and bool((values.max(SEED) > values.min(SEED)).any())
    return "error" in name.partition("[")[0], not measured


def _word(tree: xr.DataTree, dimension: str, index: int) -> str:
    if dimension not in tree.dataset.coords:
        return str(index)
    value = tree.dataset.coords[dimension].values[index]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(tree: xr.DataTree) -> Table:
    """A row for every combination of keys, means over seeds with their standard errors."""
    keys = str(tree.attrs["keys"]).splitlines()
    rows = [key for key in keys if key != SEED] or keys
    over = [key for key in keys if key not in rows]
    scalars = sweep_scalars(tree)
    shape = tuple(tree.sizes[key] for key in rows)
    places = list(itertools.product(*map(range, shape)))
    columns = [Column(key, [tree.dataset[key].values[place[i]] for place in places]) for i, key in enumerate(rows)]
    for name, values in list(scalars.items())[:MOST_COLUMNS]:
        mean = values.mean(over).transpose(*rows).values
        count = math.prod(values.sizes[d] for d in over)
        spread = values.std(over, ddof=1).transpose(*rows).values / count**0.5 if count > 1 else None
        varies = bool((values.max(over) > values.min(over)).any())
        errors = [float(spread[place]) for place in places] if spread is not None and varies else None
        columns.append(Column(name, [float(mean[place]) for place in places], ".5g", errors=errors))
    if "verdicts" in tree.children:
        columns.append(Column("not as expected", _unmet(tree, rows, places), ".0f"))
    seeds = f", {tree.sizes[SEED]} seeds each (mean ± standard error)" if over else ""
    rest = len(scalars) - MOST_COLUMNS
    notes = [f"{rest} more scalars are in the file: fpsim plot SWEEP.h5 --scalar NAME"] if rest > 0 else []
    return Table(f"{math.prod(tree.sizes[k] for k in keys)} runs over {', '.join(rows)}{seeds}", columns, notes)


def _unmet(tree: xr.DataTree, rows: Sequence[str], places: Sequence[tuple[int, ...]]) -> list[int]:
    """Identities and claims whose verdict is not the expected one, of all seeds together."""
    table, count = tree["verdicts"].to_dataset(), np.zeros([tree.sizes[k] for k in rows], dtype=int)
    for kind in ("identity", "claim"):
        if kind in table.coords:
            wrong = table[f"{kind}_verdict"] != table[f"{kind}_expected"]
            count = count + wrong.sum([d for d in wrong.dims if d not in rows]).transpose(*rows).values
    return [int(count[place]) for place in places]
