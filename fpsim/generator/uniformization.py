"""Densities in time by uniformization: positive, conservative, exact up to a chosen Poisson tail.

With ``L = max_a (-Q[a, a])`` the matrix ``P = 1 + Q / L`` is a transition matrix, and

    exp(t Q) = sum_k  w_k P^k,      w_k = exp(-L t) (L t)^k / k!.

Every term is a positive sum, so nothing can go negative; weights are cut where they fall below ``tail`` and scaled to
sum to one, so mass is kept to rounding. One pass serves all times. What is absorbed is collected in the same pass, from
the flow through the walls, not as one minus the rest.

Limits: the work is ``L t`` matrix-vector products, ``L`` about ``2 ndim D / h^2 + |b| / h``. Where that is more than
squaring costs (few cells, long times) the transition matrix of a short time is squared instead, which is positive as
well; on large grids and for ``L t`` beyond 1e6 expect minutes and a drift of mass by rounding (some 1e-18 a product):
ask for the stationary density or the slowest modes instead.

Reference: Grassmann, Comput. Oper. Res. 4, 47 (1977); Fox & Glynn, Commun. ACM 31, 440 (1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from fpsim.density import Density
from fpsim.errors import DomainError
from fpsim.generator.generator import Generator
from fpsim.generator.squaring import transition_matrix
from fpsim.result import Result

__all__ = ["Evolution", "absorbed_mass", "check_times", "evolve", "poisson_weights", "propagate"]

Array = NDArray[np.float64]

_DENSE = 2048  # largest matrix that is squared
_TINY = 1e-290


@dataclass(frozen=True, eq=False)
class Evolution:
    """States at the requested times, shape (times, size), and what was absorbed until then, shape (times,)."""

    states: Array
    absorbed: Array


def propagate(
    generator: Generator, density: Density, times: Sequence[float], *, tail: float = 1e-14
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

    Raises
    ------
    DomainError
        If times are negative, decreasing or not finite, ``tail`` is not in (0, 1), the density lives on another grid,
        or all its mass has been absorbed.

    Notes
    -----
    Equation: Grassmann (1977), uniformization; see the module's docstring.
    """
    evolution = evolve(generator, generator.masses(density), times, tail=tail)
    return tuple(generator.density(state) for state in evolution.states)


def absorbed_mass(generator: Generator, density: Density, times: Sequence[float], *, tail: float = 1e-14) -> Result:
    """Mass absorbed by the walls until each time, shape (times,).

    The density's mass at those times plus this is the mass at the start, to rounding; parameters and errors are those
    of :func:`propagate`.
    """
    masses = generator.masses(density)
    evolution = evolve(generator, masses, times, tail=tail)
    error = np.full(len(evolution.absorbed), tail * float(masses.sum()))
    return Result(evolution.absorbed, error, "uniformization, flow through absorbing walls")


def evolve(
    generator: Generator, start: Array, times: Sequence[float], *, tail: float, backward: bool = False
) -> Evolution:
    """Evolve flat cell masses (forward) or an observable (backward); see :func:`propagate`."""
    t = check_times(times)
    if not 0.0 < tail < 1.0:
        raise DomainError(f"tail is {tail}: a number between 0 and 1 is accepted")
    rate = float(generator.exit_rates.max())
    if rate == 0.0:
        return Evolution(np.tile(start, (len(t), 1)), np.zeros(len(t)))
    if _squaring_pays(generator, rate, t):
        return _evolve_dense(generator, start, t, backward)
    matrix = generator.jumps if backward else csr_array(generator.jumps.T)
    matrix.sort_indices()
    windows = [poisson_weights(rate * value, tail) for value in t]
    first = np.array([w[0] for w in windows])
    begins = np.cumsum([0] + [len(w[1]) for w in windows])
    weights = np.concatenate([w[1] for w in windows])
    states, absorbed = np.zeros((len(t), len(start))), np.zeros(len(t))
    _uniformize(
        matrix.indptr,
        matrix.indices,
        matrix.data / rate,
        np.maximum(1.0 - generator.exit_rates / rate, 0.0),
        generator.outflow / rate,
        np.array(start, float),
        first,
        begins,
        weights,
        states,
        absorbed,
    )
    return Evolution(states, absorbed)


