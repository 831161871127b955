"""Theory against experiment: distances with their sampling floor, and where a difference comes from."""

from fpsim.compare import outputs
from fpsim.compare.budget import Budget, BudgetRow, Refinement, Stage, error_budget
from fpsim.compare.comparison import Comparison, compare_all, compare_density, compare_samples
from fpsim.compare.distances import DISTANCES, Distance
from fpsim.compare.moment_table import MomentRow, moments
from fpsim.compare.outputs import draw_weights

__all__ = [
    "DISTANCES",
    "Budget",
    "BudgetRow",
    "Comparison",
    "Distance",
    "MomentRow",
    "Refinement",
    "Stage",
    "compare_all",
    "compare_density",
    "compare_samples",
    "draw_weights",
    "error_budget",
    "moments",
    "outputs",
]
