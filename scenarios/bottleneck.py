"""Bottleneck auto-encoders: densities of the weights under SGD, theory and experiment.

An ensemble of networks f(x) = W2 phi(W1 x) is trained; three theories say, without looking at it or hardly so, how the
density of its weights moves. The joint law is one density of all weights, a Gaussian mixture in any number of
dimensions; outputs and losses are sampled from it. The conditional closure keeps one density per matrix and learns from
the ensemble what one matrix knows of the other. Mean field keeps one density per matrix and forgets that they move
against each other. Per-matrix densities say nothing of outputs; asked for them (comparison.paired_at_random), they pair
matrices at random. The error budget says where each distance comes from.

Small enough to see: d principal components of the data and k hidden units make 2 d k weights. Larger:
--set data.components=5; matrices of more than three entries have no density on a grid, so that only the joint law is
left. Data of one's own are a path, --set data.source=mine.csv; with --set data.test_share=0.3 samples are held out, and
test loss and generalisation gap are compared as well. An own closure is an entry of CLOSURES_OF_MATRICES, an own
observable one of OBSERVABLES (docs/writing-scenarios.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from fpsim.ensemble import Ensemble
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.plots import LABELS, network_figures
from fpsim.scenario import (
    Data,
    Each,
    EnsembleSize,
    NetworkShape,
    Parameters,
    Results,
    Scenario,
    Sgd,
    Table,
    Time,
    Workbench,
)
from fpsim.scenario.parameters.sections import StartName
from fpsim.scenario.records import budgets_dataset, comparison_dataset, distances_dataset
from fpsim.studies.account import budget_table, distances_table, law_claims, moments_table, sentences, study_summary
from fpsim.studies.case import Case, case_of
from fpsim.studies.comparisons import Observables, all_distances, budgets, compare_law, observed
from fpsim.studies.datasets import ensemble_dataset, law_dataset, outputs_dataset
from fpsim.studies.law_outputs import probe_indices
from fpsim.studies.laws import CLOSURES, Law, closure_law, joint_law
from fpsim.studies.parameters import Compared, StartLaw, Theory, entries_of, recorded_steps
from fpsim.support.memory import check_memory
from fpsim.uncertainty.verdict import Claim

CLOSURES_OF_MATRICES = dict(CLOSURES)
"""Equation of one matrix by name, from experiment, matrix and ensemble: add your own."""
OBSERVABLES: Observables = {}
"""One number for each replica, from network, weights (R, k, d), (R, d, k) and data: add your own."""
FINEST_ENTRIES = 3
"""Entries of a matrix that a grid can have."""


class Bottleneck(Parameters):
    """Network, training and theories."""

    data: Data = Data()
    network: NetworkShape = NetworkShape()
    sgd: Sgd = Sgd(temperature=0.002)
    start: dict[StartName, StartLaw] = Field(
        default_factory=lambda: {
            "offset": StartLaw(mean=(0.6, 0.2), std=0.1, width=0.06),
            "symmetric": StartLaw(mean=0.0, std=0.5, width=0.1),
        },
        min_length=1,
    )
    time: Time = Time()
    ensemble: EnsembleSize = EnsembleSize()
    theory: Theory = Theory()
    comparison: Compared = Compared()

    @property
    def entries(self) -> int:
        """Entries of a matrix."""
        return self.network.bottleneck * self.data.components

    @property
    def laws(self) -> tuple[str, ...]:
        """Theories that there are for matrices of this size."""
        return tuple(law for law in self.theory.laws if law == "joint" or self.entries <= FINEST_ENTRIES)

    @model_validator(mode="after")
    def _fits(self) -> Bottleneck:
        for i, law in enumerate(self.theory.laws):
            if law not in ("joint", *CLOSURES_OF_MATRICES):
                raise ValueError(f"theory.laws.{i} = {law!r}: joint, {', '.join(CLOSURES_OF_MATRICES)} are accepted")
        for name, start in self.start.items():
            entries_of(start, self.entries, key=f"start.{name}")
        recorded_steps(self.time, self.sgd)
        return self


def experiments(p: Bottleneck) -> dict[str, Experiment]:
    """The experiment of every start."""
    data, test = p.data.load(rng=p.seed)
    network = BottleneckAutoEncoder(p.data.components, p.network.bottleneck, p.network.activation)
    sgd, found = SGD(**p.sgd.model_dump()), {}
    for name, start in p.start.items():
        means = entries_of(start, p.entries, key=name)
        mean: Any = {m: means.reshape(shape) for m, shape in network.shapes.items()}
        found[name] = Experiment(data, network, sgd, Start.gaussian(mean, start.std), test=test)
    return found


def check(p: Bottleneck) -> None:
    """Refuse, before any work, what the experiment or the machine's memory does not allow."""
    experiments(p)
    records, entries = p.time.records + 1, p.entries
    if len(p.laws) > p.laws.count("joint"):
        check_memory(16.0 * (records + 8) * float(p.theory.cells) ** entries, f"theory.cells = {p.theory.cells}")
    check_memory(32.0 * records * p.ensemble.replicas * entries, f"ensemble.replicas = {p.ensemble.replicas}")


