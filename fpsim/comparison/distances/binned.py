"""Distances of histograms: a sum over bins of a function of two frequencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.distances.base import Distance
from fpsim.comparison.floors import binned_floor, root_floor
from fpsim.comparison.partition import GridPartition, Partition, partition_density, partition_samples
from fpsim.comparison.samples import Distribution, ExactDensity, Sample

__all__ = ["Binned", "BinnedFrame"]

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BinnedFrame:
    """Bins, and what is added to every frequency of a reference sample so that none is zero."""

    partition: Partition
    epsilon: float = 0.0


@dataclass(frozen=True)
class Binned(Distance):
    """``outer(sum_i summand(p_i, q_i))`` with ``outer`` the identity or the square root.

    Parameters
    ----------
    summand : callable
        Contribution of one bin, of (sample frequency, reference frequency), broadcasting.
    root : bool
        Whether the square root of the sum is taken.
    positive : bool
        Whether the reference must be positive: a reference sample then counts half a point more in every bin.
    """

    summand: Callable[[Array, Array], Array]
    root: bool = False
    positive: bool = False

    def frame(self, sample: Sample, reference: Distribution, bins: Any) -> BinnedFrame:
        """Bins of the theory's grid, or median splits of both samples."""
        if isinstance(reference, ExactDensity):
            return BinnedFrame(partition_density(reference.density, sample.size, bins))
        count = min(sample.size, reference.size)
        tree = partition_samples(sample.points, reference.points, count, bins)
        return BinnedFrame(tree, 0.5 / len(reference.points) if self.positive else 0.0)

    def sums(self, points: Array, labels: Labels, groups: int, frame: BinnedFrame) -> Array:
        """Points of every group in every bin."""
        size = frame.partition.size
        cell = labels * size + frame.partition.locate(points)
        return np.bincount(cell, minlength=groups * size).reshape(groups, size).astype(np.float64)

    def expected(self, theory: ExactDensity, frame: BinnedFrame) -> Array:
        """Bin probabilities of a theory."""
        return frame.partition.probabilities(theory)

    def functional(self, p: Array, q: Array, frame: BinnedFrame) -> Array:
        """Distance of frequencies."""
        q = (q + frame.epsilon) / (1.0 + frame.partition.size * frame.epsilon)
        total = np.maximum(self.summand(p, q).sum(axis=-1), 0.0)
        return np.sqrt(total) if self.root else total

    def value(self, _sample: Sample, _reference: Distribution, _frame: BinnedFrame) -> None:
        """Frequencies are all there is."""

    def null(self, sample: Sample, reference: Distribution, frame: BinnedFrame) -> tuple[float, float]:
        """Exact law of every bin count."""
        n = float(len(sample.points))
        if isinstance(reference, ExactDensity):
            mean, sd = binned_floor(self.summand, self.expected(reference, frame), n, epsilon=frame.epsilon)
        else:
            others = float(len(reference.points))
            cells = frame.partition.locate(np.concatenate((sample.points, reference.points)))
            pool = np.bincount(cells, minlength=frame.partition.size).astype(np.float64)
            mean, sd = binned_floor(self.summand, pool / (n + others), n, others, frame.epsilon)
        return root_floor(mean, sd) if self.root else (mean, sd)

    def common(self, first: Sample, last: Distribution, size: float, bins: Any) -> BinnedFrame:
        """Cells of equal count of both ends pooled, so that a narrow theory and a wide experiment are both resolved.

        They may be empty in other samples: where that would be infinite, half a point is added to each.
        """
        fewest = min(len(first.points), len(last.points))
        a, b = (law.points[:: len(law.points) // fewest] for law in (first, last))
        return BinnedFrame(partition_samples(a, b, size, bins), 0.5 / size if self.positive else 0.0)

    def describe(self, frame: BinnedFrame) -> dict[str, Any]:
        """Number and kind of the bins."""
        if isinstance(frame.partition, GridPartition):
            blocks = "x".join(str(e.size - 1) for e in frame.partition.edges)
            return {"bins": frame.partition.size, "binning": f"blocks of the theory's grid ({blocks}) and one rest"}
        return {"bins": frame.partition.size, "binning": "median splits of the pooled sample"}
