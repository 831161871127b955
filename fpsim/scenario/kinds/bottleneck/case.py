"""One start of a bottleneck run: its experiment and ensemble, the grids of its matrices, closures solved on them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim import datasets
from fpsim.closures import conditional, mean_field
from fpsim.density import Density, Grid, gaussian
from fpsim.ensemble import Ensemble
from fpsim.equation import FokkerPlanck
from fpsim.evolution import Evolution, evolve
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario.kinds.bottleneck.model import BottleneckScenario
from fpsim.scenario.parameters.sections import StartPoint
from fpsim.scenario.records import entry_names
from fpsim.support.errors import DomainError, ValidityWarning

__all__ = ["MATRICES", "Case", "case_of", "experiment_of"]

Array = NDArray[np.float64]
MATRICES: tuple[Literal["W1", "W2"], ...] = ("W1", "W2")
FEWEST_ALIVE = 2
"""Replicas that must survive for there to be a law of them."""
MARGIN = 0.2
"""Share of the ensemble's range by which the grid reaches beyond it on each side."""


def experiment_of(scenario: BottleneckScenario, start: StartPoint) -> Experiment:
    """The experiment a scenario describes, for one of its starts."""
    data = getattr(datasets, scenario.data.source)(components=scenario.data.components)
    network = BottleneckAutoEncoder(
        d=scenario.data.components, k=scenario.network.bottleneck, activation=scenario.network.activation
    )
    shapes = network.shapes
    mean: dict[str, ArrayLike] = {m: np.resize(start.mean, shapes[m]) for m in MATRICES}
    return Experiment(
        data=data,
        network=network,
        sgd=SGD(**scenario.sgd.model_dump()),
        start=Start.gaussian(mean, start.std),
    )


@dataclass(frozen=True, eq=False)
class Case:
    """One start: the experiment, its ensemble and the grids of the two matrices."""

    name: str
    start: StartPoint
    experiment: Experiment
    ensemble: Ensemble
    samples: Mapping[str, Array]
    grids: Mapping[str, Grid]

    @property
    def times(self) -> Array:
        """Recorded times (T,)."""
        return self.ensemble.times

    @property
    def data(self) -> datasets.Dataset:
        """The training set."""
        assert isinstance(self.experiment.data, datasets.Dataset)
        return self.experiment.data

    @cached_property
    def _equations(self) -> dict[str, tuple[FokkerPlanck, ...]]:
        return {}

    def equations(self, closure: str) -> tuple[FokkerPlanck, ...]:
        """Equations of both matrices under a closure."""
        if closure not in self._equations:
            self._equations[closure] = (
                tuple(mean_field(self.experiment, m) for m in MATRICES)
                if closure == "mean-field"
                else tuple(conditional(self.experiment, m, self.ensemble) for m in MATRICES)
            )
        return self._equations[closure]

    def solve(
        self,
        closure: str,
        *,
        tolerance: float,
        threads: int | None,
        wider: int = 1,
        last: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Evolution:
        """Densities of both matrices under a closure; mean field couples the two equations, the others do not.

        Parameters
        ----------
        wider : int
            Factor by which cells are wider than the run's.
        last : bool
            Answer the last time alone, without an estimate of the grid's error and without its warnings: for solutions
            that are coarse on purpose.
        """
        grids = [g.with_shape([n // wider for n in g.shape]) for g in (self.grids[m] for m in MATRICES)]
        begin: tuple[Density, ...] = tuple(gaussian(g, self.start.mean, self.start.std**2) for g in grids)
        with warnings.catch_warnings():
            if last:
                warnings.simplefilter("ignore", ValidityWarning)
            return evolve(
                self.equations(closure),
                begin,
                self.times[-1:] if last else self.times,
                tolerance=tolerance,
                threads=threads,
                progress=progress,
                estimate_grid_error=not last,
            )


def case_of(scenario: BottleneckScenario, name: str, start: StartPoint, ensemble: Ensemble) -> Case:
    """A start with its ensemble: replicas that survived, and grids that hold all they ever reached.

    Raises
    ------
    DomainError
        If fewer than two replicas survived.
    """
    experiment, alive = ensemble.experiment, ~ensemble.divergence.mask
    assert experiment is not None
    if alive.sum() < FEWEST_ALIVE:
        raise DomainError(
            f"start.{name}: {ensemble.divergence.count} of {alive.size} replicas diverged, the first at step "
            f"{ensemble.divergence.first_step}; a smaller sgd.learning_rate or sgd.temperature is accepted"
        )
    samples: dict[str, Array] = {
        m: ensemble.weights[m][:, alive].reshape(len(ensemble.times), int(alive.sum()), -1) for m in MATRICES
    }
    grids: dict[str, Grid] = {
        m: _grid(samples[m], entry_names(m, experiment.network.shapes[m]), scenario.theory.cells) for m in MATRICES
    }
    return Case(name, start, experiment, ensemble, samples, grids)


def _grid(samples: Array, names: tuple[str, ...], cells: int) -> Grid:
    """Box around everything the replicas ever reached, with a margin, in nearly cubic cells."""
    low, high = samples.min(axis=(0, 1)), samples.max(axis=(0, 1))
    reach = high - low
    return Grid(
        tuple(low - MARGIN * reach),
        tuple(high + MARGIN * reach),
        tuple(max(16, round(cells * r / reach.max())) for r in reach),
        names=names,
    )
