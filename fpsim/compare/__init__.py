"""Theory against experiment: distances with their sampling floor, and where a difference comes from."""

from fpsim.compare.comparison import Comparison, compare_density, compare_samples
from fpsim.compare.distances import DISTANCES, Distance

__all__ = ["DISTANCES", "Comparison", "Distance", "compare_density", "compare_samples"]
