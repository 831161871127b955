"""Time averages of an equation's coefficients, and the detection of their jumps.

Two steps and one twice as long look at the middles of each. A coefficient that jumps before the first of these, or
after the last, looks like one that never did: both agree, on a wrong answer. An average over the whole of the long
step, both ends included, differs. Its times are placed irregularly, so that whatever is on, or off, for some part of
the step does not by chance weigh the same in both.

Limits: what comes and goes between the times is not seen. Where the answers of a coefficient have no average (one of
them is infinite, or of another form), that of the middle is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsim.equation.evaluation import call
from fpsim.equation.fokker_planck import Coefficient, FokkerPlanck, depends_on
from fpsim.support.checks import all_finite

__all__ = ["time_average"]

TIMES = 0.0, 0.067, 0.498, 0.819, 1.0
"""Places in a step at which coefficients are looked at."""


def _shares(first: float, last: float) -> tuple[float, ...]:
    """Shares of the times below, from those of the ends: their sum is 1, their mean 1/2, their variance 1/8."""
    inner = np.array(TIMES[1:-1]) - 0.5
    powers = np.stack([np.ones(3), inner, inner**2])
    rest = np.linalg.solve(powers, [1.0 - first - last, 0.5 * (first - last), 0.125 - 0.25 * (first + last)])
    return (first, *rest.tolist(), last)


SHARES = _shares(0.224, 0.1725)
"""What each of them counts.

Means of straight lines are exact; the variance is 1/8, where exact means have 1/12, two middles 1/16 and one has 0.
For smooth coefficients the error is then minus half of that of the middle alone: the distance to two steps, a third of
which is their error, is the same. What is switched on within the step differs from two middles by at least 0.17 of it,
what is on for some part by 0.05 (found by a search over places and shares).
"""


def time_average(equation: FokkerPlanck, t: float, h: float) -> FokkerPlanck:
    """An equation whose coefficients are averages over a step ``h`` that begins at ``t``."""
    times = tuple(t + place * h for place in TIMES)
    middle = t + 0.5 * h

    def changed(coefficient: Coefficient) -> Coefficient:
        return _average(coefficient, times, middle) if depends_on(coefficient, "t") else coefficient

    return FokkerPlanck(
        drift=changed(equation.drift),
        diffusion=changed(equation.diffusion),
        potential=changed(equation.potential),
        phi=changed(equation.phi),
        calculus=equation.calculus,
    )


def _average(coefficient: Coefficient, times: tuple[float, ...], middle: float) -> Callable[..., Any]:
    def of(x: tuple[Any, ...], p: Any) -> Any:
        try:
            total = None
            for t, share in zip(times, SHARES, strict=True):
                total = _add(total, call(coefficient, x, t, p), share)
        except (TypeError, ValueError):
            return call(coefficient, x, middle, p)
        return total

    if depends_on(coefficient, "p"):
        return lambda *x, p: of(x, p)
    return lambda *x: of(x, None)


def _add(total: Any, answer: Any, share: float) -> Any:
    """A sum of numbers, arrays or sequences of them, and one more with its share."""
    if answer is None:
        return total
    if isinstance(answer, (list, tuple)):
        before = [None] * len(answer) if total is None else total
        return [_add(a, b, share) for a, b in zip(before, answer, strict=True)]
    part = share * np.asarray(answer, float)
    if not all_finite(part):
        raise ValueError
    return part if total is None else total + part
