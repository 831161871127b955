"""Configuration of the sweep of learning rates and batch sizes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim import datasets
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario.parameters.sections import (
    Data,
    EnsembleSize,
    NetworkShape,
    Positive,
    ScenarioBase,
    Section,
    StartPoint,
)

__all__ = ["SweepScenario", "experiment_of"]

MOST_STEPS = 1e7
MOST_ENTRIES = 4
"""Entries of a matrix: the theory's covariance has as many squared, four times."""


class Sweep(Section):
    """The grid of learning rates and batch sizes, and what all its cells share."""

    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=12)] = (0.0125, 0.025, 0.05)
    batch_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(min_length=2, max_length=12)] = (
        1,
        2,
        4,
    )
    sampling: Literal["iid", "without_replacement"] = "iid"
    weight_decay: Annotated[float, Field(gt=0, le=100)] = 0.3
    end: Positive = 12.0
    """Training time of every cell, from the minimum: long enough for stationary widths."""


class SweepScenario(ScenarioBase):
    """Stationary widths over a grid of learning rates and batch sizes."""

    kind: Literal["sweep"] = "sweep"
    data: Data = Data(source="iris")
    network: NetworkShape = NetworkShape()
    start: StartPoint = StartPoint(mean=(0.9, 0.0))
    sweep: Sweep = Sweep()
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)

    @model_validator(mode="after")
    def _fits(self) -> SweepScenario:
        entries = self.network.bottleneck * self.data.components
        if self.network.activation != "linear" or entries > MOST_ENTRIES:
            raise ValueError(
                f"network.activation = {self.network.activation!r} with {entries} entries a matrix: linear with at "
                f"most {MOST_ENTRIES} (network.bottleneck x data.components) is accepted"
            )
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != entries:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or {entries} are accepted")
        for name in ("learning_rates", "batch_sizes"):
            if np.any(np.diff(getattr(self.sweep, name)) <= 0):
                raise ValueError(f"sweep.{name}: increasing numbers are accepted")
        steps = self.sweep.end / np.array(self.sweep.learning_rates)
        if steps.max() > MOST_STEPS or steps.min() < 1.0:
            raise ValueError(
                f"sweep.end = {self.sweep.end:g} takes {steps.min():.3g} to {steps.max():.3g} steps at these "
                f"learning rates: 1 to {MOST_STEPS:.0e} are accepted"
            )
        return self


def experiment_of(scenario: SweepScenario, learning_rate: float, batch_size: int, start: np.ndarray) -> Experiment:
    """One cell of the grid: weights begin at ``start``, ``W1`` before ``W2``, each in C order."""
    k, d = scenario.network.bottleneck, scenario.data.components
    load = datasets.iris if scenario.data.source == "iris" else datasets.digits
    part = scenario.sweep
    return Experiment(
        load(d),
        BottleneckAutoEncoder(d, k),
        SGD(learning_rate, batch_size, part.sampling, weight_decay=part.weight_decay),
        Start.point({"W1": start[: k * d].reshape(k, d), "W2": start[k * d :].reshape(d, k)}),
    )
