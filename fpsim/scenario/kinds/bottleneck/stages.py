"""The main job: train an ensemble, evolve the weight densities, compare, for one or more starts.

Composes only: every number comes from the packages below. The result is a tree of labelled arrays, one group per start
with sub-groups ``ensemble``, one per closure, ``outputs`` and ``comparison``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim import datasets
from fpsim.density import Density, Grid, from_samples, gaussian
from fpsim.experiment import Experiment
from fpsim.memory import check_memory
from fpsim.network import BottleneckAutoEncoder
from fpsim.progress import Reporter, share_of
from fpsim.scenario.kinds.bottleneck.comparing import compare_case
from fpsim.scenario.kinds.bottleneck.config import BottleneckScenario
from fpsim.scenario.records import density_at, density_variable, entry_names, grid_coordinates, group, moments
from fpsim.scenario.sections import StartPoint
from fpsim.scenario.training import train_kept
from fpsim.sgd import SGD, Ensemble, Start
from fpsim.storage import Checkpoint
from fpsim.theory.closures import conditional, mean_field
from fpsim.transport import Evolution, evolve

__all__ = ["bottleneck_stages", "check_bottleneck", "experiment_of"]

Array = NDArray[np.float64]
MATRICES: tuple[Literal["W1", "W2"], ...] = ("W1", "W2")
ARRAYS = 8
"""Working arrays of the solver, in grids."""
MARGIN = 0.2
"""Share of the ensemble's range by which the grid reaches beyond it on each side."""


