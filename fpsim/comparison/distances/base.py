"""Interface of a distance: frame, features, functional and floor, for families of bins, thresholds and moments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.comparison.samples import Distribution, ExactDensity, Sample
from fpsim.support.errors import DomainError

__all__ = ["Distance"]

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Distance(ABC):
    """A distance between two laws as a function of their mean features.

    A *frame* (bins, thresholds, a centre) is fixed first; with it, features turn each point into numbers, and the
    distance is ``functional(mean features, mean features)``. Resampling needs nothing else. Where a library computes
    the distance of points directly, ``value`` does so; where a closed form of the floor exists, ``null`` answers it.
    """

    name: str
    squared: bool = field(default=False, kw_only=True)
    """Whether the distance is quadratic in a small difference, so that its root is what adds up along a path."""

    @abstractmethod
    def frame(self, sample: Sample, reference: Distribution, bins: Any) -> Any:
        """Fix bins, thresholds or centre for this pair of laws."""

    @abstractmethod
    def sums(self, points: Array, labels: Labels, groups: int, frame: Any) -> Array:
        """Sums of the features over the points of every group, shape (groups, features)."""

    @abstractmethod
    def expected(self, theory: ExactDensity, frame: Any) -> Array:
        """Mean features of a theory, shape (features,)."""

    @abstractmethod
    def functional(self, p: Array, q: Array, frame: Any) -> Array:
        """Distance of mean features ``p`` (..., features) from ``q``, shape (...)."""

    @abstractmethod
    def value(self, sample: Sample, reference: Distribution, frame: Any) -> float | None:
        """Distance of the points themselves, or ``None`` where the features are used."""

    @abstractmethod
    def null(self, sample: Sample, reference: Distribution, frame: Any) -> tuple[float, float] | None:
        """Floor and spread in closed form for independent points, or ``None``."""

    @abstractmethod
    def describe(self, frame: Any) -> dict[str, Any]:
        """What was chosen, for the record."""

    def common(self, first: Sample, last: Distribution, _size: float, bins: Any) -> Any:
        """A frame for a chain of laws that begins and ends with these, the smallest sample having ``size`` replicas."""
        return self.frame(first, last, bins)

    def without_bins(self, bins: Any) -> None:
        """Refuse bins given to a distance that has none."""
        if bins is not None:
            raise DomainError(f"bins is {bins} with distance {self.name!r}: only histogram distances have bins")
