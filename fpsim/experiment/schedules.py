"""Learning-rate schedules: immutable functions from steps to learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fpsim.support.checks import real_number, sequence, whole_number
from fpsim.support.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CosineDecay", "ExponentialDecay", "PiecewiseConstant"]


@dataclass(frozen=True)
class ExponentialDecay:
    """``eta_k = initial * exp(-rate * k)``, ``rate`` per step.

    Raises
    ------
    DomainError
        If a value is not a finite number, or ``initial`` not positive.
    """

    initial: float
    rate: float

    def __post_init__(self) -> None:
        _positive(self.initial, "initial")
        real_number(self.rate, "rate of a schedule")

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Learning rates of ``steps``."""
        return self.initial * np.exp(-self.rate * steps)


@dataclass(frozen=True)
class CosineDecay:
    """``eta_k`` falls from ``initial`` to ``final`` along half a cosine over ``steps`` steps, then stays.

    Raises
    ------
    DomainError
        If a rate is not a finite number >= 0, ``initial`` not positive or ``steps`` not a positive whole number.
    """

    initial: float
    final: float
    steps: int

    def __post_init__(self) -> None:
        _positive(self.initial, "initial")
        if real_number(self.final, "final of a schedule") < 0.0:
            raise DomainError(f"final of a schedule is {self.final}: zero or a positive number is accepted")
        whole_number(self.steps, "steps of a schedule", least=1)

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
        rates = tuple(real_number(r, "a rate of a schedule") for r in sequence(self.rates, "rates"))
        object.__setattr__(self, "rates", rates)
        bounds = tuple(whole_number(k, "a boundary", least=1) for k in sequence(self.boundaries, "boundaries"))
        object.__setattr__(self, "boundaries", bounds)
        if min(rates, default=0.0) < 0.0:
            raise DomainError(f"rates of a schedule are {rates}: zero or positive numbers are accepted")
        if len(self.rates) != len(self.boundaries) + 1 or any(np.diff(self.boundaries) <= 0):
            raise DomainError(
                f"schedule: {len(self.rates)} rates, boundaries {self.boundaries}; "
                "one rate more than boundaries, which increase, is accepted"
            )

    def __call__(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Learning rates of ``steps``."""
        return np.asarray(self.rates)[np.searchsorted(self.boundaries, steps, side="right")]


def _positive(value: float, key: str) -> None:
    if not real_number(value, f"{key} of a schedule") > 0.0:
        raise DomainError(f"{key} of a schedule is {value}: a positive number is accepted")
