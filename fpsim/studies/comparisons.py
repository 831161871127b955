"""Distances between an ensemble and the laws that theories give for it, by weights and by outputs; error budgets.

Densities are compared in planes: the joint law with all replicas, closures with the half that they did not learn from;
outputs, losses and own observables by equal numbers of weights drawn from both. Every distance has its own sampling
floor. Limits: a law claims outputs only if it is joint, or if its matrices are to be paired at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.comparison import (
    Budget,
    Comparison,
    Refinement,
    Stage,
    compare_all,
    compare_density,
    compare_samples,
    error_budget,
)
from fpsim.comparison.distances import DISTANCES
from fpsim.comparison.outputs import replica_loss
from fpsim.density import Density
from fpsim.ensemble.intermediate_laws import ORDER, Link, intermediate_laws
from fpsim.network import Network
from fpsim.studies.case import MATRICES, Case
from fpsim.studies.law_outputs import law_outputs
from fpsim.studies.laws import Law, coarse_solutions
from fpsim.support.errors import DomainError
from fpsim.support.progress import Progress
from fpsim.support.random_streams import numpy_generator
from fpsim.support.threads import Team

__all__ = ["Observables", "all_distances", "budgets", "compare_law", "observed", "own_observable"]

Array = NDArray[np.float64]
ObservableFunction = Callable[[Network, Array, Array, Array], ArrayLike]
"""Function of network, weights (R, k, d), (R, d, k) and data (N, d): one number for each replica."""
Observables = Mapping[str, ObservableFunction]
"""Own observables by name."""
CELLS = {1: 32, 2: 64}
"""Cells of equal count through which a budget sees a density, by dimension: few, so that the floor is low."""
LOOSER = 4.0
"""Ratio of the tolerances of two solutions that show a time step's error."""
CAUSE = {"joint": "joint law"}
PAIRING = "correlation of the matrices"


def observed(
    case: Case, weights: tuple[Array, Array], *, probes: Sequence[int], own: Observables, seed: Sequence[int]
) -> dict[str, Array]:
    """Outputs, losses and own observables of weights on the training set, by name.

    If samples are held out also the test loss, and the generalisation gap: test loss minus loss, network by network.
    """
    network, x, test = case.experiment.network, case.x, case.experiment.test
    found = law_outputs(network, weights, x, probes=probes, rng=numpy_generator(np.random.SeedSequence(seed)))
    if test is not None:
        unseen = replica_loss(network, *weights, test.x)
        found |= {"test loss": unseen, "generalisation gap": unseen - found["loss"]}
    return found | {name: own_observable(name, function, network, weights, x) for name, function in own.items()}


def own_observable(
    name: str, function: ObservableFunction, network: Network, weights: tuple[Array, Array], x: ArrayLike
) -> Array:
    """Values of an own observable, one for each replica or draw.

    Parameters
    ----------
    function : callable
        Of network, weights (R, k, d), (R, d, k) and data (N, d).

    Returns
    -------
    ndarray, shape (R,)

    Raises
    ------
    DomainError
        If it does not answer one finite number for each replica.
    """
    values, replicas = np.asarray(function(network, *weights, np.asarray(x, np.float64))), len(weights[0])
    finite = values.dtype.kind in "fiub" and bool(np.isfinite(values).all())
    if values.shape != (replicas,) or not finite:
        answered = f"{'finite' if finite else 'not finite'} values of shape {values.shape}"
        raise DomainError(f"observable {name!r} answered {answered}: one finite number for each of {replicas} replicas")
    return values.astype(np.float64)


