"""A population of Gaussian components on its way through time: flow, and kicks between.

Two halves, scrambled independently, make one population, so that their difference tells the noise of both. Between
kicks every component follows the moment closure alone (:mod:`.runge_kutta`); a kick (:mod:`.kicks`) acts on one half
at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpsim.equation.points import PointCoefficients
from fpsim.evolution.moment_closure.closure import Rate, columns_at_once, moment_rate
from fpsim.evolution.moment_closure.kicks import NARROW, kick, principal_widths
from fpsim.evolution.moment_closure.runge_kutta import integrate
from fpsim.evolution.moment_closure.start import StartLike, start_components
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team

__all__ = ["Journey", "Problem", "check_tensor", "flow", "travel"]

Array = NDArray[np.float64]

GROWTH = 0.4
"""Growth of ``(width / s)^2`` that the first interval between kicks allows: about that from ``NARROW`` to one."""
AIM, MOST = 1.06, 1.25
"""Width before a kick, in units of the accepted one: aimed at; and above which the interval is taken back."""
SLOWER, FASTER = 0.7, 1.3
"""Change of the interval from one kick to the next."""
SHORTEST = 1e-7
"""Shortest interval between kicks, relative to the whole time."""
FIRST_STEP = 0.1
"""First step, relative to the interval between kicks."""
LOOKED_AT = 1024
"""Components at whose means the diffusion is looked at, at the start and at every output."""
INDEFINITE = 1e-3
"""Negative eigenvalue, relative to the trace, that is refused. A modified equation of order two with a temperature may
be a little so where learning rate times curvature exceeds one."""
RESOLVED = 0.05
"""Widths below this share of the accepted one need no relative accuracy."""


@dataclass(frozen=True)
class Problem:
    """What is evolved, and how finely in time.

    Attributes
    ----------
    coefficients : PointCoefficients
    start : StartLike
    times : ndarray
    local_error : float
        Accepted error of a step, in widths of a component.
    time_dependent : bool
    key : int
    threads : int or None
    progress : callable
        Called with the share of the time that is done.
    """

    coefficients: PointCoefficients
    start: StartLike
    times: Array
    local_error: float
    time_dependent: bool
    key: int
    threads: int | None
    progress: Callable[[float], None]


class Journey(NamedTuple):
    """A population at the output times."""

    weights: Array
    """(N,); they do not change, and each half has one half of their sum."""
    states: tuple[Array, ...]
    """(rows, N) each; the first half of the columns is one half."""
    time_error: Array
    """Weighted mean over components of the sum of local errors, in widths of a component, (T,)."""
    steps: int
    rejected: int
    kicks: int
    kick_times: tuple[float, ...]
    """Times of kicks."""


def travel(problem: Problem, components: int, width: Array, kick_times: tuple[float, ...] | None = None) -> Journey:
    """Evolve so many components (even), of accepted width (n,), infinite for no kicks at all.

    ``kick_times`` repeats those of another journey, so that both differ in width alone.
    """
    n, half = len(width), components // 2
    starts = [start_components(problem.start, half, width, (problem.key, h, 0)) for h in (0, 1)]
    weights = np.concatenate([0.5 * part for part, _ in starts])
    state = np.concatenate([part for _, part in starts], axis=1)
    check_tensor(problem.coefficients, state, n, 0.0)
    rate = moment_rate(problem.coefficients, n)
    narrow = bool(np.isfinite(width).all())
    interval = _first_interval(rate, state, n, width, problem.times[-1]) if narrow else np.inf
    step = np.full(components, min(FIRST_STEP * interval, 0.01 * problem.times[-1]) if problem.times[-1] > 0 else 0.0)
    error, states, errors = np.zeros(components), [], []
    steps = rejected = kicks = 0
    now, next_kick, kicked = 0.0, interval, []
    planned = list(kick_times) if kick_times is not None else None
    if planned is not None:
        next_kick = planned.pop(0) if planned else np.inf
    for t in problem.times:
        while now < t:
            end = min(float(t), next_kick)
            before = [a.copy() for a in (state, step, error)]
            taken = flow(problem, state, now, end, step, width, error)
            if narrow:
                principal = principal_widths(state, width, threads=problem.threads)
                if planned is None and principal.largest > MOST and end - now > SHORTEST * problem.times[-1]:
                    state, step, error = before
                    interval = 0.5 * (end - now)
                    next_kick = now + interval
                    rejected += sum(taken)
                    continue
            steps, rejected, now = steps + taken[0], rejected + taken[1], end
            problem.progress(now / problem.times[-1])
            if now == next_kick:
                kicked.append(now)
                for h in (0, 1):
                    columns = slice(h * half, (h + 1) * half)
                    kicks += kick(state, width, principal, columns, (problem.key, h, len(kicked)))
                if planned is not None:
                    next_kick = planned.pop(0) if planned else np.inf
                else:
                    grown = max(principal.largest**2 - NARROW**2, 1e-3)
                    interval *= min(max((AIM**2 - NARROW**2) / grown, SLOWER), FASTER)
                    next_kick = now + interval
        check_tensor(problem.coefficients, state, n, float(t))
        states.append(state.copy())
        errors.append(float(weights @ error))
    return Journey(weights, tuple(states), np.array(errors), steps, rejected, kicks, tuple(kicked))


def check_tensor(coefficients: PointCoefficients, state: Array, n: int, t: float) -> None:
    """Check the coefficients at the means of some components.

    Raises
    ------
    DomainError
        If one is not finite, or the diffusion not positive semidefinite: where, and by how much.
    """
    x = np.ascontiguousarray(state[:n, :: max(state.shape[1] // LOOKED_AT, 1)])
    drift, packed = np.empty_like(x), np.empty((n * (n + 1) // 2, x.shape[1]))
    coefficients(t, x, drift, packed)
    finite = np.isfinite(drift).all(axis=0) & np.isfinite(packed).all(axis=0)
    if not finite.all():
        raise DomainError(
            f"drift or diffusion at {_told(x[:, finite.argmin()])}, t = {t:g} is not finite: finite ones are accepted"
        )
    tensor = np.empty((x.shape[1], n, n))
    rows, columns = np.tril_indices(n)
    tensor[:, rows, columns] = tensor[:, columns, rows] = packed.T
    lowest, trace = np.linalg.eigvalsh(tensor)[:, 0], np.trace(tensor, axis1=1, axis2=2)
    below = lowest + INDEFINITE * np.abs(trace)
    if (below < 0.0).any():
        v = int(below.argmin())
        raise DomainError(
            f"diffusion at {_told(x[:, v])}, t = {t:g} has the eigenvalue {lowest[v]:.3g}: none below zero is accepted"
        )


def _told(x: Array) -> str:
    return f"({', '.join(f'{v:.4g}' for v in x[:6])}{', ...' if len(x) > 6 else ''})"


def _first_interval(rate: Rate, state: Array, n: int, width: Array, end: float) -> float:
    """Time in which the widths of components at the start grow to where they are kicked."""
    some = np.ascontiguousarray(state[:, : min(state.shape[1], 1024)])
    out = np.empty_like(some)
    rate(0.0, some, out)
    diagonal = n + np.cumsum(np.arange(1, n + 1)) - 1
    growth = float(np.quantile((out[diagonal] / width[:, None] ** 2).max(axis=0), 0.9))
    return min(GROWTH / growth, end / 4.0) if growth > 0.0 else end / 4.0


def flow(
    problem: Problem, state: Array, begin: float, end: float, step: Array, width: Array, error: Array
) -> tuple[int, int]:
    """All components from one time to another, in batches of fixed size."""
    n, count = len(width), state.shape[1]
    rate, size = moment_rate(problem.coefficients, n), columns_at_once(n)
    floor = np.where(np.isfinite(width), RESOLVED * width, 1e-300)
    batches = -(-count // size)
    took = np.zeros((batches, 2), int)

    def work(first: int, last: int) -> None:
        for b in range(first, last):
            columns = slice(b * size, min((b + 1) * size, count))
            piece, steps = np.ascontiguousarray(state[:, columns]), step[columns].copy()
            done = integrate(
                rate, piece, begin, end, steps,
                tolerance=problem.local_error, floor=floor, together=problem.time_dependent,
            )  # fmt: skip
            state[:, columns], step[columns] = piece, steps
            error[columns] += done.error
            took[b] = done.steps, done.rejected

    with Team(problem.threads) as team:
        team.share(work, batches)
    return int(took[:, 0].sum()), int(took[:, 1].sum())
