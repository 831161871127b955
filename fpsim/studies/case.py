"""One experiment with its ensemble, seen as points and on grids: what theories are held against.

Weights are seen in planes: the first two entries of each matrix, and the valley of the first entries of both. Limits:
networks of two trained matrices; replicas that diverged are left out; a grid is a box around everything that the others
ever reached, with a margin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsim.closures.fit_and_judge import fit_and_judge
from fpsim.density import Density, Grid, from_samples
from fpsim.ensemble import Ensemble
from fpsim.experiment import Experiment
from fpsim.scenario.records import entry_names
from fpsim.support.errors import DomainError

__all__ = ["MATRICES", "Case", "case_of"]

Array = NDArray[np.float64]
MATRICES = ("W1", "W2")
VALLEY = "W1_W2"
MARGIN = 0.2
"""Share of the ensemble's range by which a grid reaches beyond it on each side."""
FEWEST_ALIVE = 2
FEWEST_CELLS = 16
MOST_AXES = 4


@dataclass(frozen=True, eq=False)
class Case:
    """An experiment and its ensemble.

    Attributes
    ----------
    experiment : Experiment
    ensemble : Ensemble
    samples : mapping of str to ndarray, shape (T, R, entries)
        Flattened matrices of the replicas that survived, by matrix.
    grids : mapping of str to Grid
        Box of every matrix, over all its entries where a grid can have so many, else over the first two.
    planes : mapping of str to Grid
        ``W1``, ``W2``: the first two entries (or one); ``W1_W2``: the first entry of both.
    """

    experiment: Experiment
    ensemble: Ensemble
    samples: Mapping[str, Array]
    grids: Mapping[str, Grid]
    planes: Mapping[str, Grid]

    @property
    def times(self) -> Array:
        """Recorded times, shape (T,)."""
        return self.ensemble.times

    @property
    def x(self) -> Array:
        """Training set, shape (N, d)."""
        return np.asarray(self.experiment.data.x, np.float64)  # type: ignore[union-attr]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all weights, ``W1`` before ``W2``."""
        return tuple(n for m in MATRICES for n in entry_names(m, self.experiment.network.shapes[m]))

    @cached_property
    def fit(self) -> Ensemble:
        """Replicas that closures may learn from: half of them, or all where replicas are not independent."""
        return self.ensemble if self._dependent else fit_and_judge(self.ensemble)[0]

    @cached_property
    def judge(self) -> Case:
        """The other replicas, in the same planes: what closures are judged by."""
        if self._dependent:
            return self
        judging = fit_and_judge(self.ensemble)[1]
        return Case(self.experiment, judging, _survivors(judging), self.grids, self.planes)

    @property
    def _dependent(self) -> bool:
        return self.experiment.sgd.sampling == "shared"

    def weights(self, index: int, most: int | None = None) -> tuple[Array, Array]:
        """Weights of one time in their shapes (R, k, d), (R, d, k)."""
        shapes = self.experiment.network.shapes
        first, second = (self.samples[m][index, :most].reshape(-1, *shapes[m]) for m in MATRICES)
        return first, second

    def points(self, plane: str, index: int) -> Array:
        """Replicas of one time in a plane, shape (R, 1 or 2)."""
        joined = np.concatenate([self.samples[m][index] for m in MATRICES], axis=1)
        return joined[:, [self.names.index(n) for n in self.planes[plane].names]]

    def histograms(self, plane: str) -> list[Density]:
        """Densities of the replicas in a plane, one for each time."""
        return [from_samples(self.planes[plane], self.points(plane, i)) for i in range(len(self.times))]


def case_of(ensemble: Ensemble, *, cells: int, named: str = "") -> Case:
    """An ensemble as what theories are held against.

    Parameters
    ----------
    ensemble : Ensemble
        Knows its experiment, a network of two matrices.
    cells : int
        Cells along the longest axis of a grid; others have cells of the same width.
    named : str
        Name of the case in errors.

    Raises
    ------
    DomainError
        If fewer than two replicas survived.
    """
    experiment, alive = ensemble.experiment, ~ensemble.divergence.mask
    if experiment is None or len(experiment.network.shapes) != len(MATRICES):
        raise DomainError("an ensemble that does not know its network of two matrices: one made by train is accepted")
    if alive.sum() < FEWEST_ALIVE:
        raise DomainError(
            f"{named or 'ensemble'}: {ensemble.divergence.count} of {alive.size} replicas diverged, the first at step "
            f"{ensemble.divergence.first_step}; a smaller sgd.learning_rate or sgd.temperature is accepted"
        )
    shapes = experiment.network.shapes
    flat = _survivors(ensemble)
    grids = {m: _box(flat[m], entry_names(m, shapes[m]), cells) for m in MATRICES}
    planes = {m: _part(grid, 2) for m, grid in grids.items()}
    planes[VALLEY] = _joined(*(_part(grid, 1) for grid in grids.values()))
    return Case(experiment, ensemble, flat, grids, planes)


def _survivors(ensemble: Ensemble) -> dict[str, Array]:
    kept = {m: ensemble.weights[m][:, ~ensemble.divergence.mask] for m in MATRICES}
    return {m: w.reshape(len(w), w.shape[1], -1) for m, w in kept.items()}


def _box(samples: Array, names: tuple[str, ...], cells: int) -> Grid:
    axes = len(names) if len(names) <= MOST_AXES else 2
    low, high = samples.min(axis=(0, 1))[:axes], samples.max(axis=(0, 1))[:axes]
    reach = high - low
    shape = tuple(max(FEWEST_CELLS, round(cells * r / reach.max())) for r in reach)
    return Grid(tuple(low - MARGIN * reach), tuple(high + MARGIN * reach), shape, names=names[:axes])


def _part(grid: Grid, axes: int) -> Grid:
    return Grid(grid.lower[:axes], grid.upper[:axes], grid.shape[:axes], names=grid.names[:axes])


def _joined(first: Grid, second: Grid) -> Grid:
    return Grid(
        first.lower + second.lower, first.upper + second.upper, first.shape + second.shape,
        names=first.names + second.names,
    )  # fmt: skip
