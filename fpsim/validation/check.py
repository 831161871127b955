"""One number that this machine computes, beside what it must be."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """A measured number, the exact one and how far apart they may lie.

    Attributes
    ----------
    name : str
        What is measured.
    measured, exact : float
        Dimensionless unless the name says otherwise.
    tolerance : float
        Largest accepted ``|measured - exact|``: the known error of the method at this resolution, or four standard
        errors of a simulation.
    source : str
        Where the exact number comes from.
    """

    name: str
    measured: float
    exact: float
    tolerance: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the two agree; a measured number that is not finite never does."""
        return math.isfinite(self.measured) and abs(self.measured - self.exact) <= self.tolerance
