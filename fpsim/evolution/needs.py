"""How much memory an evolution takes, by method: printed with its answer, and checked before anything is allocated.

Limits: estimates from counts of arrays. That of the generator is up to twice too large where a tensor varies with
place, and leaves out up to 58 MB of transition matrices, on grids of up to 1900 cells. FiPy's is good to about a factor
of two: it depends on what its linear algebra fills in.
"""

from __future__ import annotations

from fpsim.density import Boundary, Grid
from fpsim.equation import FokkerPlanck
from fpsim.evolution.held import ARRAYS, FREE, PREDICTED, STATES, Held, scratch_bytes

__all__ = ["affordable", "memory_estimate"]

MARGIN = 0.5
"""Masks and sums while an answer is checked that is not the last."""

GENERATOR = 8.0
"""Arrays of states and sums of uniformization, beside its rates."""

RATIONAL = 20.0
"""Arrays of a rational approximation, its rates included."""

ANOTHER = 1.6
"""Arrays that one more answer of these two takes."""

FIPY = 350.0
"""Arrays per axis."""


def memory_estimate(
    method: str,
    equations: tuple[FokkerPlanck, ...],
    grids: tuple[Grid, ...],
    held: tuple[Held, ...],
    outputs: int,
    *,
    coarse: bool,
) -> int:
    """Bytes that an evolution holds at once, beside its start; ``held`` by coefficients.

    ``coarse``: whether it is repeated on cells twice as wide. Methods other than sweeps take a single equation.
    """
    if method == "sweeps":
        return int(_sweeps(equations, grids, sum(h.sweeps for h in held), outputs, coarse))
    grid = grids[0]
    walls = sum(side is Boundary.ABSORBING for pair in grid.boundary for side in pair)
    answers = ANOTHER * (outputs - 1) + coarse
    if method == "generator":
        return int(8.0 * grid.size * (GENERATOR + 1.25 * walls + answers) + held[0].generator)
    return int(8.0 * grid.size * (answers + (RATIONAL + walls if method == "rational" else FIPY * grid.ndim)))


def affordable(memory: float, grid: Grid) -> bool:
    """Whether so many bytes beside the start are no more than an evolution may take."""
    return memory <= max((ARRAYS - 1.0) * 8.0 * grid.size, FREE - 8.0 * grid.size)


def _sweeps(
    equations: tuple[FokkerPlanck, ...], grids: tuple[Grid, ...], held: float, outputs: int, coarse: bool
) -> float:
    arrays = STATES + PREDICTED * any(e.mean_field for e in equations) + (outputs - 1 + MARGIN if outputs > 1 else 0.0)
    fine, wide = sum(8.0 * g.size for g in grids), sum(8.0 * g.size / 2**g.ndim for g in grids)
    held += sum(map(scratch_bytes, grids))
    return max(fine * arrays + held, (fine * outputs + wide * (arrays + 1)) if coarse else 0.0)
