"""Random walk in a space-time random environment.

At every site and time the walker steps up with a probability ``B`` and down with ``1 - B``; the ``B`` are independent,
of mean 1/2, and shared by all walkers of one environment. Given the environment, ``P(X_t >= m)`` is a random variable:

- its mean is a binomial probability;
- its second moment is the probability that two walkers in the same environment both reach ``m``. Two walkers are a
  Markov chain: independent unless they meet, when they step together with probability ``1/4 + Var B`` each way;
- in the bulk, ``m = 0``, its variance tends to ``g / (2 sqrt(pi t))`` with ``g = 4 Var B / (1 - 4 Var B)``;
- in the tail, ``m = x t``, its logarithm is of the KPZ class; for uniform ``B``
  ``log P = -I t + sigma t^(1/3) chi_GUE`` with ``I = 1 - sqrt(1 - x^2)``, ``sigma^3 = 2 I^2 / (1 - I)`` (Barraquand &
  Corwin, Probab. Theory Relat. Fields 167, 1057 (2017)). The approach is slow: at ``t = 1000`` and ``x = 0.9`` the mean
  of ``chi`` is still 13 % off.

Limits: symmetric environments; uniform ``B`` has 32 bits; probabilities below 1e-290 are refused, not rounded to zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.checks import instance_of, real_array, real_number, shown, whole_number
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError, ToleranceError
from fpsim.support.progress import Progress, check_progress
from fpsim.support.random_streams import RNG, fill_uniforms_of_32_bits, key_of
from fpsim.support.threads import Team

__all__ = ["StepProbability", "WalkMoments", "bulk_variance", "rescale_tail", "simulate_walks", "walk_moments"]

_SMALLEST = 1e-290
_PIECE = 10**9  # sites of all environments between two calls of ``progress``: about a second
_Law = Literal["uniform", "two-point"]


@dataclass(frozen=True)
class StepProbability:
    """Law of the probability ``B`` to step up.

    Attributes
    ----------
    law : {"uniform", "two-point"}
        Uniform on (0, 1), which is the Beta(1, 1) model; or ``1/2 + spread`` and ``1/2 - spread`` with equal chances.
    spread : float
        Between 0 (no environment: a simple random walk) and 1/2 (walkers coalesce); unused by ``uniform``.
    """

    law: _Law = "uniform"
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.law, str) or self.law not in get_args(_Law):
            message = f"environment law {self.law!r} does not exist; accepted: uniform, two-point"
            raise DomainError(message)
        if not 0.0 <= real_number(self.spread, "spread") <= 0.5:
            message = f"spread is {self.spread}; accepted: 0 to 1/2"
            raise DomainError(message)

    @property
    def variance(self) -> float:
        """``Var B``."""
        return 1.0 / 12.0 if self.law == "uniform" else self.spread**2


@dataclass(frozen=True)
class WalkMoments:
    """Mean, second moment and variance over environments of ``P(X_t >= m)``."""

    mean: float
    second: float
    variance: float


@njit(cache=True)
def _two_walkers(steps, together, table):  # type: ignore[no-untyped-def]
    """Joint law of the numbers of up-steps of two walkers, in place; ``together`` is ``E B^2`` at a common site."""
    table[0, 0] = 1.0
    apart = 0.5 - together
    for t in range(1, steps + 1):
        for a in range(t, -1, -1):
            for b in range(t, -1, -1):
                total = 0.0
                if a > 0 and b > 0:
                    total += table[a - 1, b - 1] * (together if a == b else 0.25)
                if a > 0 and b < t:
                    total += table[a - 1, b] * (apart if a - 1 == b else 0.25)
                if b > 0 and a < t:
                    total += table[a, b - 1] * (apart if a == b - 1 else 0.25)
                if a < t and b < t:
                    total += table[a, b] * (together if a == b else 0.25)
                table[a, b] = total


def walk_moments(steps: int, threshold: int = 0, *, environment: StepProbability = StepProbability()) -> WalkMoments:
    """Exact moments of ``P(X_t >= threshold)`` by the two-walker recursion, in ``steps**3 / 3`` operations.

    Parameters
    ----------
    steps : int
        Time ``t``, 1 or more.
    threshold : int
        Between ``-steps`` and ``steps``.
    environment : StepProbability
        Law of the step probabilities.

    Returns
    -------
    WalkMoments
        Exact to rounding.
    """
    first = _first_reaching(steps, threshold)
    table = np.zeros((steps + 1, steps + 1))
    _two_walkers(steps, 0.25 + environment.variance, table)
    mean = float(np.sum(table[first:]))
    second = float(np.sum(table[first:, first:]))
    return WalkMoments(mean, second, second - mean**2)


def bulk_variance(steps: ArrayLike, *, environment: StepProbability = StepProbability()) -> NDArray[np.float64]:
    """Limit for many steps of the variance of ``P(X_t >= 0)``: ``g / (2 sqrt(pi t))``, ``g = 4 Var B / (1 - 4 Var B)``.

    Sum over times of the chance that two walkers meet (their difference is a simple walk that lingers at zero
    ``1 / (1 - 4 Var B)`` times as long), times the noise ``4 Var B`` and the squared gradient of the mean probability.
    Infinite for ``spread`` 1/2, where walkers coalesce and the law is another.
    """
    noise = 4.0 * environment.variance
    with np.errstate(divide="ignore"):
        g = np.divide(noise, 1.0 - noise)
    return np.asarray(g / (2.0 * np.sqrt(np.pi * np.asarray(steps, dtype=float))))


@njit(cache=True, nogil=True)
def _environments(steps, first, two_point, spread, key, begin, out):  # type: ignore[no-untyped-def]
    """``out[r, j]``: probability of at least ``first[j]`` up-steps in environment ``begin + r``."""
    p, u, up = np.empty(steps + 1), np.empty(steps + 4), np.zeros(steps + 1)
    for r in range(out.shape[0]):
        p[0] = 1.0
        for t in range(steps):
            fill_uniforms_of_32_bits(key, 0, t, begin + r, u[: (t + 4) // 4 * 4])
            if two_point:
                for a in range(t + 1):
                    u[a] = 0.5 + spread if u[a] < 0.5 else 0.5 - spread
            p[t + 1] = 0.0
            for a in range(t + 1):
                up[a + 1] = p[a] * u[a]
                p[a] *= 1.0 - u[a]
            for a in range(t + 2):
                p[a] += up[a]
        for j in range(first.size):
            total = 0.0
            for a in range(steps, first[j] - 1, -1):
                total += p[a]
            out[r, j] = total


def simulate_walks(
    steps: int,
    thresholds: ArrayLike = 0,
    *,
    environment: StepProbability = StepProbability(),
    environments: int = 1000,
    rng: RNG = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """``P(X_t >= m)`` in sampled environments (the walkers are summed over exactly).

    Parameters
    ----------
    steps : int
        Time ``t``, 1 or more.
    thresholds : array_like (M,) of int
        The ``m``, between ``-steps`` and ``steps``.
    environment : StepProbability
        Law of the step probabilities.
    environments : int
        Number of samples.
    rng : None, int, SeedSequence or Generator
        Source of all random numbers, which are addressed by environment, step and site.
    threads : int, optional
        Threads; the result does not depend on it.
    progress : callable, optional
        Called with the share of the environments that is done, from 0 to 1.

    Returns
    -------
    ndarray (environments, M)

    Raises
    ------
    DomainError
        If an argument is outside what is said above.
    ToleranceError
        If a probability is too small for double precision.
    """
    check_progress(progress)
    instance_of(environment, StepProbability, "environment")
    environments = whole_number(environments, "environments", least=1)
    levels = np.atleast_1d(real_array(thresholds, "thresholds"))
    if levels.ndim != 1 or not levels.size or not (levels == np.round(levels)).all() or not np.isfinite(levels).all():
        raise DomainError(f"thresholds are {shown(thresholds)}: whole numbers (M,) are accepted")
    first = np.array([_first_reaching(steps, int(m)) for m in levels], dtype=np.int64)
    key, two_point = np.uint64(key_of(rng)), environment.law == "two-point"
    out = np.empty((environments, first.size))

    def work(begin: int, end: int) -> None:
        _environments(steps, first, two_point, environment.spread, key, begin, out[begin:end])

    piece = max(64, _PIECE // steps**2)
    with Team(threads) as team:
        for done in range(0, environments, piece):
            length = min(piece, environments - done)
            team.share(lambda begin, end, done=done: work(done + begin, done + end), length)  # type: ignore[misc]
            if progress is not None:
                progress((done + length) / environments)
    if environment.variance < 0.25 and np.min(out) < _SMALLEST:
        message = f"a probability fell below {_SMALLEST:g} in {steps} steps: take fewer steps or a lower threshold"
        raise ToleranceError(message)
    return out


def rescale_tail(probability: ArrayLike, steps: int, velocity: float) -> NDArray[np.float64]:
    """``chi = (log P(X_t >= x t) + I t) / (sigma t^(1/3))`` for uniform ``B``, which tends to the GUE law.

    Parameters
    ----------
    probability : array_like
        From :func:`simulate_walks` with threshold ``velocity * steps``.
    steps : int
        Time ``t``.
    velocity : float
        ``x``, in (0, 1).

    Returns
    -------
    ndarray, shape of ``probability``
    """
    if not 0.0 < velocity < 1.0:
        message = f"velocity is {velocity}; accepted: between 0 and 1"
        raise DomainError(message)
    rate = 1.0 - math.sqrt(1.0 - velocity**2)
    sigma = (2.0 * rate**2 / (1.0 - rate)) ** (1.0 / 3.0)
    return np.asarray((np.log(np.asarray(probability, dtype=float)) + rate * steps) / (sigma * steps ** (1.0 / 3.0)))


def _first_reaching(steps: int, threshold: int) -> int:
    """Fewest up-steps that reach ``threshold``."""
    if abs(threshold) > whole_number(steps, "steps", least=1):
        message = f"steps is {steps}, threshold {threshold}; accepted: steps >= 1, |threshold| <= steps"
        raise DomainError(message)
    return -((-(threshold + steps)) // 2)
