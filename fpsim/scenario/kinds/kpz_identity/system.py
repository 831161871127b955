"""The double well: ``L = (x^2 - 1)^2 / 4 + y^2 / 2`` with noise ``nu``, its box and its start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.scenario.kinds.kpz_identity.model import KPZIdentityScenario

__all__ = ["TIME", "WRONG_VISCOSITY", "box", "drift", "equation_of", "potential", "records_of", "start_of"]

Array = NDArray[np.float64]
DECAY = 100.0
"""Four times the logarithm by which the root of the Gibbs density has fallen at the walls."""
WRONG_VISCOSITY = 1.05
TIME = {"units": "1", "long_name": "time"}


def potential(x: Array, y: Array) -> Array:
    """The loss ``L``."""
    return (x * x - 1.0) ** 2 / 4.0 + y * y / 2.0


def drift(x: Array, y: Array) -> tuple[Array, Array]:
    """``-grad L``."""
    return -x * (x * x - 1.0), -y


def equation_of(viscosity: float) -> FokkerPlanck:
    """The equation with noise ``nu``."""
    return FokkerPlanck(drift=drift, diffusion=viscosity)


def box(viscosity: float, cells: int) -> Grid:
    """Walls where ``exp(-L / 2 nu)`` is negligible, as the Cole-Hopf equation needs it."""
    x, y = np.sqrt(1.0 + np.sqrt(2.0 * DECAY * viscosity)), np.sqrt(DECAY * viscosity)
    return Grid.box((-x, x, cells), (-y, y, cells), names=("x", "y"))


def start_of(scenario: KPZIdentityScenario, cells: int) -> Density:
    """Density at time zero."""
    return gaussian(box(scenario.height.viscosity, cells), scenario.start.mean, scenario.start.std**2)


def records_of(scenario: KPZIdentityScenario) -> Array:
    """Times of the budgets."""
    return scenario.time.end * np.arange(1, scenario.time.records + 1) / scenario.time.records
