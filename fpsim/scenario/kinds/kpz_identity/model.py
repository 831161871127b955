"""Configuration of the study of the height equation."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from fpsim.scenario.parameters.sections import Positive, ScenarioBase, Section, StartPoint, Time
from fpsim.support.memory import check_memory

__all__ = ["INTERVAL", "Height", "KPZIdentityScenario", "Regression", "check"]

INTERVAL = 1.6
"""Time between two densities of a budget, in cells of the unit length: it shrinks with the cell."""


class Height(Section):
    """The density and where its height counts."""

    viscosity: Annotated[float, Field(ge=0.02, le=0.5)] = 0.1
    floor: Annotated[float, Field(gt=0, lt=0.1)] = 1e-3
    """Share of the largest density above which K1 is judged."""
    cells: Annotated[int, Field(ge=128, le=1024, multiple_of=8)] = 256
    """Cells along either axis of the finest of three grids, each half of the next."""
    tolerance: Positive = 1e-5
    """Accumulated L1 error allowed to the time stepping on the finest grid; it grows with the square of the cell."""


class Regression(Section):
    """Snapshots from which viscosity and nonlinearity are recovered."""

    first: Positive = 0.3
    interval: Positive = 0.05
    snapshots: Annotated[int, Field(ge=3, le=21)] = 5
    replicas: Annotated[int, Field(ge=1000, le=10_000_000)] = 300_000
    bandwidth: Positive = 0.2
    """Standard deviation of the smoothing kernel."""
    cells: Annotated[int, Field(ge=32, le=512)] = 96


class KPZIdentityScenario(ScenarioBase):
    """The exact height equation of an evolved density."""

    kind: Literal["kpz-identity"] = "kpz-identity"
    height: Height = Height()
    start: StartPoint = StartPoint(mean=(-0.4, 0.5), std=0.2)
    time: Time = Time(end=2.0, records=4)
    regression: Regression = Regression()

    @model_validator(mode="after")
    def _fits(self) -> KPZIdentityScenario:
        longest = 4.0 * INTERVAL / self.height.cells
        spacing = self.time.end / self.time.records
        if not spacing > 2.0 * longest:
            raise ValueError(
                f"time.records = {self.time.records} are {spacing:.3g} apart: more than {2.0 * longest:.3g} "
                "(twice the interval of a budget on the coarsest grid) is accepted"
            )
        if self.regression.snapshots % 2 == 0:
            raise ValueError(f"regression.snapshots = {self.regression.snapshots}: an odd number is accepted")
        if isinstance(self.start.mean, tuple) and len(self.start.mean) != 2:
            raise ValueError(f"start.mean has {len(self.start.mean)} entries: one number or 2 are accepted")
        if self.start.std >= np.sqrt(0.5 * self.height.viscosity):
            raise ValueError(
                f"start.std = {self.start.std}: below {np.sqrt(0.5 * self.height.viscosity):.3g} is accepted at this "
                "height.viscosity (the Cole-Hopf equation needs a start narrower than the Gibbs density)"
            )
        return self


def check(scenario: KPZIdentityScenario) -> None:
    """Refuse, before any work, what does not fit into memory (``MemoryLimitError``)."""
    cells, records, snapshots = scenario.height.cells, scenario.time.records, scenario.regression.snapshots
    check_memory(8.0 * (4 * records + 40) * cells**2, f"height.cells = {cells}")
    check_memory(24.0 * (snapshots + 8) * scenario.regression.replicas, "regression.replicas")
