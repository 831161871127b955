"""Error budget: the distance between SGD and theory, split into its causes.

A chain of intermediate laws leads from the experiment to the theory, each differing from the one before in one thing
only: SGD, SGD with Gaussian noise, the modified equation of high order, of first order, its closure. Every link is a
distance with its own floor, all seen through the same bins, so that links can be set beside each other. Numerical
errors of the theory come from a second, coarser solution (Richardson). Pure arithmetic: whoever calls makes the laws.

Limits: links obey the triangle inequality, not a sum; contributions of opposite sign cancel in the total (``cancels``).
A link within the threshold of :mod:`fpsim.uncertainty.verdict` (for the links and the total judged together) times its
own sampling noise is not resolved and never leads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from fpsim.comparison.distances import distance_named
from fpsim.comparison.evaluate import Evaluation, evaluate_distance
from fpsim.comparison.samples import Distribution, ExactDensity, Sample, sample_of
from fpsim.density import Density
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import RNG, numpy_generator
from fpsim.uncertainty.verdict import threshold

__all__ = ["Budget", "BudgetRow", "Refinement", "Stage", "error_budget"]


@dataclass(frozen=True, eq=False)
class Stage:
    """One law of the chain.

    Attributes
    ----------
    name : str
        Such as ``"SGD"``, ``"sme1"``, ``"mean field"``.
    distribution : Density or array_like, shape (R, ndim), (R,) or (R, m, ndim)
        A density on a grid, points of independent replicas, or ``m`` points for each replica which may depend on each
        other (pooled outputs; then all stages are such samples, and floors resample whole replicas).
    source : str
        What sets it apart from the stage before, such as ``"closure"``; not used for the first stage.
    """

    name: str
    distribution: Density | ArrayLike
    source: str = ""


@dataclass(frozen=True, eq=False)
class Refinement:
    """A second, coarser solution of the last stage (a density).

    Attributes
    ----------
    source : str
        Such as ``"grid"`` or ``"time step"``.
    coarse : Density
        The same solution with steps ``ratio`` times larger.
    order : float
        Order of convergence ``p``: the error of the fine solution is the distance over ``ratio^p - 1``.
    """

    source: str
    coarse: Density
    order: float = 2.0
    ratio: float = 2.0


@dataclass(frozen=True)
class BudgetRow:
    """One cause: the distance seen, its floor and spread, the error it stands for, and that error's share.

    ``error`` is the distance freed of its floor, ``sqrt(distance^2 - floor^2)`` (``distance - floor`` where the
    distance is quadratic in a small difference), because sampling noise adds in quadrature. ``share`` is the error over
    the sum of all errors, of their roots for quadratic distances. ``resolved`` is false for a link within its floor.
    """

    source: str
    between: str
    distance: float
    floor: float
    spread: float
    error: float
    share: float
    resolved: bool


@dataclass(frozen=True)
class Budget:
    """The table: total distance first to last stage, and its rows.

    Attributes
    ----------
    observable, distance : str
        What was compared, and how.
    time : float
        Time of the comparison, ``nan`` if none.
    experiment, theory : str
        Names of the first and last stage.
    total, floor, spread : float
        Distance between them, with its floor and spread.
    rows : tuple of BudgetRow
        Sampling first, then the links of the chain, then the numerical errors.
    together : int
        Distances judged together: the links and the total.
    """

    observable: str
    distance: str
    time: float
    experiment: str
    theory: str
    total: float
    floor: float
    spread: float
    rows: tuple[BudgetRow, ...]
    together: int = 1

    @property
    def z(self) -> float:
        """Excess of the total in standard deviations under agreement."""
        if self.spread > 0.0:
            return (self.total - self.floor) / self.spread
        return math.inf if self.total > self.floor else 0.0

    @property
    def leading(self) -> str:
        """Source of the largest resolved error: ``"sampling"`` only if the total itself is within its floor.

        ``"no single cause"`` if the total is seen but no part of it is.
        """
        if self.z < threshold(self.together):
            return "sampling"
        seen = [row for row in self.rows if row.resolved and row.source != "sampling"]
        return max(seen, key=lambda row: row.share).source if seen else "no single cause"

    @property
    def cancels(self) -> bool:
        """Whether the largest resolved link is longer than the total: then another link undoes part of it.

        Of a coarser solution counts the error that it stands for, not its own distance.
        """
        parts = [row for row in self.rows if row.resolved and row.source != "sampling"]
        links = [min(row.distance - 2.0 * row.spread, row.error) for row in parts]
        return bool(links) and max(links) > self.total + 2.0 * self.spread

    @property
    def sentence(self) -> str:
        """The finding in words."""
        at = "" if math.isnan(self.time) else f" at t = {self.time:g}"
        name = self.distance.replace("_", " ")
        head = f"{self.observable}{at}: {self.experiment} and {self.theory}"
        if self.z < threshold(self.together):
            return f"{head} agree within sampling ({name} {self.total:.2g}, floor {self.floor:.2g}, z = {self.z:.1f})."
        text = f"{head} differ by {self.total:.2g} in {name} (floor {self.floor:.2g}); "
        lead = next((row for row in self.rows if row.source == self.leading), None)
        if lead is None:
            text += "no single cause stands out"
        else:
            text += f"the leading cause is {lead.source} ({lead.error:.2g}, {100 * lead.share:.0f} % of all parts)"
        hidden = [row.source for row in self.rows if not row.resolved]
        text += f"; within their own floor: {', '.join(hidden)}" if hidden else ""
        return text + ("; parts of opposite sign cancel." if self.cancels else ".")

    def __str__(self) -> str:
        width = max(len(row.source) for row in self.rows)
        between = max(len(row.between) for row in self.rows)
        lines = [f"{'source':{width}}  {'between':{between}}  distance   floor      error      share"]
        for row in self.rows:
            note = "" if row.resolved else "  within its floor"
            lines.append(
                f"{row.source:{width}}  {row.between:{between}}  {row.distance:<9.3g}  {row.floor:<9.3g}  "
                f"{row.error:<9.3g}  {100 * row.share:4.0f} %{note}"
            )
        return "\n".join([*lines, self.sentence])


def error_budget(
    stages: Sequence[Stage],
    *,
    observable: str,
    refinements: Sequence[Refinement] = (),
    distance: str = "total_variation",
    time: float = math.nan,
    bins: int | None = None,
    rng: RNG = 0,
) -> Budget:
    """Split the distance between the first and the last stage into its causes.

    Parameters
    ----------
    stages : sequence of Stage
        From the experiment to the theory; at least two. Stages may share random numbers: floors, which are those of
        independent samples, are then too high, never too low.
    refinements : sequence of Refinement
        Coarser solutions of the last stage.
    bins : int, optional
        Number of cells for histogram distances, rounded down to a power of two. They hold equally many points of the
        first and the last law pooled, and serve all links.
    rng : None, int, SeedSequence or Generator
        Where a floor has no closed form.

    Raises
    ------
    DomainError
        If there are fewer than two stages, sources are missing or repeated, coordinates disagree, points are not
        finite, or a refinement is given for a theory that is a sample.
    """
    laws = _checked(stages, refinements)
    kind, generator = distance_named(distance), numpy_generator(rng)
    samples = [law for law in laws if isinstance(law, Sample)]
    if not samples:
        raise DomainError("stages are all densities: at least one sample (the experiment) is accepted")
    frame = kind.common(samples[0], laws[-1], min(sample.size for sample in samples), bins)

    def link(a: Distribution, b: Distribution) -> Evaluation:
        return evaluate_distance(kind, a, b, frame, rng=generator, library=False, band=False)

    whole = link(laws[0], laws[-1])
    names = [stage.name for stage in stages]
    found = [("sampling", f"{names[0]} | {names[-1]}", whole.floor, whole.floor, whole.spread, whole.floor, True)]
    for i, stage in enumerate(stages[1:]):
        seen = link(laws[i], laws[i + 1])
        error = _freed(seen.value, seen.floor, kind.squared)
        resolved = seen.value - seen.floor > threshold(len(stages)) * seen.spread
        between = f"{names[i]} | {stage.name}"
        found.append((stage.source, between, seen.value, seen.floor, seen.spread, error, resolved))
    for r in refinements:
        value = link(ExactDensity(r.coarse), laws[-1]).value
        # The root of a quadratic distance is what scales with the step.
        gain = (r.ratio**r.order - 1.0) ** (2 if kind.squared else 1)
        found.append((r.source, f"{names[-1]}, coarse | fine", value, 0.0, 0.0, value / gain, True))
    parts = [math.sqrt(row[5]) if kind.squared else row[5] for row in found]
    total = math.fsum(parts)
    rows = tuple(
        BudgetRow(*row[:6], share=part / total if total > 0.0 else 0.0, resolved=row[6])
        for row, part in zip(found, parts, strict=True)
    )
    ends, total_of = (names[0], names[-1]), (whole.value, whole.floor, whole.spread)
    return Budget(observable, kind.name, time, *ends, *total_of, rows, len(stages))


def _freed(value: float, floor: float, squared: bool) -> float:
    return max(value - floor, 0.0) if squared else math.sqrt(max(value * value - floor * floor, 0.0))


def _checked(stages: Sequence[Stage], refinements: Sequence[Refinement]) -> list[Distribution]:
    if len(stages) < 2:
        raise DomainError(f"{len(stages)} stages: at least two, experiment and theory, are accepted")
    sources = [s.source for s in stages[1:]] + [r.source for r in refinements]
    if not all(sources) or len(set(sources)) < len(sources) or "sampling" in sources:
        raise DomainError(f"sources {sources}: a different name for every link is accepted ('sampling' is taken)")
    laws: list[Distribution] = [
        ExactDensity(s.distribution)
        if isinstance(s.distribution, Density)
        else sample_of(s.distribution, what=f"points of {s.name}")
        for s in stages
    ]
    dimensions = {s.name: law.ndim for s, law in zip(stages, laws, strict=True)}
    if len(set(dimensions.values())) > 1:
        raise DomainError(f"stages have numbers of coordinates {dimensions}: equal numbers are accepted")
    clustered = {s.name: isinstance(law, Sample) and law.clustered for s, law in zip(stages, laws, strict=True)}
    if len(set(clustered.values())) > 1:
        some = ", ".join(name for name, several in clustered.items() if several)
        raise DomainError(f"stages {some} have several points for each replica: the same in all stages is accepted")
    if refinements and not isinstance(laws[-1], ExactDensity):
        raise DomainError("refinements are given but the last stage is a sample: a density is accepted")
    return laws
