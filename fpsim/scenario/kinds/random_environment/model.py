"""Configuration of the study of random environments."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.diagnostics.random_environment.random_walk import StepProbability
from fpsim.scenario.parameters.sections import Positive, ScenarioBase, Section
from fpsim.support.memory import check_memory

__all__ = ["AutoEncoder", "Features", "Pair", "RandomEnvironmentScenario", "Walk", "check"]

TAIL = 500.0
"""Largest negative logarithm of the probability of the tail."""


class AutoEncoder(Section):
    """Replicas of an auto-encoder on irises that share their mini-batches."""

    components: Annotated[int, Field(ge=1, le=4)] = 2
    bottleneck: Annotated[int, Field(ge=1, le=4)] = 1
    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1, le=150)] = 4
    temperature: Positive = 1e-3
    """Private noise."""
    start: float = 0.5
    spread: Positive = 0.3
    end: Positive = 10.0
    replicas: Annotated[int, Field(ge=64, le=1_000_000)] = 4000
    environments: Annotated[int, Field(ge=1, le=7)] = 3


class Features(Section):
    """Rugged losses in two dimensions: random cosines of a correlation length, on two supports."""

    length: Positive = 0.1
    samples: Annotated[int, Field(ge=100, le=20_000)] = 2000
    wide: Positive = 2.0
    narrow: Positive = 0.02


class Pair(Section):
    """Two replicas of a scalar regression."""

    learning_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    variance: Annotated[float, Field(gt=0, le=4)] = 2.0
    """Variance of the curvature over samples, whose mean is one."""
    temperature: Positive = 0.02
    cells: Annotated[int, Field(ge=64, le=512, multiple_of=2)] = 128
    end: Positive = 1.0
    records: Annotated[int, Field(ge=1, le=50)] = 5


class Walk(Section):
    """A random walk in a space-time random environment."""

    law: Literal["uniform", "two-point"] = "uniform"
    spread: Annotated[float, Field(gt=0, lt=0.5)] = 0.3
    """Of the two-point law."""
    steps: Annotated[tuple[Annotated[int, Field(ge=4, le=1000)], ...], Field(min_length=2, max_length=8)] = (
        25,
        50,
        100,
        200,
        400,
    )
    environments: Annotated[int, Field(ge=1000, le=1_000_000)] = 20_000
    velocity: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Of the tail whose logarithm is looked at."""

    @property
    def environment(self) -> StepProbability:
        """The law as the physics takes it."""
        return StepProbability(self.law, self.spread)


class RandomEnvironmentScenario(ScenarioBase):
    """Replicas that share the mini-batch sequence, and a solvable random environment."""

    kind: Literal["random-environment"] = "random-environment"
    autoencoder: AutoEncoder = AutoEncoder()
    features: Features = Features()
    pair: Pair = Pair()
    walk: Walk = Walk()

    @model_validator(mode="after")
    def _fits(self) -> RandomEnvironmentScenario:
        auto, steps = self.autoencoder, self.walk.steps
        if auto.bottleneck > auto.components:
            raise ValueError(
                f"autoencoder.bottleneck = {auto.bottleneck}: at most autoencoder.components = {auto.components} "
                "are accepted"
            )
        if auto.end < auto.learning_rate:
            raise ValueError(f"autoencoder.end = {auto.end:g}: at least one step of {auto.learning_rate:g} is accepted")
        if any(b <= a for a, b in pairwise(steps)):
            raise ValueError(f"walk.steps = {list(steps)}: increasing numbers are accepted")
        rate = 1.0 - float(np.sqrt(1.0 - self.walk.velocity**2))
        if rate * steps[-1] > TAIL:
            raise ValueError(
                f"walk.velocity = {self.walk.velocity:g} with {steps[-1]} steps: a probability of "
                f"exp(-{rate * steps[-1]:.0f}) is too small; up to {int(TAIL / rate)} steps are accepted"
            )
        return self


def check(scenario: RandomEnvironmentScenario) -> None:
    """Refuse, before any work, what does not fit into memory (``MemoryLimitError``)."""
    auto, walk = scenario.autoencoder, scenario.walk
    weights = 2 * auto.components * auto.bottleneck
    check_memory(40.0 * weights * auto.replicas * (auto.environments + 1), "autoencoder.replicas")
    check_memory(8.0 * 512 * 150 * weights * 4 + 8.0 * 512 * 2 * 4 * scenario.features.samples, "features.samples")
    check_memory(16.0 * walk.environments + 8.0 * max(walk.steps) ** 2, "walk.environments")