def compare_law(
    case: Case,
    law: Law,
    *,
    outputs: bool,
    probes: Sequence[int],
    draws: int,
    seed: int,
    own: Observables | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[list[Comparison]]:
    """Total variation between a law and the ensemble at every recorded time.

    Parameters
    ----------
    outputs : bool
        Whether the law claims outputs: pooled, at probes, losses and own observables.
    draws : int
        Weights drawn from the law, and at most so many replicas, for outputs.

    Returns
    -------
    list of list of Comparison
        By time, then by observable.
    """
    case = _judging(case, law.name)
    rows: list[list[Comparison]] = [[] for _ in case.times]

    def work(begin: int, end: int) -> None:
        for i in range(begin, end):
            time = float(case.times[i])
            rows[i] = [
                compare_density(series[i], case.points(plane, i), observable=_density(plane), time=time)
                for plane, series in law.planes.items()
            ]
            if outputs:
                truth, drawn = _both(case, law, i, probes=probes, draws=draws, seed=seed, own=own or {})
                rows[i] += [
                    compare_samples(truth[name], drawn[name], observable=name, time=time)
                    for name in truth
                    if not name.startswith("Q_")
                ]
            if progress is not None:
                progress(sum(map(bool, rows)) / len(rows))

    with Team(threads) as team:
        team.share(work, len(rows))
    return rows


def _judging(case: Case, law: str) -> Case:
    """Replicas that a law is judged by."""
    return case if law == "joint" else case.judge


def _density(plane: str) -> str:
    return f"density {plane.replace('_', ', ')}"


def _both(
    case: Case, law: Law, index: int, *, probes: Sequence[int], draws: int, seed: int, own: Observables
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs of replicas and of draws from a law."""
    drawn = law.draw(index, draws, case, rng=np.random.SeedSequence([seed, index, 1]))
    return (
        observed(case, case.weights(index, draws), probes=probes, own=own, seed=[seed, index, 0]),
        observed(case, drawn, probes=probes, own=own, seed=[seed, index, 2]),
    )


def all_distances(
    case: Case, law: Law, *, outputs: bool, probes: Sequence[int], measured: int, seed: int, own: Observables
) -> list[Comparison]:
    """Distances of every kind at the last time, with the first ``measured`` replicas."""
    case = _judging(case, law.name)
    found: list[Comparison] = []
    last = len(case.times) - 1
    for plane, series in law.planes.items():
        points, density = case.points(plane, last)[:measured], series[-1]
        found += _every(density, points, _density(plane))
        if plane in MATRICES and density.grid.ndim > 1:
            for axis, name in enumerate(density.grid.names):
                found += _every(density.marginal(axis), points[:, axis], name)
    if outputs:
        truth, drawn = _both(case, law, last, probes=probes, draws=measured, seed=seed, own=own)
        for name, values in truth.items():
            most = max(measured // values.shape[1], 100) if values.ndim > 1 else measured
            found += _every(drawn[name][:most], values[:most], name)
    return found


def _every(what: Density | Array, sample: Array, observable: str) -> tuple[Comparison, ...]:
    """Kolmogorov and Smirnov's distance is left out in the plane: it is the largest of the marginals."""
    planar = isinstance(what, Density) and what.grid.ndim > 1
    names = [d for d in DISTANCES if not (planar and d == "kolmogorov_smirnov")]
    return compare_all(what, sample, observable=observable, distances=names)


def budgets(
    case: Case,
    laws: Mapping[str, Law],
    *,
    tolerance: float,
    order: str,
    svag: int,
    seed: int,
    own: Mapping[str, Observables] | None = None,
    draws: int = 20_000,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, list[Budget]]:
    """Error budgets of the densities of both matrices, and of own observables, at the last time, by law.

    The chain is SGD, SGD with Gaussian noise, the modified equation without any closure, the law. From the joint law of
    second order the last link of the chain is left out, since SGD with Gaussian noise stands for that order. Of
    observables under a closure, one link more pairs the matrices at random.

    Parameters
    ----------
    own : mapping, optional
        By law, the observables that it claims.
    draws : int
        Weights drawn from a law, and at most so many replicas, for observables.
    tolerance : float
        That of the closures' time steps, whose error a solution with a looser one shows.
    order : {"sme1", "sme2"}
        Order of the joint law.
    """
    assert case.ensemble.steps is not None
    chain = intermediate_laws(
        case.experiment,
        replicas=len(case.ensemble.divergence.mask),
        step=int(case.ensemble.steps[-1]),
        svag=svag,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    found: dict[str, list[Budget]] = {}
    for name, law in laws.items():
        refinements = _refinements(case, law, tolerance, threads) if law.equations else []
        used = [link for link in chain if not (name == "joint" and order != "sme1" and link.source == ORDER)]
        found[name] = [
            error_budget(
                [
                    Stage("SGD", _judging(case, name).points(m, len(case.times) - 1)),
                    *(Stage(link.name, link.weights[m][:, :2], link.source) for link in used),
                    Stage(name, law.planes[m][-1], CAUSE.get(name, "closure")),
                ],
                observable=_density(m),
                refinements=[r[m] for r in refinements],
                time=float(case.times[-1]),
                bins=CELLS[law.planes[m][-1].grid.ndim],
            )
            for m in MATRICES
        ]
        for observable, function in (own or {}).get(name, {}).items():
            stages = list(_stages(case, law, used, observable, function, draws=draws, seed=seed))
            one = error_budget(stages, observable=observable, time=float(case.times[-1]), bins=CELLS[1])
            found[name].append(one)
    return found


def _stages(
    case: Case, law: Law, chain: Sequence[Link], name: str, function: ObservableFunction, *, draws: int, seed: int
) -> Iterator[Stage]:
    """An observable under every law of the chain."""
    network, last = case.experiment.network, len(case.times) - 1
    shapes = tuple(network.shapes[m] for m in MATRICES)

    def values(weights: tuple[Array, Array]) -> Array:
        return own_observable(name, function, network, weights, case.x)

    yield Stage("SGD", values(_judging(case, law.name).weights(last, draws)))
    pair = case.weights(last, draws)
    for link in chain:
        first, second = (link.weights[m][:draws].reshape(-1, *s) for m, s in zip(MATRICES, shapes, strict=True))
        pair = first, second
        yield Stage(link.name, values(pair), link.source)
    if law.name != "joint":
        mixed = numpy_generator(np.random.SeedSequence([seed, 10])).permutation(len(pair[1]))
        yield Stage("paired at random", values((pair[0], pair[1][mixed])), PAIRING)
    drawn = law.draw(last, draws, case, rng=np.random.SeedSequence([seed, 9]))
    yield Stage(law.name, values(drawn), CAUSE.get(law.name, "closure"))


def _refinements(case: Case, law: Law, tolerance: float, threads: int | None) -> list[dict[str, Refinement]]:
    """Coarser solutions of a closure, by matrix: wider cells, longer time steps."""
    wide, rough, ratio = coarse_solutions(case, law, tolerance=tolerance, ratio=LOOSER, threads=threads)
    grid = {m: Refinement("grid", density) for m, density in wide.items()}
    return [grid, {m: Refinement("time step", density, order=1.0, ratio=ratio) for m, density in rough.items()}]
