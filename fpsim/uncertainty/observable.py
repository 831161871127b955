"""Observables: one number for each of many independent draws, with the sampling errors of what is said about them.

The draws are replicas of an ensemble or points of a density. Errors are those of the sampling alone, of a finite number
of independent draws; points of a Gaussian mixture are not independent beyond the number of its components, and the
error of the density itself comes on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.checks import real_array, shown, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable
from fpsim.uncertainty.result import Result

__all__ = ["Observable"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Observable(Immutable):
    """Values of an observable, one for each network.

    Attributes
    ----------
    values : ndarray, shape (R, ...)
        Finite; the first axis counts networks.
    independent : int, optional
        Independent draws among them; all by default.

    Raises
    ------
    DomainError
        If there are fewer than two values or one is not finite.
    """

    values: Array = field(repr=False)
    independent: int | None = None

    def __post_init__(self) -> None:
        values = np.array(real_array(self.values, "values of an observable"))
        if values.ndim == 0 or len(values) < 2 or not np.isfinite(values).all():
            raise DomainError(
                f"values of an observable have shape {values.shape}: finite ones of at least two networks are accepted"
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)
        count = len(values) if self.independent is None else whole_number(self.independent, "independent", least=1)
        object.__setattr__(self, "independent", min(count, len(values)))

    @property
    def _count(self) -> int:
        return len(self.values) if self.independent is None else self.independent

    @property
    def mean(self) -> Result:
        """Mean with its standard error."""
        error = self.values.std(axis=0, ddof=1) / np.sqrt(self._count)
        return Result(self.values.mean(axis=0), error, f"mean of {self._count} independent draws")

    @property
    def std(self) -> Result:
        """Standard deviation with its standard error (from the fourth moment)."""
        centred = self.values - self.values.mean(axis=0)
        variance = np.mean(centred**2, axis=0)
        fourth = np.mean(centred**4, axis=0)
        spread = np.sqrt(np.maximum(fourth - variance**2, 0.0) / self._count)
        std = np.sqrt(variance)
        error = spread / (2.0 * np.maximum(std, 1e-300)) * (std > 0.0)
        return Result(std, error, f"standard deviation of {self._count} independent draws")

    def quantiles(self, levels: ArrayLike) -> Result:
        """Quantiles (L, ...) at levels (L,) in (0, 1), with half the width of their one-sigma interval.

        The interval is that of order statistics, ``q +- sqrt(q (1 - q) / R)``, which asks nothing of the distribution.

        Raises
        ------
        DomainError
            If a level is not in (0, 1).
        """
        q = np.atleast_1d(real_array(levels, "levels"))
        if q.ndim != 1 or not ((q > 0.0) & (q < 1.0)).all():
            raise DomainError(f"levels are {shown(levels)}: numbers in (0, 1) are accepted")
        reach = np.sqrt(q * (1.0 - q) / self._count)
        low, middle, high = (
            np.quantile(self.values, np.clip(at, 0.0, 1.0), axis=0) for at in (q - reach, q, q + reach)
        )
        return Result(middle, 0.5 * (high - low), f"quantiles of {self._count} independent draws")
