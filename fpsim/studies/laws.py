"""Laws that theories give for an ensemble's weights: the joint law of all weights, closures of one matrix.

Each is evolved from the experiment's start to the recorded times. A closure's law has a density for each matrix; the
joint law has everything, and is seen in the same planes. Closures may learn from one half of the ensemble only. Limits:
closures of one matrix need grids over its entries (three at most in practice); their outputs exist only if matrices are
paired at random, which is asked for by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.closures import conditional, joint, joint_start, mean_field
from fpsim.comparison import draw_weights
from fpsim.density import Density, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import Evolution, MixtureEvolution, evolve, evolve_mixture
from fpsim.studies.case import MATRICES, Case
from fpsim.support.checks import shown
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.support.progress import Progress
from fpsim.support.random_streams import RNG

__all__ = ["CLOSURES", "Closure", "Law", "closure_law", "coarse_solutions", "joint_law"]

Array = NDArray[np.float64]
Closure = Callable[[Any, Any, Any], Any]
"""``closure(experiment, matrix, ensemble)``: the equation of one matrix, in the coordinates of its entries; the
ensemble is the half that may be learned from."""

CLOSURES: dict[str, Closure] = {
    "conditional": conditional,
    "mean-field": lambda experiment, matrix, _ensemble: mean_field(experiment, matrix),
}
LOOSEST = 0.9
"""Loosest tolerance of a solution that is coarse on purpose."""


@dataclass(frozen=True, eq=False)
class Law:
    """A theory's law of the weights at the recorded times.

    Attributes
    ----------
    name : str
    planes : mapping of str to tuple of Density
        By plane, one density for each time; of a closure those of the matrices only.
    mean, std : ndarray, shape (T, n)
        Of all weights, ``W1`` before ``W2``.
    correlation : ndarray, shape (T, n, n), or None
        Of all weights; only the joint law has one.
    error : ndarray, shape (T,)
        Stated total variation that numerics make: of the worst plane, or of the density of a matrix.
    found : Evolution or MixtureEvolution
        The evolution itself.
    equations : tuple of FokkerPlanck
        Of both matrices, of a closure.
    """

    name: str
    planes: Mapping[str, tuple[Density, ...]]
    mean: Array
    std: Array
    correlation: Array | None
    error: Array
    found: Evolution | MixtureEvolution
    equations: tuple[FokkerPlanck, ...] = ()

    def draw(self, index: int, count: int, case: Case, *, rng: RNG) -> tuple[Array, Array]:
        """Weights (count, k, d), (count, d, k) of one time; a closure's matrices are paired at random."""
        at = self.found.densities[index]
        densities: Any = at if isinstance(self.found, MixtureEvolution) else dict(zip(MATRICES, at, strict=True))  # type: ignore[arg-type]
        return draw_weights(densities, count, network=case.experiment.network, rng=rng)


def joint_law(
    case: Case,
    *,
    order: Any = "sme2",
    components: int,
    width: float,
    rng: RNG,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Law:
    """The joint law of all weights as a Gaussian mixture, without looking at the ensemble.

    Parameters
    ----------
    order : {"sme1", "sme2"}
        Order of the modified equation.
    components, width : int, float
        Of the mixture (:func:`fpsim.evolution.evolve_mixture`).
    """
    found = evolve_mixture(
        joint(case.experiment, order=order),
        joint_start(case.experiment),  # type: ignore[arg-type]
        case.times,
        components=components,
        width=width,
        rng=rng,
        threads=threads,
        progress=progress,
    )
    place = {name: i for i, name in enumerate(case.names)}
    planes = {
        plane: tuple(p.on_grid(grid, *(place[n] for n in grid.names), threads=threads) for p in found.densities)
        for plane, grid in case.planes.items()
    }
    std = np.array([p.std for p in found.densities])
    correlation = np.array([p.covariance for p in found.densities]) / (std[:, :, None] * std[:, None, :])
    mean = np.array([p.mean for p in found.densities])
    return Law("joint", planes, mean, std, correlation, found.error, found)


def closure_law(
    case: Case,
    name: str,
    closure: Closure,
    *,
    tolerance: float,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Law:
    """Densities of both matrices under a closure, evolved together on grids.

    Raises
    ------
    DomainError
        If the experiment does not start from independent normal entries, or the closure answers no equation.
    """
    equations = tuple(closure(case.experiment, m, case.fit) for m in MATRICES)
    for m, equation in zip(MATRICES, equations, strict=True):
        if not isinstance(equation, FokkerPlanck):
            raise DomainError(f"closure {name!r} answered {shown(equation)} for {m}: a FokkerPlanck is accepted")
    found = _solved(case, equations, case.times, tolerance=tolerance, threads=threads, progress=progress)
    by_matrix = dict(zip(MATRICES, zip(*found.densities, strict=True), strict=True))
    planes = {m: tuple(_seen(p) for p in series) for m, series in by_matrix.items()}
    mean, std = (
        np.array([np.concatenate([getattr(p, key) for p in pair]) for pair in found.densities])
        for key in ("mean", "std")
    )
    error = 0.5 * (np.asarray(found.time_error) + np.nan_to_num(found.grid_error))
    return Law(name, planes, mean, std, None, error, found, equations)


def coarse_solutions(
    case: Case, law: Law, *, tolerance: float, ratio: float, threads: int | None = None
) -> tuple[dict[str, Density], dict[str, Density], float]:
    """A closure's densities at the last time, by matrix: on cells twice as wide, with a looser tolerance; its ratio."""
    loose = min(ratio * tolerance, LOOSEST)
    last = case.times[-1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        wide = _solved(case, law.equations, last, tolerance=tolerance, threads=threads, wider=2, estimate=False)
        rough = _solved(case, law.equations, last, tolerance=loose, threads=threads, estimate=False)
    seen = [{m: _seen(p) for m, p in zip(MATRICES, found.final, strict=True)} for found in (wide, rough)]
    return seen[0], seen[1], loose / tolerance


def _solved(
    case: Case,
    equations: tuple[FokkerPlanck, ...],
    times: Array,
    *,
    tolerance: float,
    threads: int | None,
    wider: int = 1,
    estimate: bool = True,
    progress: Progress | None = None,
) -> Evolution:
    start = case.experiment.start
    if start.kind not in ("gaussian", "he"):
        raise DomainError(f"start {start.kind!r}: closures begin with independent normal entries")
    entries = start.entries(case.experiment.network)
    grids = [g.with_shape([n // wider for n in g.shape]) for g in (case.grids[m] for m in MATRICES)]
    begin = [
        gaussian(grid, location.ravel(), spread.ravel() ** 2)
        for grid, (location, spread) in zip(grids, (entries[m] for m in MATRICES), strict=True)
    ]
    return evolve(
        equations, begin, times, tolerance=tolerance, threads=threads, progress=progress, estimate_grid_error=estimate
    )


def _seen(density: Density) -> Density:
    """A density in the plane of its first two coordinates."""
    return density if density.grid.ndim <= 2 else density.marginal(0, 1)
