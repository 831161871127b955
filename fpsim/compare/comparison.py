"""One number with what is needed to judge it: a distance, its floor under agreement, and how far above it lies.

The floor is what sampling alone would show if theory and experiment were the same law; ``z`` counts the excess in
standard deviations of that. Limits: ``z`` is a scale, not a probability (energy and moment distances are skewed under
agreement, so ``z = 4`` is rarer for total variation than for them); a comparison on bins cannot see inside a bin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.compare.distances import Distance, distance_named
from fpsim.compare.law import Law, Sample, Theory, check_points
from fpsim.compare.resample import bootstrap_spread, pooled_null
from fpsim.density import Density
from fpsim.errors import DomainError

__all__ = ["Comparison", "compare_density", "compare_samples"]

RNG = None | int | np.random.SeedSequence | np.random.Generator
Labels = NDArray[np.int64]

BAND_GROUPS = 200
"""Groups of independent points that are resampled together for the band."""

CLUSTER_GROUPS = 500
"""Largest number of groups of whole replicas that are resampled for a floor."""


@dataclass(frozen=True)
class Comparison:
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
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

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
        :mod:`fpsim.compare.partition`. Blocks expecting fewer than 10 points, and the outside, are one bin.
    rng : None, int, SeedSequence or Generator
        For the band only; the floor is not random.

    Raises
    ------
    DomainError
        If the samples have the wrong shape, are not finite (with their count), or are too few for the bins.
    ConfigError
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
    return _compare(kind, _independent(points), Theory(theory), observable, time, bins, details, rng)


def compare_samples(
    a: ArrayLike,
    b: ArrayLike,
    *,
    observable: str,
    distance: str = "total_variation",
    clusters: tuple[ArrayLike, ArrayLike] | None = None,
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
    ConfigError
        If the distance is unknown.
    """
    kind = distance_named(distance)
    names = (f"first samples of {observable}", f"second samples of {observable}")
    shaped = [np.asarray(x, np.float64) for x in (a, b)]
    if clusters is None and all(x.ndim == 3 for x in shaped):
        clusters = tuple(np.repeat(np.arange(len(x)), x.shape[1]) for x in shaped)  # type: ignore[assignment]
        shaped = [x.reshape(-1, x.shape[2]) for x in shaped]
    first, second = (check_points(x, what=what) for x, what in zip(shaped, names, strict=True))
    if first.shape[1] != second.shape[1]:
        raise DomainError(
            f"{names[0]} have {first.shape[1]} coordinates and the second {second.shape[1]}: equal numbers are accepted"
        )
    if clusters is None:
        left, right = _independent_pair(first, second)
    else:
        left, right = _clustered_pair(first, second, clusters, observable)
    details = {"replicas": (int(left.size), int(right.size)), "points": (len(first), len(second))}
    return _compare(kind, left, right, observable, time, bins, details, rng)


def _compare(
    kind: Distance,
    sample: Sample,
    reference: Law,
    observable: str,
    time: float,
    bins: int | tuple[int, ...] | None,
    details: dict[str, Any],
    rng: RNG,
) -> Comparison:
    generator = np.random.default_rng(rng)
    frame = kind.frame(sample, reference, bins)

    def functional(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        return kind.functional(p, q, frame)

    first = (kind.sums(sample, frame), _counts(sample))
    second = (
        kind.expected(reference, frame)
        if isinstance(reference, Theory)
        else (kind.sums(reference, frame), _counts(reference))
    )
    value = kind.value(sample, reference, frame)
    if value is None:
        q = second[0].sum(axis=0) / second[1].sum() if isinstance(second, tuple) else second
        value = float(functional(first[0].sum(axis=0) / first[1].sum(), q))
    null = None if sample.clustered else kind.null(sample, reference, frame)
    method = "closed form"
    if null is None:
        assert isinstance(second, tuple)
        null = pooled_null(functional, first, second, rng=generator)
        method = "bootstrap of whole replicas" if sample.clustered else "bootstrap"
    sd = bootstrap_spread(functional, first, second, rng=generator)
    band = (max(value - 1.96 * sd, 0.0), value + 1.96 * sd)
    return Comparison(observable, kind.name, value, *null, time, band, method, details | kind.describe(frame))


def _counts(sample: Sample) -> NDArray[np.float64]:
    return np.bincount(sample.labels, minlength=sample.groups).astype(np.float64)


def _independent(points: NDArray[np.float64], per_group: int | None = None) -> Sample:
    """Independent points dealt into groups that are resampled together."""
    size = per_group or -(-len(points) // BAND_GROUPS)
    groups = -(-len(points) // size)
    return Sample(points, np.arange(len(points)) % groups, groups, float(len(points)))


def _independent_pair(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[Sample, Sample]:
    """Two samples in groups of about equal size, as drawing groups from their pool needs."""
    size = max(1, -(-max(len(a), len(b)) // CLUSTER_GROUPS), min(len(a), len(b)) // BAND_GROUPS)
    return _independent(a, size), _independent(b, size)


def _clustered_pair(
    a: NDArray[np.float64], b: NDArray[np.float64], clusters: tuple[ArrayLike, ArrayLike], observable: str
) -> tuple[Sample, Sample]:
    replica: list[Labels] = []
    for points, labels in zip((a, b), clusters, strict=True):
        flat = np.asarray(labels).ravel()
        if flat.size != len(points):
            raise DomainError(f"clusters of {observable} name {flat.size} rows of {len(points)}: one each is accepted")
        replica.append(np.unique(flat, return_inverse=True)[1].astype(np.int64))
    count = [int(r.max()) + 1 for r in replica]
    if min(count) < 2:
        raise DomainError(f"clusters of {observable} have {count} replicas: at least 2 in each sample are accepted")
    size = -(-max(count) // CLUSTER_GROUPS)
    left, right = (
        Sample(points, r % (-(-n // size)), -(-n // size), float(n), clustered=True)
        for points, r, n in zip((a, b), replica, count, strict=True)
    )
    return left, right
