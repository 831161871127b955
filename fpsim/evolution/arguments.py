"""Validated arguments of `evolve`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

__all__ = ["Arguments", "Method", "Progress"]

Array = NDArray[np.float64]
Method = Literal["auto", "sweeps", "generator", "rational"]
Progress = Callable[[float], None]

METHODS = ("auto", "sweeps", "generator", "rational")


@dataclass(frozen=True, eq=False)
class Arguments:
    """Arguments of an evolution but equations and densities; see :func:`fpsim.evolution.evolve`.

    Raises
    ------
    DomainError
        If times are not finite, increasing and >= 0, the tolerance is not between 0 and 1, or there is no such method.
    """

    times: Array
    tolerance: float
    method: Method
    progress: Progress | None
    estimate_grid_error: bool
    follow: bool = False

    def __post_init__(self) -> None:
        when = np.array(real_array(self.times, "times"), ndmin=1)
        if when.ndim != 1 or when.size == 0:
            raise DomainError(f"times have shape {when.shape}: a number or a non-empty sequence is accepted")
        before = -1.0
        for k, value in enumerate(when.tolist()):
            if not (value >= 0.0 and before < value < inf):
                raise DomainError(f"times[{k}] is {value:g}: finite, increasing times >= 0 are accepted")
            before = value
        object.__setattr__(self, "times", when)
        try:
            accepted = 0.0 < self.tolerance < 1.0
        except (TypeError, ValueError):
            accepted = False
        if not accepted:
            raise DomainError(f"tolerance is {self.tolerance!r}: a number between 0 and 1 is accepted")
        if self.method not in METHODS:
            elsewhere = "; FiPy is fpsim.validation.fipy.evolve_fipy" if str(self.method) == "fipy" else ""
            raise DomainError(f"method {self.method!r}: accepted are {', '.join(METHODS)}{elsewhere}")

    @property
    def end(self) -> float:
        """The last time."""
        return float(self.times[-1])
