"""Configuration of the bottleneck study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fpsim.scenario.parameters.sections import (
    ComparisonSection,
    Data,
    EnsembleSize,
    NetworkShape,
    ScenarioBase,
    Sgd,
    StartName,
    StartPoint,
    Theory,
    Time,
)

__all__ = ["BottleneckComparison", "BottleneckScenario"]


class BottleneckComparison(ComparisonSection):
    """What is compared."""

    measured: Annotated[int, Field(ge=0)] = 2_000
    """Replicas behind the table of all distances at all times; 0 leaves it out."""
    svag: Annotated[int, Field(ge=2, le=1000)] = 8
    """``l`` of the SVAG ensemble that stands for the first-order modified equation in the error budget."""


class BottleneckScenario(ScenarioBase):
    """Train an ensemble of bottleneck auto-encoders and hold Fokker-Planck theory against it."""

    kind: Literal["bottleneck"] = "bottleneck"
    data: Data = Data()
    network: NetworkShape = NetworkShape()
    sgd: Sgd = Sgd()
    start: dict[StartName, StartPoint] = Field(default_factory=lambda: {"start": StartPoint()}, min_length=1)
    time: Time = Time()
    ensemble: EnsembleSize = EnsembleSize()
    theory: Theory = Theory()
    comparison: BottleneckComparison = BottleneckComparison()

    @model_validator(mode="after")
    def _fits(self) -> BottleneckScenario:
        entries = self.network.bottleneck * self.data.components
        if entries > 3:
            raise ValueError(
                f"each bottleneck matrix has {entries} entries (network.bottleneck x data.components): "
                "densities of at most 3 entries are accepted"
            )
        for name, start in self.start.items():
            if isinstance(start.mean, tuple) and len(start.mean) != entries:
                raise ValueError(
                    f"start.{name}.mean has {len(start.mean)} entries: one number or {entries} are accepted"
                )
        if self.theory.order != "sme1":
            raise ValueError(f"theory.order = {self.theory.order!r}: closures of one matrix are those of sme1")
        if 0 < self.comparison.measured < 100:
            raise ValueError(f"comparison.measured = {self.comparison.measured}: 0 (no table), or 100 and more")
        steps = self.time.end / self.sgd.learning_rate
        if abs(steps - round(steps)) > 1e-6:
            eta = self.sgd.learning_rate
            near = f"{int(steps) * eta:.10g} or {(int(steps) + 1) * eta:.10g}"
            raise ValueError(
                f"time.end = {self.time.end} is no multiple of sgd.learning_rate = {eta}: {near} is accepted"
            )
        if round(steps) < self.time.records:
            raise ValueError(
                f"time.records = {self.time.records} is more than the {steps:.0f} steps of time.end / sgd.learning_rate"
            )
        return self
