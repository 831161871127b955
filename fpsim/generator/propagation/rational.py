"""Rational approximation of the propagator along one axis: few tridiagonal solves, however stiff and however long.

``p(t) = exp(t Q^T) p`` goes in steps ``r(h Q^T) p`` with the approximations of
:mod:`fpsim.generator.propagation.rational_approximation`: ``m`` solves with the tridiagonal M-matrix
``1 - (h / x) Q^T``. What diffuses takes one step of 8 to 36 solves to any time; only transport over many widths of the
density limits steps. What walls absorb lies in one more cell at either end.

Promises:

- *mass*: survival and what was absorbed sum to the mass at the start, to rounding, and nothing is ever scaled to it;
- *no value is negative*: where the approximation makes one negative, the deficit is carried to the next cells that have
  mass, to the right first, what is then left to the left. This changes the density by twice the negative mass, exactly,
  which is part of the error stated; as the true density is not negative, it at most triples the error;
- *error*: ``exp(t Q^T)`` contracts in L1, so errors of steps add up at most. That of a step is estimated by 1.5 times
  the difference to the approximation of two degrees less, plus the error of the fit times how far the step goes.

The tolerance is of L1 error by mass, over the whole evolution. Results are the same bits on repetition; there are no
threads.

Limits: the error is an estimate, not a bound. Far below the peak the logarithm of a density is not right, and values
may be zero (uniformization keeps tails); what survives is noise once it is less than the error.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.generator.generator import Generator
from fpsim.generator.propagation.rational_approximation import ApproximationFamily
from fpsim.generator.propagation.rational_kernels import apply_rational, distance, factor, mend
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError, ToleranceError
from fpsim.support.memory import check_memory

__all__ = ["TOLERANCES", "BirthDeathChain", "RationalPropagation", "birth_death_chain", "propagate_chain"]

Array = NDArray[np.float64]

TOLERANCES = (1e-10, 0.1)
"""Smallest and largest tolerance that is accepted."""

_UNCHECKED = 1 << 20  # numbers of a result for which the machine's memory need not be looked up
_SMALLEST = 1e-3  # step by the fastest time scale at which no approximation has an error above rounding
# Added to every mass before a step: where there is none, sums would end in subnormal numbers, which take fifty times as
# long. Too little to change any digit of the mass.
_TINY = 1e-270


class BirthDeathChain(NamedTuple):
    """Rates of a generator along one axis, with one more cell at either end that keeps what it gets.

    Attributes
    ----------
    rates : ndarray, shape (2, n + 2)
        To the left and to the right neighbour (1 / time).
    fastest : float
        Largest rate of leaving a cell.
    """

    rates: Array
    fastest: float


class RationalPropagation(NamedTuple):
    """Cell masses at several times.

    Attributes
    ----------
    states : ndarray, shape (times, n)
        Masses, none negative.
    absorbed : ndarray, shape (times,)
        Mass that the walls have absorbed until then.
    error : ndarray, shape (times,)
        Estimated L1 error of both by the mass at the start, mending of negative masses included.
    solves : int
        Tridiagonal systems solved.
    """

    states: Array
    absorbed: Array
    error: Array
    solves: int


class _Output(NamedTuple):
    """Arrays that the kernel fills."""

    states: Array
    absorbed: Array
    error: Array


def birth_death_chain(generator: Generator) -> BirthDeathChain:
    """Rates of a generator as :func:`propagate_chain` takes them.

    Raises
    ------
    DomainError
        If the generator has more than one axis, or a periodic one.
    """
    grid = generator.grid
    if grid.ndim != 1 or grid.periodic(0):
        what = "has a periodic axis" if grid.ndim == 1 else f"has {grid.ndim} axes"
        raise DomainError(
            f"the generator {what}: for the rational method one axis that is not periodic is accepted; other methods "
            "take any"
        )
    rates = np.zeros((2, grid.size + 2))
    for link in generator.links:
        rates[0, link.head + 1] += link.backward
        rates[1, link.tail + 1] += link.forward
    for (_, side), rate in generator.absorption.items():
        rates[side, 1:-1] += rate
    return BirthDeathChain(rates, float(rates.sum(axis=0).max()))


def propagate_chain(chain: BirthDeathChain, start: Array, times: Array, *, tolerance: float) -> RationalPropagation:
    """Propagate cell masses.

    Parameters
    ----------
    chain : BirthDeathChain
    start : ndarray, shape (n,)
        Masses at time 0, not negative.
    times : ndarray, shape (T,)
        Finite, non-negative, not decreasing (checked by the caller).
    tolerance : float, keyword-only
        Accepted L1 error up to the last time, relative to the mass, 1e-10 ... 0.1; the estimate keeps to it. Not
        included is the mending of negative values, which is of the error's size at most.

    Raises
    ------
    DomainError
        If the tolerance is out of range.
    MemoryLimitError
        If the result would not fit into memory.
    ToleranceError
        If the tolerance cannot be met.
    """
    least, most = TOLERANCES
    if not least <= tolerance <= most:
        raise DomainError(f"tolerance is {tolerance:g}: a number between {least:g} and {most:g} is accepted")
    t, n = np.asarray(times, np.float64), start.size
    if n * t.size > _UNCHECKED:
        check_memory(8.0 * (n + 2) * (t.size + 13), f"an evolution of {n} cells to {t.size} times")
    t, masses, family = t.copy(), np.array(start, np.float64), _family()  # one compiled kernel: writable, contiguous
    output = _Output(np.empty((t.size, n)), np.empty(t.size), np.empty(t.size))
    while True:
        solves, missing, stuck = _propagate(chain, masses, t, tolerance, family.table, output)
        if missing < 0:
            break
        family.require(missing)  # and again from the start: once per level and process
    if stuck > 0.0:
        raise ToleranceError(
            f"a step of {stuck:.3g} cannot be computed within its share of the tolerance {tolerance:g} (fastest rate "
            f"{chain.fastest:.3g}), nor can shorter ones: a larger tolerance or a shorter time is accepted; "
            "uniformization has no tolerance in time"
        )
    return RationalPropagation(*output, solves)


@cache
def _family() -> ApproximationFamily:
    return ApproximationFamily()


@njit(cache=True, nogil=True)
def _propagate(chain, start, times, tolerance, table, output):  # type: ignore[no-untyped-def]
    """Fill the output; return solves, a level that has to be fitted or -1, a hopeless step or 0.

    A step may use its share of the time or a tenth of what is left of the tolerance, whichever is more: the sum of all
    errors then stays below the tolerance. Where an error is too large the degree is raised, by little if it nearly
    fits (two more divide it by four to eight), otherwise to the highest, which is the cheapest for transport; then the
    step is divided.
    """
    rates, fastest = chain
    degrees, poles, coefficients, errors = table
    states, absorbed, error = output
    n = start.size + 2
    now, new, gap, v, y = np.zeros(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    factors = np.empty((6, n))
    mass = 0.0
    for i in range(n - 2):
        now[i + 1] = start[i]
        mass += start[i]
    least = 1e-12 * mass  # rounding
    t, spent, solves, end = 0.0, 0.0, 0, times[-1]
    too_long, streak, top = np.inf, 0, degrees.size - 1
    # the cheapest degree for what needs one step
    level = min(max(int(np.ceil(-0.2 - 1.4 * np.log10(tolerance))), 0), top)
    step, shift = end, -1.0
    for k in range(times.size):
        while t < times[k] and mass > 0.0:
            if np.isnan(errors[level]):
                return solves, level, 0.0
            count = np.ceil((times[k] - t) / step * (1.0 - 1e-9))
            h = (times[k] - t) / count
            if abs(h / poles[level] - shift) > 1e-12 * shift:
                shift = h / poles[level]
                factor(rates, shift, factors)
            for i in range(1, n - 1):
                now[i] += _TINY
            found = 1.5 * apply_rational(factors, now, coefficients[level, :, : degrees[level] + 1], v, y, new, gap)
            found += errors[level] * distance(new, now)
            solves += degrees[level]
            excess = found / max((tolerance * mass - spent) * max(h / (end - t), 0.1), least)
            if not excess <= 1.0:
                if level < top and excess > 1.0:
                    level = min(level + (1 if excess < 5.0 else 2), top) if excess < 25.0 else top
                    continue
                if not excess < np.inf or h * fastest < _SMALLEST or t + h == t:
                    return solves, -1, h
                too_long, streak, step = h, 0, h * (0.5 if excess < 100.0 else 0.25)
                continue
            now, new = new, now
            spent += found
            t = times[k] if count == 1.0 else t + h
            streak += 1
            if excess < 0.02 or (excess < 0.5 and (streak > 2 or 2.0 * h < too_long)):
                step = max(step, h * (2.0 if excess > 1e-4 else 8.0))
        moved = mend(now, new)
        for i in range(n - 2):
            states[k, i] = new[i + 1]
        absorbed[k] = new[0] + new[n - 1]
        error[k] = (spent + 2.0 * moved) / mass if mass > 0.0 else 0.0
    return solves, -1, 0.0
