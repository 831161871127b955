"""Labelled arrays of a study: groups of a run's file for an ensemble, a law and outputs (docs/file-format.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.datasets import Dataset
from fpsim.scenario.records import TRAINING_TIME, density_variable, grid_coordinates, moments, named
from fpsim.studies.case import MATRICES, Case
from fpsim.studies.law_outputs import common_histograms
from fpsim.studies.laws import Law

__all__ = ["ensemble_dataset", "law_dataset", "outputs_dataset"]

Array = NDArray[np.float64]
BINS = 120


def ensemble_dataset(case: Case, *, stored: int) -> xr.Dataset:
    """Histograms in planes, moments and correlations with errors, and the weights of the first replicas."""
    kept = min(stored, case.samples["W1"].shape[1])
    weights = np.concatenate([case.samples[m][:, :kept] for m in MATRICES], axis=2)
    planes = {f"density_{k}": density_variable(case.histograms(k), f"histogram of {k}") for k in case.planes}
    lost = case.ensemble.divergence
    return xr.Dataset(
        {**moments(case.samples), "weights": (("time", "replica", "weight"), weights, named("weights")), **planes},
        _coordinates(case),
        {
            "replicas": lost.mask.size,
            "diverged": lost.count,
            "first_divergence_step": -1 if lost.first_step is None else lost.first_step,
        },
    )


def law_dataset(case: Case, law: Law) -> xr.Dataset:
    """Densities in planes, means, standard deviations, correlations of a joint law, and the stated error."""
    variables: dict[str, Any] = {
        f"density_{k}": density_variable(series, f"density of {k}, {law.name}") for k, series in law.planes.items()
    }
    variables |= {k: (("time", "weight"), getattr(law, k), named(k)) for k in ("mean", "std")}
    variables["error"] = ("time", law.error, named("stated numerical error, total variation"))
    if law.correlation is not None:
        variables["correlation"] = (("time", "weight", "weight_other"), law.correlation, named("correlation"))
    densities = [q for series in law.planes.values() for q in series]
    about = {
        "method": law.found.method,
        "time_error": 2.0 * float(law.error[-1]),
        "lowest_density": min(float(q.values.min()) for q in densities),
        "mass_defect": max(abs(q.mass - 1.0) for q in densities),
    }
    return xr.Dataset(variables, _coordinates(case), about)


def outputs_dataset(case: Case, laws: Mapping[str, Mapping[str, Array]], *, probes: Sequence[int]) -> xr.Dataset:
    """Histograms of outputs, losses and own observables on common bins, (law, observable, bin).

    Parameters
    ----------
    laws : mapping
        By law, values by observable; ``ensemble`` is one of them, and decides the bins.
    probes : sequence of int
        Samples that the probes are; their pictures are kept if they have any.
    """
    names = [name for name in laws["ensemble"] if not name.startswith("Q_")]
    found = [common_histograms({k: law[n] for k, law in laws.items()}, truth="ensemble", bins=BINS) for n in names]
    variables: dict[str, Any] = {
        "centre": (("observable", "bin"), np.array([c for c, _ in found]), named("bin centres")),
        "density": (("law", "observable", "bin"), np.stack([d for _, d in found], axis=1), named("density")),
    }
    data = case.experiment.data
    raw = data.reconstruct(case.x[list(probes)]) if isinstance(data, Dataset) else np.empty((0, 0))
    if raw.shape[1] == 64:
        about = {"long_name": "probe, projected on the components kept", "units": "grey level, 0 to 16"}
        variables["probe_image"] = (("probe", "row", "column"), raw.reshape(-1, 8, 8), about)
    return xr.Dataset(variables, {"law": list(laws), "observable": names, "probe": ("probe", list(probes))})


def _coordinates(case: Case) -> dict[str, Any]:
    axes = [grid_coordinates(grid) for grid in case.planes.values()]
    names = {"weight": list(case.names), "weight_other": list(case.names)}
    return {"time": ("time", case.times, TRAINING_TIME), **names, **{k: v for a in axes for k, v in a.items()}}
