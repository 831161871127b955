"""Exactly quadratic loss in scenarios: its section, and moments of its one weight with errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fpsim.ensemble import Statistics, train
from fpsim.experiment import SGD, Experiment, quadratic_experiment
from fpsim.scenario.parameters.sections import Section

__all__ = ["MomentSeries", "Quadratic", "moments_through_training"]

Array = NDArray[np.float64]


class Quadratic(Section):
    """The loss ``curvature * b^2 / 2`` with additive noise (see `fpsim.experiment.quadratic_experiment`)."""

    curvature: Annotated[float, Field(ge=1e-6, le=1e6)] = 0.3
    noise: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """Standard deviation of the per-sample gradient."""
    samples: Annotated[int, Field(ge=2, le=100_000)] = 64

    def experiment(self, sgd: SGD, start: float = 0.0) -> Experiment:
        """One weight ``b`` that starts at ``start``; the minimum is at zero."""
        return quadratic_experiment(sgd, curvature=self.curvature, noise=self.noise, samples=self.samples, start=start)


@dataclass(frozen=True, eq=False)
class MomentSeries:
    """Mean and variance of ``b`` at the recorded steps, each with its standard error, shape (T,)."""

    mean: Array
    mean_error: Array
    variance: Array
    variance_error: Array


def moments_through_training(
    experiment: Experiment,
    *,
    replicas: int,
    steps: Sequence[int],
    seed: int,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> MomentSeries:
    """Train a quadratic experiment and stream the moments of its weight.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt; the stage is done again when the run goes on.
    """
    ensemble = train(
        experiment,
        replicas=replicas,
        steps=list(steps),
        rng=seed,
        record=(),
        statistics=Statistics(),
        threads=threads,
        progress=progress,
    )
    if ensemble.interrupted or ensemble.statistics is None:
        raise KeyboardInterrupt
    found = ensemble.statistics
    i = found.index("W2[1,0]")
    variance = found.covariance[:, i, i]
    spread = np.sqrt(np.maximum(found.fourth[:, i] - variance**2, 0.0))
    return MomentSeries(found.mean[:, i], found.mean_error[:, i], variance, spread / np.sqrt(found.count))
