"""Results of a single generator: values with errors of rounding and iteration, the grid's error left out and named.

Limits: how far a generator is from the continuum only a second grid shows (:mod:`fpsim.generator.analysis.grid_error`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.uncertainty.result import Result

__all__ = ["GRID_NOT_INCLUDED", "without_grid_error"]

GRID_NOT_INCLUDED = "error of rounding and iteration only, the grid's is not included: see with_grid_error"
"""Last words of the method text of every result of one generator."""


def without_grid_error(
    value: float | NDArray[np.float64],
    error: float | NDArray[np.float64],
    method: str,
    details: dict[str, Any] | None = None,
) -> Result:
    """``Result`` of an analysis of one generator, whose method text states that the grid's error is not included."""
    return Result(value, error, f"{method}; {GRID_NOT_INCLUDED}", details or {})