def trained(p: Bottleneck, run: Workbench, start: str) -> Case:
    """A start with its ensemble, the same for all stages."""
    found = run.train(
        run.once("experiments", lambda: experiments(p))[start],
        name=f"{start} ensemble",
        replicas=p.ensemble.replicas,
        steps=recorded_steps(p.time, p.sgd),
        seed=seed_of(p, start),
        partial=lambda part: ensemble_dataset(_case(p, start, part), stored=p.ensemble.stored),
    )
    return run.once(f"{start} case", lambda: _case(p, start, found))


def _case(p: Bottleneck, start: str, ensemble: Ensemble) -> Case:
    return case_of(ensemble, cells=p.theory.cells, named=f"start.{start}")


def seed_of(p: Bottleneck, start: str) -> int:
    """Starts have seeds of their own."""
    return p.seed + list(p.start).index(start)


def evolved(p: Bottleneck, run: Workbench, start: str, name: str) -> Law:
    """The law that a theory gives from a start, the same for all stages."""
    case, progress = trained(p, run, start), run.progress(f"{start}: {LABELS.get(name, name)}")
    if name == "joint":
        settings: dict[str, Any] = {"order": p.theory.order, "components": p.theory.components}
        settings |= {"width": p.start[start].width, "rng": seed_of(p, start)}
        return run.once(f"{start} joint", lambda: joint_law(case, threads=run.threads, progress=progress, **settings))
    closure, tolerance = CLOSURES_OF_MATRICES[name], p.theory.tolerance
    return run.once(
        f"{start} {name}",
        lambda: closure_law(case, name, closure, tolerance=tolerance, threads=run.threads, progress=progress),
    )


def ensemble(p: Bottleneck, run: Workbench, start: str, _: str) -> xr.Dataset:
    """Histograms, moments and some weights of the replicas."""
    return ensemble_dataset(trained(p, run, start), stored=p.ensemble.stored)


def theory(p: Bottleneck, run: Workbench, start: str, name: str) -> xr.Dataset:
    """Densities and moments of a law."""
    return law_dataset(trained(p, run, start), evolved(p, run, start, name))


def outputs(p: Bottleneck, run: Workbench, start: str, _: str) -> xr.Dataset:
    """Histograms of outputs and losses at the last time, of SGD and of every law that claims some."""
    case, last, count = trained(p, run, start), p.time.records, p.comparison.theory_samples
    where, seed = probe_indices(case.x, p.comparison.probes), seed_of(p, start)
    drawn = {"ensemble": case.weights(last, count)}
    for i, name in enumerate(_claiming(p)):
        drawn[name] = evolved(p, run, start, name).draw(last, count, case, rng=np.random.SeedSequence([seed, 7, i]))
    laws = {
        k: observed(case, w, probes=where, own=OBSERVABLES, seed=[seed, 8, i]) for i, (k, w) in enumerate(drawn.items())
    }
    return outputs_dataset(case, laws, probes=where)


def _claiming(p: Bottleneck) -> list[str]:
    """Laws that claim outputs."""
    return [law for law in p.laws if law == "joint" or p.comparison.paired_at_random]


