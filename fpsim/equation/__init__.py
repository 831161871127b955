"""The Fokker-Planck equation and its coefficients on a grid."""

from fpsim.equation.calculus import Calculus
from fpsim.equation.diffusion import DiffusionField
from fpsim.equation.fokker_planck import FokkerPlanck
from fpsim.equation.points import PointCoefficients, PointwiseFokkerPlanck, coefficients_at_points
from fpsim.equation.sampling import (
    diffusion_at,
    diffusion_on_cells,
    drift_at,
    drift_on_cells,
    drift_on_faces,
    phi_on_cells,
    potential_on_cells,
)

__all__ = [
    "Calculus",
    "DiffusionField",
    "FokkerPlanck",
    "PointCoefficients",
    "PointwiseFokkerPlanck",
    "coefficients_at_points",
    "diffusion_at",
    "diffusion_on_cells",
    "drift_at",
    "drift_on_cells",
    "drift_on_faces",
    "phi_on_cells",
    "potential_on_cells",
]
