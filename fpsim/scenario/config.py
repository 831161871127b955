"""What a scenario says, as validated immutable values.

A scenario is a TOML file (or the same object built in Python) whose sections are the models below. Unknown keys are
refused, every value is checked, and the resolved configuration is written into the output file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "BottleneckScenario",
    "Comparison",
    "Data",
    "EnsembleSize",
    "NetworkShape",
    "ProblemScenario",
    "RankingScenario",
    "Scenario",
    "ScenarioBase",
    "Sgd",
    "StartPoint",
    "Theory",
    "Time",
]

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Numbers = float | tuple[float, ...]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Data(_Section):
    """The training set."""

    source: Literal["digits", "iris"] = "digits"
    components: Annotated[int, Field(ge=1, le=64)] = 2
    """Leading principal components kept: the input width d of the bottleneck."""


class NetworkShape(_Section):
    """The bottleneck auto-encoder f(x) = W2 phi(W1 x)."""

    bottleneck: Annotated[int, Field(ge=1, le=16)] = 1
    activation: str = "linear"


class Sgd(_Section):
    """One stochastic-gradient-descent experiment."""

    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1)] = 8
    sampling: Literal["iid", "without_replacement", "epochs", "fresh", "shared"] = "iid"
    weight_decay: NonNegative = 0.0
    label_noise: NonNegative = 0.0
    temperature: NonNegative = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


class StartPoint(_Section):
    """Where the weights start: independent normal entries for both matrices."""

    mean: Numbers = 0.0
    """One number, or one per entry of the flattened matrix (the same for both matrices)."""
    std: Positive = 0.1


class EnsembleSize(_Section):
    """How many independent runs, and how many of them are kept in the file."""

    replicas: Annotated[int, Field(ge=100, le=10_000_000)] = 50_000
    stored: Annotated[int, Field(ge=0)] = 2_000


class Time(_Section):
    """Training time t = steps * learning_rate, recorded at ``records`` equal intervals after the start."""

    end: Positive = 10.0
    records: Annotated[int, Field(ge=1, le=10_000)] = 20


class Theory(_Section):
    """The Fokker-Planck side."""

    closures: tuple[Literal["mean-field", "conditional"], ...] = ("mean-field", "conditional")
    order: Literal["sme1", "sme2", "sme2c"] = "sme1"
    cells: Annotated[int, Field(ge=16, le=4096)] = 128
    """Cells along each axis of a weight density."""
    tolerance: Positive = 1e-2
    """Accumulated L1 error allowed to the time stepping."""


class Comparison(_Section):
    """What is compared."""

    probes: Annotated[int, Field(ge=1, le=100)] = 3
    """Number of fixed probe images."""
    theory_samples: Annotated[int, Field(ge=100)] = 20_000
    """Weights drawn from the theory's densities for outputs and losses."""


class ScenarioBase(_Section):
    """What every scenario has."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str = ""
    see: str = ""
    """A paragraph that says what to see in the pictures and the table."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 20250116
    quick: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Values that ``--quick`` puts in place, by section."""


class BottleneckScenario(ScenarioBase):
    """Train an ensemble of bottleneck auto-encoders and hold Fokker-Planck theory against it."""

    kind: Literal["bottleneck"] = "bottleneck"
    data: Data = Data()
    network: NetworkShape = NetworkShape()
    sgd: Sgd = Sgd()
    start: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], StartPoint] = Field(
        default_factory=lambda: {"start": StartPoint()}, min_length=1
    )
    time: Time = Time()
    ensemble: EnsembleSize = EnsembleSize()
    theory: Theory = Theory()
    comparison: Comparison = Comparison()

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
        steps = self.time.end / self.sgd.learning_rate
        if steps < self.time.records:
            raise ValueError(
                f"time.records = {self.time.records} is more than the {steps:.0f} steps of time.end / sgd.learning_rate"
            )
        return self


class Problem(_Section):
    """A Fokker-Planck problem that needs no network."""

    system: Literal["double-well", "rotating-flow"] = "double-well"
    diffusion: Positive = 0.05
    rotation: float = 2.0
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.0


class ProblemScenario(ScenarioBase):
    """Evolve a density in a given drift and hold it against an ensemble of stochastic paths."""

    kind: Literal["problem"] = "problem"
    problem: Problem = Problem()
    start: StartPoint = StartPoint(mean=(-1.0, 0.5), std=0.1)
    time: Time = Time()
    ensemble: EnsembleSize = EnsembleSize()
    theory: Theory = Theory()

    @model_validator(mode="after")
    def _fits(self) -> ProblemScenario:
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        return self


class RankingScenario(ScenarioBase):
    """All closures against one ensemble of the scalar auto-encoder f(x) = v u x."""

    kind: Literal["ranking"] = "ranking"
    sgd: Sgd = Sgd(sampling="fresh", label_noise=0.3, learning_rate=0.02)
    start: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], StartPoint] = Field(
        default_factory=lambda: {"start": StartPoint(mean=(0.8, 0.5))}, min_length=1
    )
    time: Time = Time(end=4.0, records=16)
    ensemble: EnsembleSize = EnsembleSize(replicas=20_000)
    theory: Theory = Theory(cells=96)

    @model_validator(mode="after")
    def _fits(self) -> RankingScenario:
        for name, start in self.start.items():
            if isinstance(start.mean, tuple) and len(start.mean) != 2:
                raise ValueError(
                    f"start.{name}.mean has {len(start.mean)} entries: one number or 2 (u, v) are accepted"
                )
        if self.sgd.sampling != "fresh":
            raise ValueError(f"sgd.sampling = {self.sgd.sampling!r}: fresh samples of a population are accepted here")
        return self


Scenario = Annotated[BottleneckScenario | ProblemScenario | RankingScenario, Field(discriminator="kind")]
