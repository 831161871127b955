"""Coefficients of an equation at points: Ito drift and diffusion of many places at once, in any number of dimensions.

A method that follows points instead of a grid asks for nothing else. Places are columns, ``x`` (n, P); the diffusion
is the packed lower triangle, row ``i (i + 1) / 2 + j`` for the entry ``(i, j)``, ``j <= i``. An equation that knows a
faster way than its callables offers it as :class:`PointwiseFokkerPlanck`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.equation.diffusion import DiffusionField
from fpsim.equation.fokker_planck import Coefficient, FokkerPlanck
from fpsim.equation.sampling import diffusion_at, drift_at
from fpsim.support.errors import DomainError

__all__ = ["PointCoefficients", "PointwiseFokkerPlanck", "coefficients_at_points"]

Array = NDArray[np.float64]


class PointCoefficients(Protocol):
    """Drift and diffusion at points; a pure function that may run in several threads at once."""

    def __call__(self, t: float, x: Array, drift: Array, diffusion: Array) -> None:
        """Fill ``drift`` (n, P) and ``diffusion`` (n (n + 1) / 2, P) at the places ``x`` (n, P)."""


@dataclass(frozen=True, eq=False, init=False)
class PointwiseFokkerPlanck(FokkerPlanck):
    """A Fokker-Planck equation (Ito) that also evaluates its coefficients at points.

    Parameters
    ----------
    drift, diffusion : see :class:`FokkerPlanck`; keyword-only
        The same coefficients as callables of the coordinates.
    at_points : PointCoefficients
    names : tuple of str
        Names of the coordinates; their number is the dimension.
    symmetries : ndarray, shape (G, n, n)
        A finite group of signed permutation matrices that leave the equation as it is; the identity alone by default.
    jumps : see :class:`FokkerPlanck`

    Limits: a deep copy is the equation itself, which cannot be changed; kernels at points do not pickle.
    """

    at_points: PointCoefficients = field(kw_only=True)
    names: tuple[str, ...] = field(kw_only=True)
    symmetries: Array = field(kw_only=True)

    def __init__(
        self,
        *,
        drift: Coefficient,
        diffusion: Coefficient,
        at_points: PointCoefficients,
        names: tuple[str, ...],
        symmetries: Array | None = None,
        jumps: Sequence[float] | None = None,
    ) -> None:
        super().__init__(drift=drift, diffusion=diffusion, jumps=jumps)
        group = np.eye(len(names))[None] if symmetries is None else np.array(symmetries, dtype=np.float64)
        group.setflags(write=False)
        for key, value in (("at_points", at_points), ("names", tuple(names)), ("symmetries", group)):
            object.__setattr__(self, key, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> PointwiseFokkerPlanck:
        return self


def coefficients_at_points(equation: FokkerPlanck, scale: Array) -> PointCoefficients:
    """The equation's own point coefficients, or its callables evaluated at points.

    Parameters
    ----------
    equation : FokkerPlanck
        Without mean field; coefficients are numbers or callables.
    scale : ndarray, shape (n,)
        Length per coordinate over which coefficients are smooth, for the differences that a potential or another
        calculus needs.

    Raises
    ------
    DomainError
        If a coefficient depends on the density.
    """
    if isinstance(equation, PointwiseFokkerPlanck):
        return equation.at_points
    if equation.mean_field:
        raise DomainError("the equation depends on the density: a linear Fokker-Planck equation is accepted")
    spacing = tuple(float(s) for s in scale)

    def ask(t: float, x: Array) -> tuple[tuple[Array, ...], DiffusionField]:
        places = tuple(x)
        return drift_at(equation, places, spacing=spacing, t=t), diffusion_at(equation, places, t=t)

    def evaluate(t: float, x: Array, drift: Array, diffusion: Array) -> None:
        try:
            force, field = ask(t, x)
        except DomainError as error:
            raise _placed(ask, t, x, error) from None
        for out, b in zip(drift, force, strict=True):
            out[:] = b
        row = 0
        for i in range(len(x)):
            for j in range(i + 1):
                entry = field.entries[i][j]
                diffusion[row] = 0.0 if entry is None else entry
                row += 1

    return evaluate


def _placed(ask: Callable[[float, Array], Any], t: float, x: Array, error: DomainError) -> DomainError:
    """The error of a coefficient with the coordinates of one place where it occurs, found by halving."""

    def refused(part: Array) -> DomainError | None:
        try:
            ask(t, part)
        except DomainError as found:
            return found
        return None

    while x.shape[1] > 1:
        half = x.shape[1] // 2
        x = x[:, :half] if refused(x[:, :half]) else x[:, half:]
    found = refused(x)
    if found is None:
        return error
    return DomainError(f"{found}; it is so at ({', '.join(f'{v:.4g}' for v in x[:, 0])}), t = {t:g}")
