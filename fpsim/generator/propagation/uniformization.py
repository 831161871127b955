"""Densities in time by uniformization: positive, conservative, exact up to a chosen Poisson tail.

With ``L = max_a (-Q[a, a])`` the matrix ``P = 1 + Q / L`` is a transition matrix, and

    exp(t Q) = sum_k  w_k P^k,      w_k = exp(-L t) (L t)^k / k!.

Every term is a positive sum, so nothing can go negative; weights are cut where they fall below ``tail`` and scaled to
sum to one, so mass is kept to rounding. One pass serves all times. What is absorbed is collected in the same pass, from
the flow through the walls, not as one minus the rest.

Limits: the work is ``L t`` terms, ``L`` about ``2 ndim D / h^2 + |b| / h``, of a quarter to half a nanosecond a cell
and offset. Where that is more than squaring costs (few cells, long times) the transition matrix of a short time is
squared instead, which is positive as well; on large grids and for ``L t`` beyond 1e6 expect minutes and a drift of mass
by rounding (some 1e-18 a term): ask for the stationary density or the slowest modes instead.

Reference: Grassmann, Comput. Oper. Res. 4, 47 (1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density
from fpsim.generator.analysis.grid_error import on_one_grid
from fpsim.generator.generator import Generator, of_generator
from fpsim.generator.propagation.dense_propagator import transition_matrix
from fpsim.generator.propagation.poisson_series import poisson_series, poisson_windows
from fpsim.support.checks import check_left, real_array
from fpsim.support.errors import DomainError
from fpsim.support.memory import check_memory
from fpsim.support.threads import Team
from fpsim.uncertainty.result import Result

__all__ = ["Evolution", "absorbed_mass", "check_times", "densities_at", "evolve", "propagate"]

Array = NDArray[np.float64]

_DENSE = 1900  # largest matrix that is squared: two of them are 58 MB
_ONE_MATRIX = 2.5e-4  # seconds that the smallest one takes


@dataclass(frozen=True, eq=False)
class Evolution:
    """States at the requested times, shape (times, size), and what was absorbed until then, shape (times,)."""

    states: Array
    absorbed: Array


@of_generator
def propagate(
    generator: Generator,
    density: Density,
    times: Sequence[float],
    *,
    tail: float = 1e-14,
    threads: int | None = None,
) -> tuple[Density, ...]:
    """Densities ``p(t) = exp(t Q^T) p`` at the given times.

    Parameters
    ----------
    generator : Generator
    density : Density
        At time 0, on the generator's grid.
    times : sequence of float
        Non-negative, not decreasing.
    tail : float, keyword-only
        Part of the Poisson sum that may be left out: a bound of the relative error of the time evolution (that of the
        grid is not included).
    threads : int, keyword-only
        Threads to use; all by default. The result does not depend on it.

    Raises
    ------
    DomainError
        If times are negative, decreasing or not finite, ``tail`` is not in (0, 1), the density lives on another grid,
        or all its mass has been absorbed by one of the times (the first is named).
    MemoryLimitError
        If the answer would not fit into memory.

    Notes
    -----
    Equation: Grassmann (1977), uniformization; see the module's docstring.
    """
    evolution = evolve(generator, generator.masses(density), times, tail=tail, threads=threads)
    return densities_at(generator, evolution.states, times)


@of_generator
def absorbed_mass(
    generator: Generator,
    density: Density,
    times: Sequence[float],
    *,
    tail: float = 1e-14,
    threads: int | None = None,
) -> Result:
    """Mass absorbed by the walls until each time, shape (times,).

    The density's mass at those times plus this is the mass at the start, to rounding; parameters and errors are those
    of :func:`propagate`.
    """
    masses = generator.masses(density)
    evolution = evolve(generator, masses, times, tail=tail, threads=threads)
    error = np.full(len(evolution.absorbed), tail * float(masses.sum()))
    return on_one_grid(evolution.absorbed, error, "uniformization, flow through absorbing walls")


def densities_at(generator: Generator, states: Array, times: Sequence[float]) -> tuple[Density, ...]:
    """Densities of cell masses at several times; ``DomainError`` if walls have absorbed everything by one of them."""
    for state, t in zip(states, np.atleast_1d(times), strict=True):
        check_left(state, t)
    return tuple(generator.density(state) for state in states)


def evolve(
    generator: Generator,
    start: Array,
    times: Sequence[float],
    *,
    tail: float,
    backward: bool = False,
    threads: int | None = None,
) -> Evolution:
    """Evolve flat cell masses (forward) or an observable (backward); see :func:`propagate`."""
    t = check_times(times)
    if not 0.0 < tail < 1.0:
        raise DomainError(f"tail is {tail}: a number between 0 and 1 is accepted")
    rate = generator.fastest
    if rate == 0.0:
        return Evolution(np.tile(start, (len(t), 1)), np.zeros(len(t)))
    if _squaring_pays(generator, rate, t):
        return _evolve_dense(generator, start, t, backward)
    words = len(t) + 2 * len(generator.links) + 8
    check_memory(8.0 * len(start) * words, f"a propagation of {len(start)} cells to {len(t)} times")
    stencil = generator.backward_stencil if backward else generator.forward_stencil
    with Team(threads) as team:
        states, absorbed = poisson_series(stencil, start, poisson_windows(rate * t, tail), team=team)
    return Evolution(states, absorbed)


def check_times(times: ArrayLike) -> Array:
    """Times as an array; ``DomainError`` unless finite, non-negative and not decreasing."""
    t = np.atleast_1d(real_array(times, "times"))
    if t.ndim != 1 or not len(t) or not (t[0] >= 0.0 and t[-1] < np.inf and (t[1:] >= t[:-1]).all()):
        raise DomainError(f"times are {np.array2string(t, threshold=6)}: finite, non-negative, not decreasing numbers")
    return t


def _squaring_pays(generator: Generator, rate: float, times: Array) -> bool:
    """Whether dense products cost less, from seconds per operation of either as measured."""
    size, offsets = generator.grid.size, len(generator.links)
    mean = rate * float(times[-1])
    terms = 5e-9 * (mean + 8.0 * mean**0.5) * (1.0 + offsets * (1.0 + 0.05 * size))
    if size > _DENSE or terms < _ONE_MATRIX:
        return False
    steps = np.unique(np.diff(times, prepend=0.0))
    lengths = rate * steps[steps > 0.0]
    short = _ONE_MATRIX + 1.2e-8 * (2.0 * offsets + 1.0) * size**2
    return bool(terms > lengths.size * short + 4e-11 * size**3 * np.log2(2.0 + 2.0 * lengths).sum())


def _evolve_dense(generator: Generator, start: Array, times: Array, backward: bool) -> Evolution:
    """Evolve through transition matrices of the steps between times; the last state is the absorbed one."""
    state = np.append(start, 0.0)
    known: dict[float, Array] = {}
    states, now = [], 0.0
    for t in times:
        step = float(t) - now
        if step > 0.0:
            if step not in known:
                known.clear()  # before there is another
                known[step] = transition_matrix(generator, step)
            state = known[step] @ state if backward else state @ known[step]
        states.append(state)
        now = float(t)
    table = np.array(states)
    return Evolution(table[:, :-1], np.zeros(len(times)) if backward else table[:, -1])
