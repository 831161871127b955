"""Configuration of the momentum study."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.scenario.sections import EnsembleSize, Positive, ScenarioBase, Section
from fpsim.scenario.shared.quadratic import Quadratic

__all__ = ["LABEL_OF", "MomentumScenario"]

Momentum = Annotated[float, Field(ge=0, lt=1)]
LABEL_OF = {"exact": "exact", "underdamped": "underdamped equation", "effective": "effective learning rate"}


class Rule(Section):
    """How it is trained."""

    learning_rate: Positive = 0.1
    batch_size: Annotated[int, Field(ge=1)] = 4
    momenta: Annotated[tuple[Momentum, ...], Field(min_length=2, max_length=40)] = (0.0, 0.5, 0.9)
    """Momenta whose stationary variances are measured."""
    path: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Momentum whose way to the minimum is recorded."""
    start: Annotated[float, Field(ge=-1e6, le=1e6)] = 2.0
    """Weight at the start of that way; the minimum is at zero."""
    steps: Annotated[int, Field(ge=2, le=100_000)] = 120
    """Steps of that way."""


class MomentumScenario(ScenarioBase):
    """Stationary variance over momenta, and the way to it."""

    kind: Literal["momentum"] = "momentum"
    problem: Quadratic = Quadratic(curvature=1.0)
    sgd: Rule = Rule()
    ensemble: EnsembleSize = EnsembleSize(replicas=50_000)

    @model_validator(mode="after")
    def _fits(self) -> MomentumScenario:
        reach = self.sgd.learning_rate * self.problem.curvature
        limit = 2.0 * (1.0 + min(*self.sgd.momenta, self.sgd.path))
        if not 1e-6 < reach < limit:
            raise ValueError(
                f"sgd.learning_rate x problem.curvature = {reach:.4g}: 1e-6 to {limit:.4g} = 2 (1 + least momentum) is "
                "accepted"
            )
        if np.any(np.diff(self.sgd.momenta) <= 0.0) or self.sgd.momenta[-1] > 0.9999:
            raise ValueError("sgd.momenta: increasing numbers up to 0.9999 are accepted")
        return self

    @property
    def noise(self) -> float:
        """Variance of the mini-batch gradient."""
        return self.problem.noise**2 / self.sgd.batch_size
