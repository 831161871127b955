"""Uniformization: positive, conservative, exact up to a chosen Poisson tail.

With ``L = max_a (-Q[a, a])`` the matrix ``P = 1 + Q / L`` is a transition matrix, and

    exp(t Q) = sum_k  w_k P^k,      w_k = exp(-L t) (L t)^k / k!.

Every term is a positive sum, so nothing can go negative; weights are cut where they fall below ``tail`` and scaled to
sum to one, so mass is kept to rounding. One pass serves all times. What is absorbed is collected in the same pass, from
the flow through the walls, not as one minus the rest.

Limits: the work is ``L t`` terms, ``L`` about ``2 ndim D / h^2 + |b| / h``, of a quarter to half a nanosecond a cell
and offset. For ``L t`` beyond 1e6 expect minutes and a drift of mass by rounding (some 1e-18 a term); few cells are
faster by :mod:`fpsim.generator.propagation.dense_propagator`, and for very long times the stationary density and the
slowest modes are the better tools.

Reference: Grassmann, Comput. Oper. Res. 4, 47 (1977).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.generator.generator import Generator
from fpsim.generator.propagation.poisson_series import poisson_series, poisson_windows
from fpsim.support.memory import check_memory
from fpsim.support.threads import Team

__all__ = ["uniformize"]

Array = NDArray[np.float64]


def uniformize(
    generator: Generator,
    start: Array,
    times: Array,
    *,
    tail: float,
    backward: bool = False,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """States at the times and what was absorbed until then, of flat cell masses (forward) or an observable (backward).

    Parameters
    ----------
    generator : Generator
        With a jump rate above zero.
    start : ndarray, shape (size,)
    times : ndarray, shape (T,)
        Finite, non-negative, not decreasing (checked by the caller).
    tail : float, keyword-only
        Part of the Poisson sum that may be left out, in (0, 1).

    Returns
    -------
    states : ndarray, shape (T, size)
    absorbed : ndarray, shape (T,)

    Raises
    ------
    MemoryLimitError
        If the result would not fit into memory.
    """
    words = len(times) + 2 * len(generator.links) + 8
    check_memory(8.0 * len(start) * words, f"a propagation of {len(start)} cells to {len(times)} times")
    stencil = generator.backward_stencil if backward else generator.forward_stencil
    windows = poisson_windows(generator.fastest * times, tail)
    with Team(threads) as team:
        return poisson_series(stencil, start, windows, team=team)
