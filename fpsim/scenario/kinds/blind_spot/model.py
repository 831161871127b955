"""Configuration of the blind-spot study, its experiment, and the laws that are compared."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.datasets import GaussianPopulation
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario.parameters.sections import (
    EnsembleSize,
    Positive,
    ScenarioBase,
    Section,
    Sgd,
    StartPoint,
    Theory,
    Time,
)

__all__ = ["LAWS", "NETWORK", "QUANTITIES", "BlindSpotScenario", "experiment_of"]

NETWORK = BottleneckAutoEncoder(2, 1)
LAWS = ("joint", "paired at random", "mean-field")
QUANTITIES = ("density W1", "density W2", "output at the probe", "loss", "pooled outputs")


class Population(Section):
    """Gaussian data, and where the output is probed."""

    variances: tuple[Positive, Positive] = (2.0, 0.8)
    probe: tuple[float, float] = (1.0, 1.0)


class Reference(Section):
    """The ensemble that stands for the modified equation."""

    svag: Annotated[int, Field(ge=2, le=1000)] = 4
    """``l`` of SVAG: its law tends to that of the equation with error O(1 / l)."""


class BlindSpotScenario(ScenarioBase):
    """Pooled outputs, probes, losses and weights of three laws against one ensemble."""

    kind: Literal["blind-spot"] = "blind-spot"
    population: Population = Population()
    sgd: Sgd = Sgd(learning_rate=0.02, batch_size=8, sampling="fresh", label_noise=0.3)
    start: StartPoint = StartPoint(mean=(0.9, 0.3), std=0.1)
    time: Time = Time(end=4.0, records=4)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)
    theory: Theory = Theory(closures=("mean-field",), cells=96)
    reference: Reference = Reference()

    @model_validator(mode="after")
    def _fits(self) -> BlindSpotScenario:
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        if self.sgd.sampling != "fresh":
            raise ValueError(f"sgd.sampling = {self.sgd.sampling!r}: fresh samples of the population are accepted here")
        if self.time.end / self.sgd.learning_rate < 1.0:
            raise ValueError(f"time.end = {self.time.end} is shorter than one step: a longer time is accepted")
        return self


def experiment_of(scenario: BlindSpotScenario) -> Experiment:
    """The experiment a scenario describes."""
    mean = np.resize(scenario.start.mean, 2)
    return Experiment(
        GaussianPopulation(np.diag(scenario.population.variances)),
        NETWORK,
        SGD(**scenario.sgd.model_dump()),
        Start.gaussian({"W1": mean.reshape(1, 2), "W2": mean.reshape(2, 1)}, scenario.start.std),
    )
