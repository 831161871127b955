"""Results: a computed quantity with its estimated error and the method that gave both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.support.immutable import Immutable, read_only_mapping

__all__ = ["Result"]


@dataclass(frozen=True)
class Result(Immutable):
    """A value, its estimated absolute error and the method that gave both.

    Attributes
    ----------
    value : float or ndarray
        The computed quantity.
    error : float or ndarray
        Estimated absolute error of what ``method`` names: for deterministic methods the difference between two
        resolutions or a bound, for statistics one standard error. ``nan`` where no estimate exists. What it leaves out,
        as analyses of one generator leave out the grid, ``method`` says.
    method : str
        What was done, in words.
    details : mapping
        Anything else worth keeping (iterations, residuals, times), read-only.
    """

    value: float | NDArray[np.float64]
    error: float | NDArray[np.float64]
    method: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", read_only_mapping(self.details))

    def __repr__(self) -> str:
        if np.ndim(self.value) == 0:
            return f"Result({float(self.value):.6g} +- {float(np.max(self.error)):.1g}, {self.method!r})"
        return f"Result(shape={np.shape(self.value)}, error<={np.nanmax(self.error):.1g}, {self.method!r})"
