"""Configuration of the Ornstein-Uhlenbeck study: the process, its runs, times, ensemble and grid."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.density import Grid
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.scenario.parameters.sections import EnsembleSize, Positive, ScenarioBase, Section, StartName, Time
from fpsim.support.errors import ConfigError
from fpsim.support.memory import check_memory

__all__ = ["INPUTS", "CallanSymanzikOU", "RunStart", "check"]

Array = NDArray[np.float64]
INPUTS = (1.0, -2.0)


class Process(Section):
    """The linear process ``dW = -relaxation (W - target) dt + sqrt(2 diffusion) dB``; the diffusion is each run's."""

    relaxation: Positive = 1.3
    target: float = 0.5


class RunStart(Section):
    """One run: where the distance from the target starts, and how strong the noise is (learning rate over batch)."""

    mean: float = 1.0
    std: Positive = 0.22
    diffusion: Positive = 0.05


class Engine(Section):
    """Densities on a grid."""

    cells: Annotated[int, Field(ge=64, le=8192, multiple_of=4)] = 512
    tolerance: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    """Accumulated L1 error allowed to the time stepping."""


class CallanSymanzikOU(ScenarioBase):
    """Beta functions of the Ornstein-Uhlenbeck process from three sources against their closed form."""

    kind: Literal["callan-symanzik-ou"] = "callan-symanzik-ou"
    process: Process = Process()
    run: dict[StartName, RunStart] = Field(
        default_factory=lambda: {
            "reference": RunStart(),
            "wide": RunStart(mean=0.8, std=0.5),
            "narrow": RunStart(mean=0.3, std=0.14),
            "noisy": RunStart(mean=0.7, std=0.3, diffusion=0.1),
        },
        min_length=4,
    )
    """The last one is held out: beta functions fitted to the others must predict it."""
    time: Time = Time(end=1.6, records=16)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)
    theory: Engine = Engine()

    @model_validator(mode="after")
    def _fits(self) -> CallanSymanzikOU:
        if self.time.records % 4 or self.time.records < 8:
            raise ValueError(f"time.records = {self.time.records}: a multiple of 4 from 8 on is accepted (Simpson)")
        if any(run.mean == 0.0 for run in self.run.values()):
            raise ValueError("run.mean = 0: another number is accepted, since the sign of Z is that of the mean")
        return self

    @property
    def times(self) -> Array:
        """Recorded times."""
        return np.linspace(0.0, self.time.end, self.time.records + 1)

    @property
    def clock(self) -> Array:
        """``s = lambda t``."""
        return self.process.relaxation * self.times

    def process_of(self, run: RunStart) -> cs.OrnsteinUhlenbeck:
        """The process of a run."""
        return cs.OrnsteinUhlenbeck(self.process.relaxation, run.diffusion, self.process.target)

    def family_of(self, run: RunStart) -> cs.ParametricFamily:
        """Gaussian amplitudes with the run's noise as a coupling."""
        return cs.ornstein_uhlenbeck(noise=self.process_of(run).noise, inputs=INPUTS)

    @property
    def outputs(self) -> cs.Outputs:
        """Errors ``x (w - w*)`` of a linear output at two inputs."""
        return cs.Outputs(lambda w: [x * (w - self.process.target) for x in INPUTS])

    @property
    def grid(self) -> Grid:
        """Seven standard deviations around all runs."""
        reach = max(abs(r.mean) + 7.0 * max(r.std, self.process_of(r).noise ** 0.5) for r in self.run.values())
        return Grid.box((self.process.target - reach, self.process.target + reach, self.theory.cells), names=("w",))

    @property
    def time_coordinate(self) -> tuple[str, Array, dict[str, str]]:
        """Time as a coordinate."""
        return ("time", self.times, {"long_name": "time", "units": "1"})


def check(scenario: CallanSymanzikOU) -> None:
    """Refuse an ensemble that does not fit into memory, starts too narrow for the grid, runs that share no coupling."""
    n = (scenario.time.records + 1) * len(scenario.run)
    check_memory(16.0 * n * scenario.ensemble.replicas, f"ensemble.replicas = {scenario.ensemble.replicas}")
    h = scenario.grid.spacing[0]
    for name, run in scenario.run.items():
        narrowest = min(run.std, scenario.process_of(run).noise ** 0.5)
        if narrowest < 2.0 * h:
            raise ConfigError(
                f"run.{name}: a density {narrowest:.3g} wide on cells of {h:.3g}: twice as wide or more is accepted; "
                "theory.cells makes cells smaller"
            )
    ranges = [
        scenario.process_of(run).couplings(run.mean, run.std**2, scenario.times)[[0, -1], 1]
        for run in scenario.run.values()
    ]
    low, high = max(min(r) for r in ranges), min(max(r) for r in ranges)
    if not low < high:
        raise ConfigError(
            f"run: the couplings g of the runs leave {low:.3g} ... {high:.3g}: runs that pass a common value are "
            "accepted; a longer time.end, or starts of similar mean over std"
        )
