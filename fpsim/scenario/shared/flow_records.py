"""Labelled arrays of renormalisation: n-point functions, flows of couplings and scaled functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from fpsim.diagnostics.callan_symanzik import CorrelatorRun, Correlators, Estimate, Family, Flow, scaled_correlators

__all__ = ["correlator_dataset", "flow_dataset", "index_label", "scaled_dataset"]

ONE = {"units": "1"}
RUN = {"long_name": "run", **ONE}


def index_label(index: Sequence[int]) -> str:
    """``"1-1-2"`` for two factors at the first input and one at the second."""
    return "-".join(str(i + 1) for i in index)


def correlator_dataset(tables: Mapping[str, Sequence[Correlators]], time: Any) -> xr.Dataset:
    """Full and connected n-point functions through time, (run, time, index), with their errors."""
    indices = next(iter(tables.values()))[0].indices
    variables: dict[str, Any] = {}
    for name, what in (("full", "E[f .. f]"), ("connected", "joint cumulant of f .. f")):
        found: list[list[Estimate]] = [[getattr(t, name) for t in run] for run in tables.values()]
        variables[name] = _stacked([[e.value for e in run] for run in found], "index", what)
        variables[f"{name}_error"] = _stacked([[e.error for e in run] for run in found], "index", f"error of {what}")
    labels = [index_label(index) for index in indices]
    coordinates = {"run": ("run", list(tables), RUN), "time": time, "index": ("index", labels, {"long_name": "inputs"})}
    return xr.Dataset(variables, coordinates)


def flow_dataset(flows: Mapping[str, Flow], time: Any) -> xr.Dataset:
    """Couplings and their rates through time, (run, time, coupling) and (run, time, rate), with their errors."""
    names = next(iter(flows.values())).names
    runs = list(flows.values())
    variables = {
        "couplings": _stacked([f.couplings.value for f in runs], "coupling", "coupling"),
        "couplings_error": _stacked([f.couplings.error for f in runs], "coupling", "error of the coupling"),
        "rates": _stacked([f.rates.value for f in runs], "rate", "gamma or beta function"),
        "rates_error": _stacked([f.error for f in runs], "rate", "error of gamma or the beta function"),
    }
    labels = {"coupling": ["Z", *names], "rate": ["gamma", *(f"beta_{name}" for name in names)]}
    coordinates = {name: (name, values, {"long_name": name}) for name, values in labels.items()}
    return xr.Dataset(variables, {"run": ("run", list(flows), RUN), "time": time, **coordinates})


def scaled_dataset(
    runs: Mapping[str, CorrelatorRun], family: Family, indices: Sequence[tuple[int, ...]], time: Any
) -> xr.Dataset:
    """``G_n / Z^n`` through time, (run, time, index): what must collapse when drawn against the couplings."""
    found = [[scaled_correlators(run, family, index) for index in indices] for run in runs.values()]
    variables = {
        "scaled": _stacked([np.stack([e.value for e in run], axis=1) for run in found], "index", "G_n / Z^n"),
        "scaled_error": _stacked([np.stack([e.error for e in run], axis=1) for run in found], "index", "its error"),
    }
    labels = [index_label(index) for index in indices]
    coordinates = {"run": ("run", list(runs), RUN), "time": time, "index": ("index", labels, {"long_name": "inputs"})}
    return xr.Dataset(variables, coordinates)


def _stacked(values: Any, last: str, long_name: str) -> tuple[Any, ...]:
    return ("run", "time", last), np.array(values), {"long_name": long_name, **ONE}
