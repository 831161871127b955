"""Cell masses at several times, and the densities they are of.

Promises: times are finite, non-negative and not decreasing, or refused; a density without mass is refused by its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density
from fpsim.generator.generator import Generator
from fpsim.support.checks import check_left, real_array
from fpsim.support.errors import DomainError

__all__ = ["PropagatedMasses", "checked_times", "densities_of"]

Array = NDArray[np.float64]


class PropagatedMasses(NamedTuple):
    """Cell masses (or values of an observable) at several times.

    Attributes
    ----------
    states : ndarray, shape (times, size)
        None negative if they are masses.
    absorbed : ndarray, shape (times,)
        Mass that the walls have absorbed until then; zero of an observable.
    error : ndarray, shape (times,)
        Estimated L1 error of both relative to the mass at the start (of an observable: to its largest modulus).
    """

    states: Array
    absorbed: Array
    error: Array


def checked_times(times: ArrayLike) -> Array:
    """Times as an array; ``DomainError`` unless finite, non-negative and not decreasing."""
    t = np.atleast_1d(real_array(times, "times"))
    if t.ndim != 1 or not len(t) or not (t[0] >= 0.0 and t[-1] < np.inf and (t[1:] >= t[:-1]).all()):
        raise DomainError(
            f"times are {np.array2string(t, threshold=6)}: finite, non-negative, not decreasing numbers are accepted"
        )
    return t


def densities_of(generator: Generator, states: Array, times: Sequence[float] | Array) -> tuple[Density, ...]:
    """Densities of cell masses at several times; ``DomainError`` if walls have absorbed everything by one of them."""
    for state, t in zip(states, np.atleast_1d(times), strict=True):
        check_left(state, t)
    return tuple(generator.density(state) for state in states)
