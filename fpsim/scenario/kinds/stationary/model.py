"""Configuration of the study of the stationary law."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.datasets import GaussianPopulation
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario.parameters.sections import EnsembleSize, Positive, ScenarioBase, Section, StartPoint, Time
from fpsim.theory import collapse_threshold

__all__ = ["VARIANCE", "Law", "StationaryScenario", "experiment_of", "moments"]

VARIANCE = 1.0
"""Variance of the data: it only sets the unit of time."""
MOST_STEPS = 1e8


class Law(Section):
    """One experiment that has a stationary law."""

    learning_rate: Positive = 0.00125
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    label_noise: Annotated[float, Field(ge=1e-3, le=1e4)] = 20.0
    svag_l: Annotated[int, Field(ge=1, le=4096)] = 1
    """Steps are divided by this and their noise kept, which brings SGD closer to its diffusion limit."""


class Collapse(Section):
    """Learning rates on both sides of the threshold, with batch size and label noise of the law, without SVAG."""

    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=40)] = (0.00125, 0.0025, 0.005)
    end: Positive = 30.0
    growth_end: Annotated[float, Field(gt=0, le=5)] = 2.0
    """Time over which growth near ``w = 0`` is measured."""
    replicas: Annotated[int, Field(ge=100, le=1_000_000)] = 2_000


class StationaryScenario(ScenarioBase):
    """An ensemble of scalar auto-encoders against its exact stationary law."""

    kind: Literal["stationary"] = "stationary"
    law: Law = Law()
    start: StartPoint = StartPoint(mean=(1.1, 0.8), std=0.1)
    time: Time = Time(end=12.0, records=12)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000, stored=1_500)
    collapse: Collapse = Collapse()

    @model_validator(mode="after")
    def _fits(self) -> StationaryScenario:
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 (u, v) are accepted")
        limit = collapse_threshold(*moments(self.law)) * self.law.batch_size
        if not self.law.learning_rate < limit:
            raise ValueError(
                f"law.learning_rate = {self.law.learning_rate:g} has no stationary law: below the threshold "
                f"{limit:.4g} = 2 batch_size / (2 + label_noise^2) is accepted"
            )
        steps = self.time.end * self.law.svag_l / self.law.learning_rate
        if steps < self.time.records:
            raise ValueError(f"time.records = {self.time.records} is more than the {steps:.0f} steps of the training")
        longest = max(steps, self.collapse.end / min(self.collapse.learning_rates))
        if longest > MOST_STEPS:
            raise ValueError(
                f"time.end and collapse.end need {longest:.3g} steps: at most {MOST_STEPS:.0e} are accepted"
            )
        if np.any(np.diff(self.collapse.learning_rates) <= 0.0):
            raise ValueError("collapse.learning_rates: increasing numbers are accepted")
        if self.collapse.growth_end < self.collapse.learning_rates[-1]:
            raise ValueError("collapse.growth_end is shorter than one step of the largest collapse.learning_rates")
        return self


def moments(law: Law) -> tuple[float, float, float]:
    """``c = E x^2``, ``kappa = Var x^2`` of normal data, and ``s0 = c label_noise^2``."""
    return VARIANCE, 2.0 * VARIANCE**2, VARIANCE * law.label_noise**2


def experiment_of(law: Law, start: Start, **changes: Any) -> Experiment:
    """The scalar auto-encoder on fresh normal data."""
    sgd = SGD(law.learning_rate, law.batch_size, "fresh", label_noise=law.label_noise)
    if law.svag_l > 1:
        changes = {"noise": "svag", "svag_l": law.svag_l} | changes
    return Experiment(
        GaussianPopulation(np.array([VARIANCE])), BottleneckAutoEncoder(1, 1), SGD(**{**sgd.__dict__, **changes}), start
    )
