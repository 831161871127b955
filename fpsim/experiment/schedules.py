"""Learning-rate schedules: immutable functions from steps to learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CosineDecay", "ExponentialDecay", "PiecewiseConstant"]


@dataclass(frozen=True)
class ExponentialDecay:
    """``eta_k = initial * exp(-rate * k)``, ``rate`` per step."""

    initial: float
    rate: float

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Learning rates of ``steps``."""
        return self.initial * np.exp(-self.rate * steps)


@dataclass(frozen=True)
class CosineDecay:
    """``eta_k`` falls from ``initial`` to ``final`` along half a cosine over ``steps`` steps, then stays."""

    initial: float
    final: float
    steps: int

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Learning rates of ``steps``."""
        done = np.minimum(steps / self.steps, 1.0)
        return self.final + 0.5 * (self.initial - self.final) * (1.0 + np.cos(math.pi * done))


@dataclass(frozen=True)
class PiecewiseConstant:
    """``eta_k = rates[i]`` for ``boundaries[i - 1] <= k < boundaries[i]``.

    Raises
    ------
    DomainError
        If there is not one rate more than boundaries, or the boundaries do not increase.
    """

    rates: tuple[float, ...]
    boundaries: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.boundaries) + 1 or any(np.diff(self.boundaries) <= 0):
            raise DomainError(
                f"schedule: {len(self.rates)} rates, boundaries {self.boundaries}; "
                "one rate more than boundaries, which increase, is accepted"
            )

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Learning rates of ``steps``."""
        return np.asarray(self.rates)[np.searchsorted(self.boundaries, steps, side="right")]
