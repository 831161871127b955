"""Configuration of the auto-encoder study: data, runs of SGD, times, ensemble and grid."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.datasets import Dataset, digits, iris
from fpsim.diagnostics import callan_symanzik as cs
from fpsim.equation import FokkerPlanck
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.scenario.parameters.sections import EnsembleSize, Positive, ScenarioBase, Section, StartName, Time
from fpsim.support.memory import check_memory
from fpsim.theory import ScalarNetwork, scales_of

__all__ = ["CallanSymanzikAutoEncoder", "SgdRun", "TrainingSet", "check"]

Array = NDArray[np.float64]
DECAY = 0.1
"""Largest decay in one step: three times this share of what order one leaves is allowed to order two, which must be
able to fail."""


class TrainingSet(Section):
    """The training set; its leading principal component is kept, ``d = k = 1``."""

    source: Literal["digits", "iris"] = "digits"


class SgdRun(Section):
    """One run of SGD from ``W1 = W2 = sqrt(w)`` with ``ln w`` normal."""

    learning_rate: Positive = 0.05
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    log_mean: Annotated[float, Field(ge=-6, le=-1)] = -3.0
    log_std: Annotated[float, Field(gt=0, le=1)] = 0.22

    @property
    def noise(self) -> float:
        """Learning rate over batch size."""
        return self.learning_rate / self.batch_size


class Engine(Section):
    """Densities on a grid."""

    cells: Annotated[int, Field(ge=512, le=16_384, multiple_of=4)] = 4096
    """Cells in ``ln w``."""
    tolerance: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    """Accumulated L1 error allowed to the time stepping."""


class Couplings(Section):
    """What R1 claims to be closed."""

    family: Literal["lognormal", "gaussian"] = "lognormal"
    """Law of the output; the target is a coupling of its own."""


class CallanSymanzikAutoEncoder(ScenarioBase):
    """Does the flow of the auto-encoder's outputs stay in a family of two couplings?"""

    kind: Literal["callan-symanzik-autoencoder"] = "callan-symanzik-autoencoder"
    data: TrainingSet = TrainingSet()
    couplings: Couplings = Couplings()
    run: dict[StartName, SgdRun] = Field(
        default_factory=lambda: {
            "reference": SgdRun(),
            "wide": SgdRun(learning_rate=0.1, batch_size=2, log_mean=-2.7, log_std=0.32),
            "narrow": SgdRun(log_mean=-3.5, log_std=0.14),
            "held_out": SgdRun(learning_rate=0.1, batch_size=2, log_mean=-2.8, log_std=0.25),
            "noisy": SgdRun(learning_rate=0.1),
        },
        min_length=4,
    )
    """All but the last have one ratio of learning rate to batch size; the last but one is held out."""
    time: Time = Time(end=3.2, records=32)
    ensemble: EnsembleSize = EnsembleSize(replicas=100_000)
    theory: Engine = Engine()

    @model_validator(mode="after")
    def _fits(self) -> CallanSymanzikAutoEncoder:
        if self.time.records % 8:
            raise ValueError(f"time.records = {self.time.records}: a multiple of 8 is accepted (Simpson, and halves)")
        *same, last = self.run.values()
        if not np.allclose([r.noise for r in same], same[0].noise) or np.isclose(last.noise, same[0].noise):
            raise ValueError(
                f"run: learning_rate / batch_size are {[r.noise for r in self.run.values()]}: one value for all but "
                "the last and another one for the last are accepted"
            )
        interval = self.time.end / self.time.records
        for name, run in self.run.items():
            steps = interval / run.learning_rate
            if round(steps) < 1 or not np.isclose(steps, round(steps)):
                raise ValueError(
                    f"run.{name}.learning_rate = {run.learning_rate}: a divisor of time.end / time.records = "
                    f"{interval:g} is accepted"
                )
        name, first = next(iter(self.run.items()))
        if self.decay > DECAY * (1.0 + 1e-9):
            raise ValueError(
                f"run.{name}.learning_rate = {first.learning_rate:g} decays by {self.decay:.3g} in one step at the "
                f"valley, so that I2 of order two could not fail: up to {first.learning_rate * DECAY / self.decay:.3g} "
                "is accepted"
            )
        return self

    @property
    def decay(self) -> float:
        """Decay of the error in one step of the first run at the valley, ``2 c learning_rate``."""
        return 2.0 * self.second_moment * next(iter(self.run.values())).learning_rate

    @property
    def second_moment(self) -> float:
        """``c`` of the training set."""
        return float(_training_set(self.data.source).second_moment[0, 0])

    @property
    def times(self) -> Array:
        """Recorded times."""
        return np.linspace(0.0, self.time.end, self.time.records + 1)

    @property
    def time_coordinate(self) -> tuple[str, Array, dict[str, str]]:
        """Time as a coordinate."""
        return ("time", self.times, {"long_name": "training time, steps x learning rate", "units": "1"})

    @property
    def error_family(self) -> cs.ParametricFamily:
        """Of the error ``w - 1``, for R1."""
        return cs.lognormal2(target=1.0) if self.couplings.family == "lognormal" else cs.ornstein_uhlenbeck()

    def experiment(self, run: SgdRun) -> Experiment:
        """The network, its data and the rule of training; the start is made by :func:`stages`."""
        mean = float(np.exp(0.5 * run.log_mean))
        sgd = SGD(learning_rate=run.learning_rate, batch_size=run.batch_size)
        return Experiment(_training_set(self.data.source), BottleneckAutoEncoder(1, 1), sgd, Start.gaussian(mean, 0.0))

    def network(self, run: SgdRun) -> ScalarNetwork:
        """The same in ``w = W2 W1`` and ``q = W1^2 - W2^2``."""
        experiment = self.experiment(run)
        c, kappa = experiment.data.second_moment[0, 0], experiment.data.product_covariance[0, 0, 0, 0]
        return ScalarNetwork(float(c), float(kappa), scales_of(experiment))

    def leaf_equation(self, run: SgdRun) -> FokkerPlanck:
        """Equation of ``x = ln w`` on the balanced leaf ``q = 0``, where the runs start."""
        network, balanced = self.network(run), np.zeros(1)

        def drift(x: Array) -> Array:
            w = np.exp(x)
            return network.drift(w, balanced)[0] / w - network.diffusion(w, balanced)[0] / w**2

        return FokkerPlanck(drift=drift, diffusion=lambda x: network.diffusion(np.exp(x), balanced)[0] / np.exp(2 * x))


@cache
def _training_set(source: str) -> Dataset:
    return digits(components=1) if source == "digits" else iris(components=1)


def check(scenario: CallanSymanzikAutoEncoder) -> None:
    """Refuse an ensemble that does not fit into memory."""
    n = 2.0 * (scenario.time.records + 1) * scenario.ensemble.replicas
    check_memory(24.0 * n, f"ensemble.replicas = {scenario.ensemble.replicas}")
    for run in scenario.run.values():
        scenario.experiment(run)