def experiment_of(scenario: BottleneckScenario, start: StartPoint) -> Experiment:
    """The experiment a scenario describes, for one of its starts."""
    data = getattr(datasets, scenario.data.source)(components=scenario.data.components)
    network = BottleneckAutoEncoder(
        d=scenario.data.components, k=scenario.network.bottleneck, activation=scenario.network.activation
    )
    shapes = network.shapes
    mean: dict[str, ArrayLike] = {m: np.resize(start.mean, shapes[m]) for m in MATRICES}
    return Experiment(
        data=data,
        network=network,
        sgd=SGD(**scenario.sgd.model_dump()),
        start=Start.gaussian(mean, start.std),
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """One start: the experiment, its ensemble and the grids of the two matrices."""

    name: str
    start: StartPoint
    experiment: Experiment
    ensemble: Ensemble
    samples: Mapping[str, Array]
    grids: Mapping[str, Grid]

    @property
    def times(self) -> Array:
        return self.ensemble.times

    @property
    def data(self) -> datasets.Dataset:
        assert isinstance(self.experiment.data, datasets.Dataset)
        return self.experiment.data


def check_bottleneck(scenario: BottleneckScenario) -> None:
    """Refuse, before any work, what the experiment or the machine's memory does not allow.

    Raises
    ------
    ConfigError, MemoryLimitError
        Naming the key.
    """
    for start in scenario.start.values():
        experiment_of(scenario, start)
    entries = scenario.network.bottleneck * scenario.data.components
    numbers = {
        "theory.cells": 2.0 * (scenario.time.records + ARRAYS) * float(scenario.theory.cells) ** entries,
        "ensemble.replicas": 4.0 * (scenario.time.records + 1) * scenario.ensemble.replicas * entries,
    }
    for key, count in numbers.items():
        check_memory(8.0 * count, f"{key} = {getattr(getattr(scenario, key.split('.')[0]), key.split('.')[1])}")


def bottleneck_stages(
    scenario: BottleneckScenario,
    done: xr.DataTree,
    *,
    threads: int | None,
    report: Reporter,
    checkpoint: Checkpoint | None = None,
) -> Iterator[dict[str, xr.Dataset]]:
    """Run the stages of a bottleneck scenario that are not done yet.

    Parameters
    ----------
    done : xarray.DataTree
        Groups of an earlier, interrupted run; what is there is not computed again. Every stage is a function of the
        scenario and of earlier groups, bit for bit, so a resumed run ends where an uninterrupted one would have.

    Yields
    ------
    dict of str to xarray.Dataset
        Finished groups: ``/START/ensemble``; ``/START/CLOSURE`` for each closure; ``/START/outputs`` and
        ``/START/comparison``.
    """
    for index, (name, start) in enumerate(scenario.start.items()):
        if f"/{name}/comparison" in done.groups:
            continue
        case = _train_case(scenario, name, start, index, threads, report, checkpoint)
        if f"/{name}/ensemble" not in done.groups:
            yield {f"/{name}/ensemble": _ensemble_record(scenario, case)}
        theory: dict[str, list[tuple[Density, ...]]] = {}
        for closure in scenario.theory.closures:
            path = f"/{name}/{closure}"
            if path in done.groups:
                record = group(done, name, closure)
            else:
                record = _theory_record(case, closure, _evolve_case(scenario, case, closure, threads, report))
                yield {path: record}
            theory[closure] = [
                tuple(density_at(record, f"density_{m}", i) for m in MATRICES) for i in range(len(case.times))
            ]
        outputs, comparison = compare_case(
            network=case.experiment.network,
            data=case.data,
            times=case.times,
            samples=case.samples,
            densities=theory,
            probes=scenario.comparison.probes,
            theory_samples=scenario.comparison.theory_samples,
            seed=scenario.seed + index,
            progress=report(f"{name}: compare"),
        )
        yield {f"/{name}/outputs": outputs, f"/{name}/comparison": comparison}


def _train_case(
    scenario: BottleneckScenario,
    name: str,
    start: StartPoint,
    index: int,
    threads: int | None,
    report: Reporter,
    checkpoint: Checkpoint | None,
) -> _Case:
    experiment = experiment_of(scenario, start)
    every = max(1, round(scenario.time.end / scenario.sgd.learning_rate / scenario.time.records))
    ensemble = train_kept(
        experiment,
        replicas=scenario.ensemble.replicas,
        steps=[every * i for i in range(scenario.time.records + 1)],
        seed=scenario.seed + index,
        stage=f"{name} ensemble",
        checkpoint=checkpoint,
        threads=threads,
        progress=report(f"{name}: train {scenario.ensemble.replicas} replicas"),
        partial=lambda part: {f"/{name}/ensemble": _ensemble_record(scenario, _case(scenario, name, start, part))},
    )
    return _case(scenario, name, start, ensemble)


def _case(scenario: BottleneckScenario, name: str, start: StartPoint, ensemble: Ensemble) -> _Case:
    experiment, alive = ensemble.experiment, ~ensemble.divergence.mask
    samples: dict[str, Array] = {
        m: ensemble.weights[m][:, alive].reshape(len(ensemble.steps), int(alive.sum()), -1) for m in MATRICES
    }
    grids: dict[str, Grid] = {
        m: _grid(samples[m], entry_names(m, experiment.network.shapes[m]), scenario.theory.cells) for m in MATRICES
    }
    return _Case(name, start, experiment, ensemble, samples, grids)


def _grid(samples: Array, names: tuple[str, ...], cells: int) -> Grid:
    """Box around everything the replicas ever reached, with a margin, in nearly cubic cells."""
    low, high = samples.min(axis=(0, 1)), samples.max(axis=(0, 1))
    reach = high - low
    return Grid(
        tuple(low - MARGIN * reach),
        tuple(high + MARGIN * reach),
        tuple(max(16, round(cells * r / reach.max())) for r in reach),
        names=names,
    )


def _start_density(case: _Case, matrix: str) -> Density:
    grid = case.grids[matrix]
    return gaussian(grid, case.start.mean, case.start.std**2)


def _evolve_case(
    scenario: BottleneckScenario, case: _Case, closure: str, threads: int | None, report: Reporter
) -> Evolution:
    """Densities of both matrices under one closure; mean field couples the two equations, the others do not."""
    if closure == "mean-field":
        equations = tuple(mean_field(case.experiment, m) for m in MATRICES)
    else:
        equations = tuple(conditional(case.experiment, m, case.ensemble) for m in MATRICES)
    return evolve(
        equations,
        tuple(_start_density(case, m) for m in MATRICES),
        case.times,
        tolerance=scenario.theory.tolerance,
        threads=threads,
        progress=share_of(report(f"{case.name}: evolve, {closure}")),
    )


def _ensemble_record(scenario: BottleneckScenario, case: _Case) -> xr.Dataset:
    stored = min(scenario.ensemble.stored, case.samples["W1"].shape[1])
    weights = np.concatenate([case.samples[m][:, :stored] for m in MATRICES], axis=2)
    variables = moments(case.samples)
    variables["weights"] = (("time", "replica", "weight"), weights, {"units": "1", "long_name": "weights"})
    for m in MATRICES:
        histogram = [from_samples(case.grids[m], s) for s in case.samples[m]]
        variables[f"density_{m}"] = density_variable(histogram, f"histogram density of {m} over replicas")
    divergence = case.ensemble.divergence
    return xr.Dataset(
        variables,
        coords=_coordinates(case),
        attrs={
            "replicas": scenario.ensemble.replicas,
            "diverged": divergence.count,
            "first_divergence_step": -1 if divergence.first_step is None else divergence.first_step,
        },
    )


def _coordinates(case: _Case) -> dict[str, object]:
    names = [n for m in MATRICES for n in case.grids[m].names]
    coordinates: dict[str, object] = {
        "time": ("time", case.times, {"units": "1", "long_name": "training time, steps x learning rate"}),
        "weight": ("weight", names),
        "weight_other": ("weight_other", names),
    }
    for m in MATRICES:
        coordinates |= grid_coordinates(case.grids[m])
    return coordinates


def _theory_record(case: _Case, closure: str, evolution: Evolution) -> xr.Dataset:
    by_matrix = dict(zip(MATRICES, zip(*evolution.densities, strict=True), strict=True))
    variables = {f"density_{m}": density_variable(by_matrix[m], f"density of {m}, {closure}") for m in MATRICES}
    for key in ("mean", "std"):
        values = [np.concatenate([getattr(p, key) for p in pair]) for pair in evolution.densities]
        variables[key] = (("time", "weight"), np.array(values), {"units": "1", "long_name": key})
    masses = np.array([[p.mass for p in pair] for pair in evolution.densities])
    lowest = min(float(p.values.min()) for pair in evolution.densities for p in pair)
    return xr.Dataset(
        variables,
        coords=_coordinates(case),
        attrs={
            "method": evolution.method,
            "time_error": evolution.time_error[-1],
            "grid_error": evolution.grid_error[-1],
            "mass_defect": float(np.abs(masses - 1.0).max()),
            "lowest_density": lowest,
        },
    )
