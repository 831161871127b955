"""Comparison of theory and experiment: distances, sampling floors, error budget."""

from fpsim.comparison import outputs
from fpsim.comparison.budget import Budget, BudgetRow, Refinement, Stage, error_budget
from fpsim.comparison.common_cells import compare_densities
from fpsim.comparison.comparison import Comparison, compare_all, compare_density, compare_samples
from fpsim.comparison.distances import DISTANCES, Distance
from fpsim.comparison.ensembles import compare_ensembles
from fpsim.comparison.moment_table import MomentRow, moment_table
from fpsim.comparison.outputs import Generalisation, draw_weights, generalisation
from fpsim.uncertainty.observable import Observable

__all__ = [
    "DISTANCES",
    "Budget",
    "BudgetRow",
    "Comparison",
    "Distance",
    "Generalisation",
    "MomentRow",
    "Observable",
    "Refinement",
    "Stage",
    "compare_all",
    "compare_densities",
    "compare_density",
    "compare_ensembles",
    "compare_samples",
    "draw_weights",
    "error_budget",
    "generalisation",
    "moment_table",
    "outputs",
]
