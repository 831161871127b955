"""Two wells: a density that crosses a barrier, against sample paths, and the generator's passage time.

The density fills the left well at once and leaks into the right one at the rate of the generator's slowest mode. Any
potential, or drift and diffusion tensor, takes the place of this one: equation and box are all that the file adds to
fpsim.studies.problem, and what is known exactly, if anything is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.integrate import cumulative_trapezoid

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.scenario import Scenario
from fpsim.scenario.parameters.sections import Positive
from fpsim.studies import problem

CROSSING = "x = -1 to 1"


class DoubleWell(problem.FokkerPlanckProblem):
    """Potential ``(x^2 - 1)^2 / 4 + y^2 / 2`` with isotropic noise, between reflecting walls."""

    diffusion: Positive = 0.1
    """Diffusion of both coordinates, the temperature of the potential."""
    start: problem.NormalStart = problem.NormalStart(mean=(-1.0, 0.5), std=0.15)
    time: problem.Duration = problem.Duration(end=20.0, records=8)

    def equation(self) -> FokkerPlanck:
        """Drift ``-grad potential``."""
        return FokkerPlanck(potential=self.potential, diffusion=self.diffusion)

    def potential(self, x: Any, y: Any) -> Any:
        """Two wells along ``x``; ``y`` is independent of ``x``."""
        return (x**2 - 1) ** 2 / 4 + y**2 / 2

    def grid(self) -> Grid:
        """Both wells."""
        cells = self.theory.cells
        return Grid.box((-2.2, 2.2, cells), (-2.2, 2.2, cells), names=("x", "y"))

    def passages(self) -> Mapping[str, problem.Passage]:
        """From the bottom of the left well to that of the right one."""
        return {CROSSING: problem.Passage(start=(-1.0, 0.0), axis="x", place=1.0)}

    def exact(self) -> Mapping[str, float]:
        """``T(-1) = int_-1^1 exp(V / D) int_-inf^x exp(-V / D) / D``, by quadrature along ``x``."""
        x = np.linspace(-6.0, 1.0, 40_001)
        depth = self.potential(x, 0.0) / self.diffusion
        below = cumulative_trapezoid(np.exp(-depth), x, initial=0.0)
        inside = x >= -1.0
        passage = np.trapezoid(np.exp(depth[inside]) * below[inside], x[inside]) / self.diffusion
        return {"entropy production": 0.0, f"passage time, {CROSSING}": float(passage)}


scenario = Scenario(
    title="Double well: crossing a barrier, density against sample paths",
    subject="Fokker-Planck without a network",
    description=__doc__,
    parameters=DoubleWell(),
    quick={"ensemble.replicas": 2_000, "theory.cells": 64, "time.end": 5.0, "time.records": 4},
    **problem.PARTS,
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
