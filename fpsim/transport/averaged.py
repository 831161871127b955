"""An equation with its coefficients averaged over times: what a step sees that is to notice when they jump.

Two steps and one twice as long look at the middles of each. A coefficient that jumps before the first of these, or
after the last, looks like one that never did: both agree, on a wrong answer. An average that includes both ends of the
long step differs.

Limits: what comes and goes between the times is not seen. Where the answers of a coefficient have no average (one of
them is infinite, or of another form), that of the middle is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsim.density.numbers import all_finite
from fpsim.equation import FokkerPlanck
from fpsim.equation.evaluation import call
from fpsim.equation.fokker_planck import Coefficient, depends_on

__all__ = ["averaged"]

SHARES = 0.25, 0.5, 0.25
"""Of the ends and of the middle of a step.

For smooth coefficients the error is then minus half of that of the middle alone: the distance to two steps, a third of
which is their error, is the same.
"""


def averaged(equation: FokkerPlanck, t: float, h: float) -> FokkerPlanck:
    """An equation whose coefficients are averages over a step ``h`` that begins at ``t``."""
    times = t, t + 0.5 * h, t + h

    def changed(coefficient: Coefficient) -> Coefficient:
        return _average(coefficient, times) if depends_on(coefficient, "t") else coefficient

    return FokkerPlanck(
        drift=changed(equation.drift),
        diffusion=changed(equation.diffusion),
        potential=changed(equation.potential),
        phi=changed(equation.phi),
        calculus=equation.calculus,
    )


def _average(coefficient: Coefficient, times: tuple[float, float, float]) -> Callable[..., Any]:
    def of(x: tuple[Any, ...], p: Any) -> Any:
        try:
            total = None
            for t, share in zip(times, SHARES, strict=True):
                total = _add(total, call(coefficient, x, t, p), share)
        except (TypeError, ValueError):
            return call(coefficient, x, times[1], p)
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
