"""A rotating flow: no potential, a correlated tensor and a current that never stops, density against sample paths.

The density spirals into the middle and stays turning: at rest entropy is produced. The process is linear, so that its
relaxation rate and entropy production have closed forms. The noise is correlated, which tilts the stationary ellipse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.linalg import solve_continuous_lyapunov

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.scenario import Scenario
from fpsim.scenario.parameters.sections import Positive
from fpsim.studies import problem


class RotatingFlow(problem.FokkerPlanckProblem):
    """Drift ``-(x, y) + rotation (y, -x)`` with the tensor ``diffusion [[1, c], [c, 1]]``."""

    diffusion: Positive = 0.02
    """Diffusion of each coordinate."""
    rotation: float = 3.0
    """Angular velocity, clockwise; paths fall to the middle at rate one."""
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.8
    """Correlation ``c`` of the noise of both coordinates."""
    start: problem.NormalStart = problem.NormalStart(mean=(-1.2, 0.5), std=0.12)
    time: problem.Duration = problem.Duration(end=3.0, records=8)

    @property
    def tensor(self) -> np.ndarray:
        """Diffusion tensor."""
        return self.diffusion * np.array([[1.0, self.correlation], [self.correlation, 1.0]])

    def equation(self) -> FokkerPlanck:
        """Linear drift, constant tensor."""
        turn = self.rotation
        return FokkerPlanck(drift=lambda x, y: (-x + turn * y, -y - turn * x), diffusion=self.tensor.tolist())

    def grid(self) -> Grid:
        """Room for the start and the first turn."""
        cells = self.theory.cells
        return Grid.box((-2.2, 2.2, cells), (-2.2, 2.2, cells), names=("x", "y"))

    def exact(self) -> Mapping[str, float]:
        """``tr(A^T D^-1 A C) - tr A`` for the drift ``-A x``, with the stationary covariance ``C`` of Lyapunov."""
        pull = np.array([[1.0, -self.rotation], [self.rotation, 1.0]])
        spread = solve_continuous_lyapunov(pull, 2 * self.tensor)
        entropy = np.trace(pull.T @ np.linalg.solve(self.tensor, pull) @ spread) - np.trace(pull)
        return {"relaxation rate": 1.0, "entropy production": float(entropy)}


scenario = Scenario(
    title="Rotating flow: a stationary current, density against sample paths",
    subject="Fokker-Planck without a network",
    description=__doc__,
    parameters=RotatingFlow(),
    quick={"ensemble.replicas": 2_000, "theory.cells": 64},
    **problem.PARTS,
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
