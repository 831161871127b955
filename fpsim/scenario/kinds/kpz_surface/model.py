"""Configuration of the study of growing surfaces."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.scenario.parameters.sections import Positive, ScenarioBase, Section
from fpsim.support.memory import check_memory

__all__ = ["Growth", "KPZSurfaceScenario", "Roughness", "Schemes", "check"]

EvenSize = Annotated[int, Field(ge=8, le=65536, multiple_of=2)]
Replicas = Annotated[int, Field(ge=64, le=1_000_000)]


class Growth(Section):
    """Surfaces that grow from a flat start, without and with the nonlinearity."""

    size: EvenSize = 1024
    replicas: Replicas = 2048
    tension: Positive = 1.0
    noise: Positive = 1.0
    nonlinearity: Annotated[float, Field(gt=0, le=20)] = 3.0
    first: Positive = 4.0
    """First recorded time; each later one is twice the one before."""
    times: Annotated[int, Field(ge=4, le=12)] = 5


class Roughness(Section):
    """Saturated widths of several sizes."""

    sizes: Annotated[tuple[EvenSize, ...], Field(min_length=2, max_length=8)] = (16, 32, 64, 128)
    replicas: Replicas = 2048


class Schemes(Section):
    """Two discretisations of the squared slope, from the stationary state on."""

    size: EvenSize = 64
    replicas: Replicas = 4096
    end: Positive = 60.0
    times: Annotated[int, Field(ge=2, le=100)] = 6


class KPZSurfaceScenario(ScenarioBase):
    """Edwards-Wilkinson and Kardar-Parisi-Zhang surfaces against exact and universal statements."""

    kind: Literal["kpz-surface"] = "kpz-surface"
    growth: Growth = Growth()
    roughness: Roughness = Roughness()
    schemes: Schemes = Schemes()

    @model_validator(mode="after")
    def _fits(self) -> KPZSurfaceScenario:
        last = self.growth.first * 2.0 ** (self.growth.times - 1)
        correlated = 4.0 * (last * self.growth.tension) ** (2.0 / 3.0)
        if self.growth.size < correlated:
            raise ValueError(
                f"growth.size = {self.growth.size} saturates before the last time {last:g}: "
                f"{int(np.ceil(correlated))} or more is accepted"
            )
        if any(b <= a for a, b in pairwise(self.roughness.sizes)):
            raise ValueError(f"roughness.sizes = {list(self.roughness.sizes)}: increasing sizes are accepted")
        return self


def check(scenario: KPZSurfaceScenario) -> None:
    """Refuse, before any work, what does not fit into memory (``MemoryLimitError``)."""
    growth = scenario.growth
    check_memory(24.0 * growth.size * growth.replicas, "growth.size x growth.replicas")
    check_memory(24.0 * max(scenario.roughness.sizes) * scenario.roughness.replicas, "roughness.replicas")
    check_memory(24.0 * scenario.schemes.size * scenario.schemes.replicas, "schemes.replicas")
