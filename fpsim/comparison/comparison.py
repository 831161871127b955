"""Comparison of theory and experiment: a distance, its floor under agreement, and how far above it lies.

The floor is what sampling alone would show if theory and experiment were the same law; ``z`` counts the excess in
standard deviations of that. Limits: ``z`` is a scale, not a probability (energy and moment distances are skewed under
agreement, so ``z = 4`` is rarer for total variation than for them); a comparison on bins cannot see inside a bin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.comparison.distances import DISTANCES, Distance, distance_named
from fpsim.comparison.evaluate import evaluate_distance
from fpsim.comparison.samples import POINTS, Distribution, ExactDensity, Sample, check_points, sample_of
from fpsim.density import Density
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only_mapping
from fpsim.support.random_streams import RNG, numpy_generator
from fpsim.uncertainty.verdict import Claim, Expected

__all__ = ["Comparison", "compare_all", "compare_density", "compare_samples"]

FEWEST = 4096
"""Points that stand for a density where there are few replicas."""


@dataclass(frozen=True)
class Comparison(Immutable):
    """A distance between theory and experiment.

    Attributes
    ----------
    observable, distance : str
        What was compared, and how (a key of ``DISTANCES``).
    value : float
        The distance (unit: see the distance).
    floor, spread : float
        Mean and standard deviation of the distance if both were the same law.
    time : float
        Time of the comparison, ``nan`` if none.
    band : (float, float)
        Approximate 95 % confidence band of the value under resampling of replicas.
    method : str
        Where the floor comes from.
    details : mapping
        Numbers of points and bins, and other choices.
    """

    observable: str
    distance: str
    value: float
    floor: float
    spread: float
    time: float = math.nan
    band: tuple[float, float] = (math.nan, math.nan)
    method: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", read_only_mapping(self.details))

    @property
    def excess(self) -> float:
        """Distance beyond the floor."""
        return self.value - self.floor

    @property
    def z(self) -> float:
        """Excess in standard deviations under agreement."""
        if self.spread > 0.0:
            return self.excess / self.spread
        return math.copysign(math.inf, self.excess) if self.excess else 0.0

    def with_details(self, **more: Any) -> Comparison:
        """The same with more details."""
        return replace(self, details={**self.details, **more})

    def claim(self, *, tolerance: float = 0.0, expected: Expected = "holds") -> Claim:
        """The claim that both sides are one law, for the tables of :mod:`fpsim.uncertainty.verdict`.

        Parameters
        ----------
        tolerance : float
            Distance beyond the floor (unit: that of the distance) up to which they count as one. With zero the claim
            is that they cannot be told apart with these replicas.
        expected : {"holds", "fails", "trivial"}
            See :class:`fpsim.uncertainty.verdict.Record`.
        """
        at = "" if math.isnan(self.time) else f", t = {self.time:g}"
        name = f"{self.observable}{at}: {self.distance.replace('_', ' ')}"
        details = {"value": self.value, "floor": self.floor, "method": self.method}
        return Claim(name, max(self.excess, 0.0), self.spread, tolerance, details=details, expected=expected)

    def __repr__(self) -> str:
        at = "" if math.isnan(self.time) else f" at t={self.time:g}"
        return (
            f"Comparison({self.observable}{at}: {self.distance} {self.value:.4g}, "
            f"floor {self.floor:.4g} +- {self.spread:.2g}, z={self.z:.3g})"
        )


def compare_density(
    theory: Density,
    samples: ArrayLike,
    *,
    observable: str,
    distance: str = "total_variation",
    time: float = math.nan,
    bins: int | tuple[int, ...] | None = None,
    rng: RNG = 0,
) -> Comparison:
    """Compare a theory density with independent points, one per replica.

    Parameters
    ----------
    theory : Density
        Taken as exact, and normalised (``details["mass"]`` keeps its mass).
    samples : array_like, shape (R, ndim) or (R,)
    observable : str
        Name for tables.
    distance : str
        Key of ``DISTANCES``.
    time : float
        For the record.
    bins : int or tuple of int, optional
        Blocks along each axis for histogram distances; by default Scott's rule for the theory's width, see
        :mod:`fpsim.comparison.partition`. Blocks expecting fewer than 10 points, and the outside, are one bin.
    rng : None, int, SeedSequence or Generator
        For the band only; the floor is not random.

    Raises
    ------
    DomainError
        If the samples have the wrong shape or are not finite (with their count), or bins do not fit the grid.
    DomainError
        If the distance is unknown.
    """
    kind = distance_named(distance)
    points = check_points(samples, what=f"samples of {observable}")
    if points.shape[1] != theory.grid.ndim:
        raise DomainError(
            f"samples of {observable} have {points.shape[1]} coordinates: the theory's {theory.grid.ndim} are accepted"
        )
    outside = int((~theory.grid.contains(points)).sum())
    details = {"replicas": len(points), "outside": outside, "mass": theory.mass}
    return _compare(kind, Sample.independent(points), ExactDensity(theory), observable, time, bins, details, rng)


def compare_samples(
    a: ArrayLike,
    b: ArrayLike,
    *,
    observable: str,
    distance: str = "total_variation",
    clusters: tuple[ArrayLike, ArrayLike] | None = None,
    paired: bool = False,
    time: float = math.nan,
    bins: int | None = None,
    rng: RNG = 0,
) -> Comparison:
    """Compare two samples: usually ``a`` from the experiment, ``b`` drawn from the theory.

    Parameters
    ----------
    a, b : array_like, shape (n, ndim), (n,) or (replicas, m, ndim)
        Independent points; or ``m`` points for each replica, which may depend on each other (pooled outputs).
    clusters : pair of array_like of int, optional
        Replica of every row of ``a`` and of ``b``, when points of a replica depend on each other and come flat.
    paired : bool
        Whether replica ``i`` of ``a`` and of ``b`` was trained with the same random numbers (same seed). The two
        samples are then closer than independent ones: floor and spread come from exchanging the replicas of a pair, and
        are zero for identical samples.
    bins : int, optional
        Number of cells of equal count for histogram distances.
    rng : None, int, SeedSequence or Generator
        For the resampling behind the band, and behind the floor where it has no closed form.

    Notes
    -----
    With replicas of several points, whole replicas are resampled (cluster bootstrap), so the floor scales with the
    number of replicas, not of points.

    Raises
    ------
    DomainError
        If shapes disagree or points are not finite (with their count).
    DomainError
        If the distance is unknown.
    """
    kind = distance_named(distance)
    names = (f"first samples of {observable}", f"second samples of {observable}")
    labels = clusters if clusters is not None else (None, None)
    left, right = (sample_of(x, what=what, labels=row) for x, what, row in zip((a, b), names, labels, strict=True))
    if left.ndim != right.ndim or left.clustered != right.clustered:
        raise DomainError(
            f"{names[0]} have shape {np.shape(a)}, the second {np.shape(b)}: equal numbers of coordinates, and several "
            "points for each replica in both or in neither, are accepted"
        )
    if paired and (left.size != right.size or len(left.points) != len(right.points)):
        raise DomainError(f"paired samples of {left.size:g} and {right.size:g} replicas: equally many are accepted")
    details = {"replicas": (int(left.size), int(right.size)), "points": (len(left.points), len(right.points))}
    return _compare(kind, left, right, observable, time, bins, details, rng, paired=paired)


def compare_all(
    theory: Density | ArrayLike,
    samples: ArrayLike,
    *,
    observable: str,
    distances: Sequence[str] = tuple(DISTANCES),
    time: float = math.nan,
    rng: RNG = 0,
) -> tuple[Comparison, ...]:
    """Compare by many distances at once, without confidence bands (``nan``), at a fraction of the cost.

    Parameters
    ----------
    theory : Density or array_like
        A density, as in :func:`compare_density`; or points drawn from the theory, as in :func:`compare_samples`.
    samples : array_like
        Points of the experiment, of the theory's kind: (R, ndim), (R,) or (R, m, ndim).
    distances : sequence of str
        Keys of ``DISTANCES``.

    Returns
    -------
    tuple of Comparison
        Values, floors and spreads are those of the single comparisons, up to a small part of a spread: fewer points
        stand for a density, four for each replica.

    Raises
    ------
    DomainError
        As in the single comparisons.
    """
    kinds = [distance_named(name) for name in distances]
    sample = sample_of(samples, what=f"samples of {observable}")
    if isinstance(theory, Density):
        reference: Distribution = ExactDensity(theory, count=int(min(max(4.0 * sample.size, FEWEST), POINTS)))
    else:
        reference = sample_of(theory, what=f"theory of {observable}")
    several = isinstance(reference, Sample) and reference.clustered
    if sample.ndim != reference.ndim or sample.clustered != several:
        raise DomainError(
            f"samples of {observable} have shape {np.shape(samples)}, the theory {reference.ndim} coordinates: equal "
            "numbers of coordinates, and several points for each replica in both or in neither, are accepted"
        )
    generator, details = numpy_generator(rng), {"replicas": int(sample.size)}
    return tuple(
        _compare(kind, sample, reference, observable, time, None, details, generator, band=False) for kind in kinds
    )


def _compare(
    kind: Distance,
    sample: Sample,
    reference: Distribution,
    observable: str,
    time: float,
    bins: int | tuple[int, ...] | None,
    details: dict[str, Any],
    rng: RNG,
    *,
    band: bool = True,
    paired: bool = False,
) -> Comparison:
    frame = kind.frame(sample, reference, bins)
    found = evaluate_distance(kind, sample, reference, frame, rng=numpy_generator(rng), band=band, paired=paired)
    ends = (max(found.value - 1.96 * found.error, 0.0), found.value + 1.96 * found.error)
    return Comparison(
        observable,
        kind.name,
        found.value,
        found.floor,
        found.spread,
        time,
        ends if band else (math.nan, math.nan),
        found.method,
        details | kind.describe(frame),
    )
