"""Configuration of the study of shuffled epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.scenario.parameters.sections import EnsembleSize, Positive, ScenarioBase, Section
from fpsim.scenario.quadratic import Quadratic

if TYPE_CHECKING:
    from fpsim.experiment.settings import Sampling

__all__ = ["LABEL_OF", "SAMPLINGS", "EpochsScenario"]

SAMPLINGS: tuple[Sampling, ...] = ("iid", "without_replacement", "epochs")
LABEL_OF = {"iid": "independent, iid", "without_replacement": "independent, distinct", "epochs": "shuffled epochs"}


class Epochs(Section):
    """How it is trained."""

    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1)] = 4
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 12
    """Epochs through which the variance is recorded at every step."""
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=40)] = (0.025, 0.05, 0.1)
    """Learning rates of the second part."""


class EpochsScenario(ScenarioBase):
    """Shuffled epochs against independent batches."""

    kind: Literal["epochs"] = "epochs"
    problem: Quadratic = Quadratic()
    sgd: Epochs = Epochs()
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)

    @model_validator(mode="after")
    def _fits(self) -> EpochsScenario:
        batch, samples = self.sgd.batch_size, self.problem.samples
        if samples % batch or samples == batch:
            raise ValueError(
                f"sgd.batch_size = {batch}: a divisor of problem.samples = {samples} that is smaller is accepted"
            )
        limit = 2.0 / self.problem.curvature
        if max(self.sgd.learning_rate, *self.sgd.learning_rates) >= limit:
            raise ValueError(f"learning rates below 2 / problem.curvature = {limit:.4g} are accepted")
        if min(self.sgd.learning_rates) * self.problem.curvature < 1e-6:
            raise ValueError("sgd.learning_rates: products with problem.curvature from 1e-6 on are accepted")
        if np.any(np.diff(self.sgd.learning_rates) <= 0.0):
            raise ValueError("sgd.learning_rates: increasing numbers are accepted")
        return self

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return self.problem.samples // self.sgd.batch_size
