"""Sections of parameters that studies of networks share: starts, theories, what is compared; and times of training."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from fpsim.scenario.parameters.sections import Positive, Section, Sgd, StartPoint, Time

__all__ = ["Compared", "StartLaw", "Theory", "entries_of", "recorded_steps"]

FEWEST_MEASURED = 100


class StartLaw(StartPoint):
    """Where the weights start, and how finely the joint law follows from there.

    Fewer means than entries of a matrix are followed by zeros.
    """

    width: Positive = 0.1
    """Width that a component of the joint law may have."""


class Theory(Section):
    """What is held against SGD."""

    laws: tuple[str, ...] = ("joint", "conditional", "mean-field")
    """The joint law of all weights, and closures of one matrix."""
    order: Literal["sme1", "sme2"] = "sme2"
    """Order of the modified equation in the joint law; closures of one matrix have the first."""
    components: Annotated[int, Field(ge=64, le=2**20)] = 16_384
    """Components of the joint law."""
    cells: Annotated[int, Field(ge=16, le=4096)] = 128
    """Cells along each axis of a weight density."""
    tolerance: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    """Accumulated L1 error allowed to the time steps of a density on a grid."""


class Compared(Section):
    """What is compared."""

    probes: Annotated[int, Field(ge=1, le=100)] = 3
    """Fixed samples whose outputs are compared."""
    theory_samples: Annotated[int, Field(ge=100)] = 20_000
    """Weights drawn from a theory for outputs and losses."""
    measured: Annotated[int, Field(ge=0)] = 2_000
    """Replicas behind the table of all distances at the last time; 0 leaves it out."""
    svag: Annotated[int, Field(ge=2, le=1000)] = 8
    """``l`` of the SVAG ensemble that stands for the first-order modified equation in the error budget."""
    paired_at_random: bool = False
    """Outputs of closures as well, of matrices drawn independently of each other."""

    @field_validator("measured")
    @classmethod
    def _none_or_enough(cls, measured: int) -> int:
        if 0 < measured < FEWEST_MEASURED:
            raise ValueError(f"comparison.measured = {measured}: 0 (no table), or {FEWEST_MEASURED} and more")
        return measured


def entries_of(start: StartPoint, entries: int, *, key: str) -> NDArray[np.float64]:
    """Mean of every entry of a matrix.

    Raises
    ------
    ValueError
        If there are more means than entries.
    """
    if not isinstance(start.mean, tuple):
        return np.full(entries, float(start.mean))
    if len(start.mean) > entries:
        raise ValueError(f"{key}.mean has {len(start.mean)} entries: one number or up to {entries} are accepted")
    return np.pad(np.array(start.mean), (0, entries - len(start.mean)))


def recorded_steps(time: Time, sgd: Sgd) -> list[int]:
    """Steps at the recorded times, the start included.

    Raises
    ------
    ValueError
        If the end is no multiple of the learning rate, or there are more records than steps.
    """
    eta, steps = sgd.learning_rate, time.end / sgd.learning_rate
    if abs(steps - round(steps)) > 1e-6:
        near = f"{int(steps) * eta:.10g} or {(int(steps) + 1) * eta:.10g}"
        raise ValueError(f"time.end = {time.end} is no multiple of sgd.learning_rate = {eta}: {near} is accepted")
    if round(steps) < time.records:
        raise ValueError(
            f"time.records = {time.records} is more than the {steps:.0f} steps of time.end / sgd.learning_rate"
        )
    return [round(round(steps) * i / time.records) for i in range(time.records + 1)]