def check_times(times: ArrayLike) -> Array:
    """Times as an array; ``DomainError`` unless finite, non-negative and not decreasing."""
    t = np.atleast_1d(np.asarray(times, float))
    if t.ndim != 1 or not len(t) or not np.isfinite(t).all() or t[0] < 0.0 or (np.diff(t) < 0.0).any():
        raise DomainError(f"times are {np.array2string(t, threshold=6)}: finite, non-negative, not decreasing numbers")
    return t


def poisson_weights(mean: float, tail: float) -> tuple[int, Array]:
    """First index and weights of the Poisson law, cut at relative height ``tail`` and scaled to sum to one."""
    mode = int(mean)
    width = int(9.0 * np.sqrt(mean * max(1.0, -np.log10(tail) / 14.0))) + 60
    down = np.cumprod(np.arange(mode, max(mode - width, 0), -1.0) / max(mean, 1e-300))
    up = np.cumprod(mean / np.arange(mode + 1.0, mode + width + 1.0))
    down, up = down[down > tail], up[up > tail]
    weights = np.concatenate([down[::-1], [1.0], up])
    return mode - len(down), weights / weights.sum()


def _squaring_pays(generator: Generator, rate: float, times: Array) -> bool:
    size = generator.grid.size + 1
    if size > _DENSE:
        return False
    products = 4e-9 * rate * times[-1] * (len(generator.links) * 2 + 1) * size
    steps = np.diff(times, prepend=0.0)
    squarings = sum(np.log2(2.0 + rate * dt) + 8.0 for dt in steps[steps > 0.0])
    return bool(products > 1e-10 * squarings * size**3)


def _evolve_dense(generator: Generator, start: Array, times: Array, backward: bool) -> Evolution:
    """Evolve through transition matrices of the steps between times; the last state is the absorbed one."""
    state = np.append(start, 0.0)
    states, known, now = [], {}, 0.0
    for t in times:
        step = float(t) - now
        if step > 0.0:
            if step not in known:
                known = {step: transition_matrix(generator, step)}
            state = known[step] @ state if backward else state @ known[step]
        states.append(state)
        now = float(t)
    table = np.array(states)
    return Evolution(table[:, :-1], np.zeros(len(times)) if backward else table[:, -1])


@njit(cache=True)
def _apply(indptr, indices, data, keep, x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        total = keep[i] * x[i]
        for k in range(indptr[i], indptr[i + 1]):
            total += data[k] * x[indices[k]]
        # subnormal tails slow every product several times and carry no mass
        out[i] = total if abs(total) > _TINY else 0.0


@njit(cache=True)
def _uniformize(  # type: ignore[no-untyped-def]
    indptr, indices, data, keep, outflow, x, first, begins, weights, states, absorbed
):
    """Add ``w_k P^k x`` to every state and ``w_k`` times the mass absorbed in ``k`` jumps to ``absorbed``."""
    count = first.size
    last = 0
    for j in range(count):
        last = max(last, first[j] + begins[j + 1] - begins[j] - 1)
    following = np.empty_like(x)
    lost = 0.0
    for k in range(last + 1):
        for j in range(count):
            place = k - first[j]
            if 0 <= place < begins[j + 1] - begins[j]:
                weight = weights[begins[j] + place]
                for i in range(x.size):
                    states[j, i] += weight * x[i]
                absorbed[j] += weight * lost
        if k == last:
            break
        for i in range(x.size):
            lost += outflow[i] * x[i]
        _apply(indptr, indices, data, keep, x, following)
        x, following = following, x
