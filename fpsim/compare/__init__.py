"""Theory against experiment: distances with their sampling floor, and where a difference comes from."""

from fpsim.compare import outputs
from fpsim.compare.comparison import Comparison, compare_density, compare_samples
from fpsim.compare.distances import DISTANCES, Distance
from fpsim.compare.moment_table import MomentRow, moments
from fpsim.compare.outputs import draw_weights

__all__ = [
    "DISTANCES",
    "Comparison",
    "Distance",
    "MomentRow",
    "compare_density",
    "compare_samples",
    "draw_weights",
    "moments",
    "outputs",
]
