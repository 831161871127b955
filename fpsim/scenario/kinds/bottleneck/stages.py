"""The main job: train an ensemble, evolve the weight densities, compare, for one or more starts.

Composes only: every number comes from the packages below. The result is a tree of labelled arrays, one group per start
with sub-groups ``ensemble``, one per closure, ``outputs``, ``comparison``, ``distances`` and ``budget``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from fpsim.density import Density, from_samples
from fpsim.evolution import Evolution
from fpsim.scenario.kinds.bottleneck.budget import budget_case
from fpsim.scenario.kinds.bottleneck.case import MATRICES, Case, case_of, experiment_of
from fpsim.scenario.kinds.bottleneck.comparing import compare_case
from fpsim.scenario.kinds.bottleneck.model import BottleneckScenario
from fpsim.scenario.parameters.sections import StartPoint
from fpsim.scenario.records import density_at, density_variable, grid_coordinates, group, moments
from fpsim.scenario.training import train_kept
from fpsim.storage import Checkpoint
from fpsim.support.memory import check_memory
from fpsim.support.progress import Reporter

__all__ = ["bottleneck_stages", "check_bottleneck"]

ARRAYS = 8
"""Working arrays of the solver, in grids."""


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
        Finished groups: ``/START/ensemble``; ``/START/CLOSURE`` for each closure; ``/START/outputs``,
        ``/START/comparison`` and ``/START/distances``; ``/START/budget``.
    """
    for index, (name, start) in enumerate(scenario.start.items()):
        if f"/{name}/budget" in done.groups:
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
                progress = report(f"{name}: evolve, {closure}")
                found = case.solve(closure, tolerance=scenario.theory.tolerance, threads=threads, progress=progress)
                record = _theory_record(case, closure, found)
                yield {path: record}
            theory[closure] = [
                tuple(density_at(record, f"density_{m}", i) for m in MATRICES) for i in range(len(case.times))
            ]
        if f"/{name}/comparison" not in done.groups:
            compared = compare_case(
                network=case.experiment.network,
                data=case.data,
                times=case.times,
                samples=case.samples,
                densities=theory,
                probes=scenario.comparison.probes,
                theory_samples=scenario.comparison.theory_samples,
                measured=scenario.comparison.measured,
                seed=scenario.seed + index,
                threads=threads,
                progress=report(f"{name}: compare"),
            )
            yield {f"/{name}/{part}": record for part, record in compared.items()}
        last = {closure: path[-1] for closure, path in theory.items()}
        seed = scenario.seed + index
        yield {f"/{name}/budget": budget_case(scenario, case, last, seed=seed, threads=threads, report=report)}


def _train_case(
    scenario: BottleneckScenario,
    name: str,
    start: StartPoint,
    index: int,
    threads: int | None,
    report: Reporter,
    checkpoint: Checkpoint | None,
) -> Case:
    experiment = experiment_of(scenario, start)
    total = round(scenario.time.end / scenario.sgd.learning_rate)
    ensemble = train_kept(
        experiment,
        replicas=scenario.ensemble.replicas,
        steps=[round(total * i / scenario.time.records) for i in range(scenario.time.records + 1)],
        seed=scenario.seed + index,
        stage=f"{name} ensemble",
        checkpoint=checkpoint,
        threads=threads,
        progress=report(f"{name}: train {scenario.ensemble.replicas} replicas"),
        partial=lambda part: {f"/{name}/ensemble": _ensemble_record(scenario, case_of(scenario, name, start, part))},
    )
    return case_of(scenario, name, start, ensemble)


def _ensemble_record(scenario: BottleneckScenario, case: Case) -> xr.Dataset:
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


def _coordinates(case: Case) -> dict[str, object]:
    names = [n for m in MATRICES for n in case.grids[m].names]
    coordinates: dict[str, object] = {
        "time": ("time", case.times, {"units": "1", "long_name": "training time, steps x learning rate"}),
        "weight": ("weight", names),
        "weight_other": ("weight_other", names),
    }
    for m in MATRICES:
        coordinates |= grid_coordinates(case.grids[m])
    return coordinates


def _theory_record(case: Case, closure: str, evolution: Evolution) -> xr.Dataset:
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
