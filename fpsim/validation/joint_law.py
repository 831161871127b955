"""Joint law by three methods, grid, mixture and paths: total variation of every marginal beside the stated errors.

The three share the equation and nothing else: finite volumes know no Gaussians, a mixture no cells, sample paths
neither. Two of them may lie apart by what both state,

- grid: half the L1 error of step and grid;
- mixture: noise, width and time, of the worst two-dimensional marginal;
- paths: the total variation that so many independent draws have from their own law, in expectation and four spreads
  above it (a bound for the spread: McDiarmid's inequality gives ``1 / (2 sqrt(M))`` at most, ``.3 / sqrt(M)`` is what
  cells of few draws have); the error of their step is not in it.

Limits: densities that fit on a grid of two to four weights, whose walls must lie far out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.closures import joint, joint_start
from fpsim.density import Density, GaussianMixture, Grid, gaussian
from fpsim.evolution import evolve, evolve_mixture
from fpsim.paths import simulate
from fpsim.support.errors import DomainError
from fpsim.support.random_streams import RNG, key_of

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["MethodDistance", "MethodTable", "compare_joint_methods"]

Array = NDArray[np.float64]

BLOCKS = 24
"""Cells along each axis of a marginal on which methods are compared, at most."""
SPREADS = 4.0


class MethodDistance(NamedTuple):
    """Two methods at one time, along one pair of weights.

    Attributes
    ----------
    time : float
    pair : (str, str)
    methods : (str, str)
    distance : float
        Total variation of the marginals.
    stated : float
        What both methods state together.
    """

    time: float
    pair: tuple[str, str]
    methods: tuple[str, str]
    distance: float
    stated: float


@dataclass(frozen=True)
class MethodTable:
    """All distances; ``print`` shows the worst pair of weights for each time and pair of methods."""

    rows: tuple[MethodDistance, ...]

    @property
    def agree(self) -> bool:
        """Whether no distance exceeds what is stated."""
        return all(row.distance <= row.stated for row in self.rows)

    def __str__(self) -> str:
        lines = [f"{'time':>6}  {'methods':<18}{'worst marginal':<24}{'distance':>9}{'stated':>9}"]
        groups: dict[tuple[float, tuple[str, str]], list[MethodDistance]] = {}
        for row in self.rows:
            groups.setdefault((row.time, row.methods), []).append(row)
        for (time, methods), rows in groups.items():
            worst = max(rows, key=lambda row: row.distance / row.stated)
            lines.append(
                f"{time:>6g}  {' - '.join(methods):<18}{', '.join(worst.pair):<24}{worst.distance:>9.4f}"
                f"{worst.stated:>9.4f}"
            )
        return "\n".join(lines)


def compare_joint_methods(
    experiment: Experiment,
    grid: Grid,
    times: ArrayLike,
    *,
    components: int = 8192,
    width: float = 0.1,
    paths: int = 50_000,
    step: float = 0.02,
    tolerance: float = 5e-3,
    rng: RNG = 0,
) -> MethodTable:
    """Evolve the joint equation (``sme1``) of an experiment by three methods and hold them against each other.

    Parameters
    ----------
    experiment : Experiment
        Of two to four weights, with a Gaussian start.
    grid : Grid
        Over all weights, in the order ``W1`` before ``W2``, named as they are; cells per axis are a multiple of those
        compared, up to 24.
    times : array_like
        Increasing, positive.
    components, width : keyword-only
        Of the mixture.
    paths, step : keyword-only
        Of the sample paths.
    tolerance : float, keyword-only
        Of the steps on the grid.
    rng : keyword-only

    Raises
    ------
    DomainError
        If the start is not Gaussian or the grid does not fit.
    """
    start, equation, key = joint_start(experiment), joint(experiment), key_of(rng)
    if not isinstance(start, GaussianMixture) or not start.covariance.any():
        raise DomainError(f"start {experiment.start.kind!r}: a Gaussian start is accepted")
    if grid.names != start.names or grid.ndim > 4:
        raise DomainError(f"grid of {', '.join(grid.names)}: one of {', '.join(start.names)}, at most 4, is accepted")
    when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    first = gaussian(grid, start.mean, start.covariance)
    fields = evolve(equation, first, when, tolerance=tolerance)
    law = evolve_mixture(equation, start, when, components=components, width=width, rng=key)
    drawn = simulate(equation, start.sample(paths, rng=np.random.default_rng([key, 1])), when, step=step,
                     rng=np.random.default_rng([key, 2]))  # fmt: skip
    rows: list[MethodDistance] = []
    for k, time in enumerate(when):
        for i, j in itertools.combinations(range(grid.ndim), 2):
            plane = _plane(grid, (i, j))
            cells = {
                "grid": _marginal(fields.densities[k], (i, j), plane),
                "mixture": law.densities[k].on_grid(plane, i, j).values * plane.cell_volume,
                "paths": _histogram(drawn.positions[k], (i, j), plane) / paths,
            }
            floor = 0.5 * np.sqrt(2.0 * cells["mixture"] / (np.pi * paths)).sum() + SPREADS * 0.3 / np.sqrt(paths)
            stated = {"grid": 0.5 * fields.error[k], "mixture": law.error[k], "paths": floor}
            for one, other in itertools.combinations(cells, 2):
                distance = 0.5 * float(np.abs(cells[one] - cells[other]).sum())
                names = (grid.names[i], grid.names[j])
                rows.append(MethodDistance(float(time), names, (one, other), distance, stated[one] + stated[other]))
    return MethodTable(tuple(sorted(rows, key=lambda row: (row.time, row.methods))))


def _plane(grid: Grid, axes: Sequence[int]) -> Grid:
    """The box along two axes, in as many cells as are compared."""
    shape = [max(d for d in range(1, BLOCKS + 1) if grid.shape[a] % d == 0) for a in axes]
    return Grid(
        tuple(grid.lower[a] for a in axes), tuple(grid.upper[a] for a in axes), tuple(shape),
        names=tuple(grid.names[a] for a in axes),
    )  # fmt: skip


def _marginal(density: Density, axes: tuple[int, int], plane: Grid) -> Array:
    """Probabilities of the cells of a plane."""
    rest = tuple(a for a in range(density.grid.ndim) if a not in axes)
    mass = density.values.sum(axis=rest) * density.grid.cell_volume
    blocks = mass.reshape(plane.shape[0], mass.shape[0] // plane.shape[0], plane.shape[1], -1)
    return np.asarray(blocks.sum(axis=(1, 3)))


def _histogram(points: Array, axes: tuple[int, int], plane: Grid) -> Array:
    """Numbers of points (M, n) in the cells of a plane."""
    x, y = plane.edges
    return np.asarray(np.histogram2d(points[:, axes[0]], points[:, axes[1]], bins=[x, y])[0])
