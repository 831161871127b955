"""Evaluation of a distance in one frame: value, floor, spread and the value's own standard deviation."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances import Distance
from fpsim.comparison.resample import exchanged_null, pooled_null, standard_deviation
from fpsim.comparison.samples import Distribution, ExactDensity, Sample

__all__ = ["Evaluation", "evaluate_distance"]

Array = NDArray[np.float64]

_BAND_GROUPS = 200
_POOL_GROUPS = 500  # of each sample


class Evaluation(NamedTuple):
    """What a distance shows, what it would show under agreement, and how well it is known."""

    value: float
    floor: float
    spread: float
    error: float
    method: str


def evaluate_distance(
    kind: Distance,
    first: Distribution,
    second: Distribution,
    frame: Any,
    *,
    rng: np.random.Generator,
    library: bool = True,
    band: bool = True,
    paired: bool = False,
) -> Evaluation:
    """Distance of ``first`` from ``second`` in a frame, with its floor.

    Parameters
    ----------
    first, second : Distribution
        A sample and a theory, two samples, or two theories (then nothing is random, and the floor is zero).
    frame : object
        What ``kind.frame`` answered.
    library : bool
        Compute the distance of the points themselves where a library does; otherwise from the features of the frame.
    band : bool
        Resample the value for its own standard deviation (``nan`` otherwise).
    paired : bool
        Whether replica ``i`` of both samples shares its random numbers; floor and spread then come from exchanging the
        two within pairs.
    """

    def functional(p: Array, q: Array) -> Array:
        return kind.functional(p, q, frame)

    if isinstance(first, ExactDensity):
        if isinstance(second, ExactDensity):
            value = float(functional(kind.expected(first, frame), kind.expected(second, frame)))
            return Evaluation(value, 0.0, 0.0, 0.0, "no sampling")
        first, second = second, first
    groups = _BAND_GROUPS if band else 1
    grouped = _in_groups(kind, first, frame, groups)
    other = (
        kind.expected(second, frame) if isinstance(second, ExactDensity) else _in_groups(kind, second, frame, groups)
    )
    value_of_points = kind.value(first, second, frame) if library and not paired else None
    if value_of_points is None:
        means = [g[0].sum(axis=0) / g[1].sum() if isinstance(g, tuple) else g for g in (grouped, other)]
        value_of_points = float(functional(*means))
    null, method = (None, "") if first.clustered or paired else (kind.null(first, second, frame), "closed form")
    if paired:
        assert isinstance(second, Sample)
        pair = (_in_groups(kind, sample, frame, _POOL_GROUPS) for sample in (first, second))
        null, method = exchanged_null(functional, *pair, rng=rng), "exchange within pairs of replicas"
    elif null is None:
        assert isinstance(second, Sample)
        null = pooled_null(functional, *_pool(kind, first, second, frame), rng=rng)
        method = "bootstrap of whole replicas" if first.clustered else "bootstrap"
    error = standard_deviation(functional, grouped, other, rng=rng, paired=paired) if band else math.nan
    return Evaluation(value_of_points, *null, error, method)


def _in_groups(kind: Distance, sample: Sample, frame: Any, most: int) -> tuple[Array, Array]:
    """Feature sums and points of about equal groups of whole replicas."""
    groups = int(min(sample.size, most))
    labels = sample.replica % groups
    return kind.sums(sample.points, labels, groups, frame), np.bincount(labels, minlength=groups).astype(np.float64)


def _pool(kind: Distance, a: Sample, b: Sample, frame: Any) -> tuple[Array, Array, tuple[int, int]]:
    """Groups of equally many replicas of both samples, and how many of them make up each sample."""
    unit = int(max(1, min(-(-max(a.size, b.size) // _POOL_GROUPS), min(a.size, b.size) // 50)))
    sums, counts = [], []
    for sample in (a, b):
        groups = int(min(sample.size // unit, _POOL_GROUPS))
        kept = sample.replica < groups * unit
        labels = sample.replica[kept] // unit
        sums.append(kind.sums(sample.points[kept], labels, groups, frame))
        counts.append(np.bincount(labels, minlength=groups).astype(np.float64))
    draws = (max(1, round(a.size / unit)), max(1, round(b.size / unit)))
    return np.concatenate(sums), np.concatenate(counts), draws
