"""Choice of the method, from the equation, the grid and the constants below; the generator's also from its result.

The first line that holds decides; a result carries its line as ``reason``:

==================================================================================  =============================
a method is asked for by name                                                       that method
coefficients depend on time or density, equations are coupled, or the grid moves    sweeps
    (refused where the drift has the derivative of a jump)
cells resolve the noise (Peclet numbers up to RESOLVED, jumps of one cell), and
    uniformization takes few products (CHEAP) and little memory (SMALL_GENERATOR)   generator, judged
    along a single axis                                                             rational, judged
    more than LONG relaxation times, or a grid of at most DENSE cells               generator, judged
cells do not resolve it, but sweeps would take very many steps (LONG, an
    infinite drift at a reflecting wall, or derivatives of a jump), or drift points at a reflecting wall,
    where they are of first order                                                   as above
anything else                                                                       sweeps
==================================================================================  =============================

Generator and rational approximation have no steps that a tolerance could bind: their grid's error is judged once it is
known. Again the first line that holds decides:

==================================================================================  =============================
grid error up to the tolerance                                                      it stands
sweeps would take very many steps                                                   it stands, and says its error
anything else                                                                       what has the smaller error of it
                                                                                    and the sweeps
==================================================================================  =============================

So a finer grid is never worse by the choice of a method alone: coarser ones take the sweeps.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from fpsim.density import Grid
from fpsim.evolution.coefficients import GridScales
from fpsim.support.errors import DomainError

__all__ = ["COARSE", "LEAST_CELLS", "LONG", "Choice", "choose_method", "stands"]

RESOLVED = 0.25
"""Cell Peclet number up to which the generator's numerical diffusion (Pe^2 / 12 of the true one) is negligible."""

CHEAP = 1e8
"""Products of cells and jumps up to which uniformization takes less than about a tenth of a second."""

SMALL_GENERATOR = 64e6
"""Bytes up to which the generator is taken for its speed."""

LONG = 1000.0
"""Relaxation times beyond which sweeps, whose errors add up, are too many."""

COARSE = 0.03
"""Grid error above which a result that stands because the time is long warns."""

DENSE = 512
"""Cells up to which the generator's transition matrix is squared instead."""

LEAST_CELLS = 8
"""Cells along every axis from which on the grid's error is estimated."""


class Choice(NamedTuple):
    """A method and the reason for it.

    ``judged``: it stands only by :func:`stands`; ``resolved``: cells resolve the noise; ``relaxations``: the
    time in relaxation times, infinite where sweeps need very many steps for another reason.
    """

    method: str
    reason: str
    judged: bool = False
    resolved: bool = False
    relaxations: float = 0.0


def choose_method(
    method: str, grid: Grid, scales: GridScales, *, end: float, generator_bytes: float, changing: str | None
) -> Choice:
    """Choose the method of an evolution.

    Parameters
    ----------
    method : str
        As asked for.
    grid : Grid
        Of the first equation.
    scales : GridScales
    end : float
        Last time.
    generator_bytes : float
        Memory that the generator would take.
    changing : str or None
        What changes on the way, in words; ``None`` for a single equation with fixed coefficients on a grid that stays.

    Raises
    ------
    DomainError
        If the method asked for does not take the equation or the grid.
    """
    single = grid.ndim == 1 and not grid.periodic(0)
    if scales.underivable and (changing is not None or method == "sweeps"):
        raise DomainError(
            "potential, phi, or a diffusion that is not Ito jumps from cell to cell, and its derivative is part of the "
            "drift, which sweeps need: what cells resolve is accepted, or method='generator' with fixed coefficients"
        )
    if changing is not None:
        if method not in ("auto", "sweeps"):
            raise DomainError(f"method {method!r} with {changing}: 'sweeps' is accepted for those")
        return Choice("sweeps", changing if method == "auto" else "asked for")
    if method == "rational" and not single:
        raise DomainError(f"method 'rational' on {grid!r}: a single axis that is not periodic is accepted")
    if method != "auto":
        return Choice(method, "asked for")
    peclet = f"cell Peclet numbers up to {scales.peclet[1]:.2g}"
    resolved = scales.peclet[1] <= RESOLVED and scales.reach == 1
    relaxations = inf if scales.singular or scales.underivable else scales.steepness * end
    long, pressed = relaxations > LONG, scales.walls.pressed
    if not resolved:
        unresolved = peclet if scales.peclet[1] > RESOLVED else f"jumps of {scales.reach} cells"
        if not (long or pressed) or (min(grid.shape) < LEAST_CELLS and not scales.underivable):
            return Choice("sweeps", f"{unresolved}: small noise")
        why = f"{relaxations:.2g} relaxation times" if long else "drift presses on a reflecting wall"
        why = "an infinite drift presses on a reflecting wall" if scales.singular else why
        why = "the drift has the derivative of a jump" if scales.underivable else why
        why = f"{unresolved}, but {why}"
    else:
        why = f"{peclet}: cells resolve the noise"
    cheap = scales.leaving * end * grid.size <= CHEAP and generator_bytes <= SMALL_GENERATOR
    if cheap or (not single and (long or grid.size <= DENSE)):
        return Choice("generator", why, True, resolved, relaxations)
    if single:
        return Choice("rational", why, True, resolved, relaxations)
    return Choice("sweeps", "the generator would take more products or memory than it is worth")


def stands(choice: Choice, *, grid_error: float, tolerance: float) -> bool:
    """Whether the result of a generator or rational approximation stands without a look at the sweeps.

    Parameters
    ----------
    choice : Choice
    grid_error : float
        Its largest; nan where it is not known, on grids of fewer than LEAST_CELLS along an axis.
    tolerance : float
    """
    return not grid_error > tolerance or choice.relaxations > LONG