def comparison(p: Bottleneck, run: Workbench, start: str, _: str) -> xr.Dataset:
    """Total variation between every law and SGD at all times."""
    case, rows = trained(p, run, start), {}
    for name in p.laws:
        rows[name] = compare_law(
            case,
            evolved(p, run, start, name),
            outputs=name in _claiming(p),
            probes=probe_indices(case.x, p.comparison.probes),
            draws=p.comparison.theory_samples,
            seed=seed_of(p, start),
            own=OBSERVABLES,
            threads=run.threads,
            progress=run.progress(f"{start}: compare {LABELS.get(name, name)}"),
        )
    return comparison_dataset(case.times, rows)


def distances(p: Bottleneck, run: Workbench, start: str, _: str) -> xr.Dataset:
    """Distances of all kinds at the last time."""
    case, measured = trained(p, run, start), p.comparison.measured
    where, seed = probe_indices(case.x, p.comparison.probes), seed_of(p, start)
    rows = {}
    for name in p.laws:
        claims_outputs, law = name in _claiming(p), evolved(p, run, start, name)
        rows[name] = all_distances(
            case, law, outputs=claims_outputs, probes=where, measured=measured, seed=seed, own=OBSERVABLES
        )
    return distances_dataset(rows).assign_attrs(replicas=measured, time=float(case.times[-1]))


def budget(p: Bottleneck, run: Workbench, start: str, _: str) -> xr.Dataset:
    """Causes of the distances of the densities at the last time."""
    case = trained(p, run, start)
    found = budgets(
        case,
        {name: evolved(p, run, start, name) for name in p.laws},
        tolerance=p.theory.tolerance,
        order=p.theory.order,
        svag=p.comparison.svag,
        seed=seed_of(p, start),
        own=dict.fromkeys(_claiming(p), OBSERVABLES),
        draws=p.comparison.theory_samples,
        threads=run.threads,
        progress=run.progress(f"{start}: error budget"),
    )
    return budgets_dataset(found).assign_attrs(time=float(case.times[-1]))


def claims(p: Bottleneck, run: Results) -> Iterator[Claim]:
    """The joint law is right up to its stated error; of the closures the conditional one is nearly right."""
    for start in p.start:
        yield from law_claims(run, start, p.laws)


def tables(p: Bottleneck, run: Results) -> Iterator[Table]:
    """Moments, distances and causes at the last time, one start after the other."""
    for start in p.start:
        yield moments_table(run, start, p.laws)
        yield distances_table(run, start, p.laws)
        yield budget_table(run, start, p.laws)


def conclusions(p: Bottleneck, run: Results) -> Iterator[str]:
    """What the numbers at the last time say."""
    units = f"{p.network.bottleneck} {p.network.activation} hidden unit{'s' * (p.network.bottleneck > 1)}"
    yield f"{p.data.components} principal components, {units}, {2 * p.entries} weights."
    left_out = [law for law in p.theory.laws if law not in p.laws]
    if left_out:
        yield f"Left out, since matrices of more than {FINEST_ENTRIES} entries have no grid: {', '.join(left_out)}."
    for start in p.start:
        yield from sentences(run, start, p.laws)


def _of(name: str) -> Any:
    return lambda p: [(start, name) for start in p.start]


scenario = Scenario(
    title="Bottleneck auto-encoders: weight densities and outputs under SGD, theory and experiment",
    subject="Networks, theory against experiment",
    description=__doc__,
    parameters=Bottleneck(),
    quick={
        "ensemble.replicas": 5_000,
        "time.records": 10,
        "theory.cells": 64,
        "theory.components": 2048,
        "comparison.theory_samples": 5_000,
        "comparison.probes": 1,
        "comparison.svag": 4,
    },
    check=check,
    stages=(
        Each(ensemble, over=_of("ensemble")),
        Each(theory, over=lambda p: [(start, law) for start in p.start for law in p.laws]),
        Each(outputs, over=_of("outputs")),
        Each(comparison, over=_of("comparison")),
        Each(distances, over=lambda p: [(s, "distances") for s in p.start if p.comparison.measured]),
        Each(budget, over=_of("budget")),
    ),
    claims=claims,
    tables=tables,
    figures=lambda p, run: network_figures.study_figures(run, list(p.start), p.laws),
    conclusions=conclusions,
    experiments=experiments,
    summary=lambda p, run: study_summary(run, list(p.start), p.laws),
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
