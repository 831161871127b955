"""Theory of SGD: modified equations, exact coefficients, closures for individual weight matrices."""

from fpsim.theory.averages import Averages, averages_of
from fpsim.theory.landscape import BottleneckLandscape, landscape_of
from fpsim.theory.modified_equation import Landscape, ModifiedEquation, modified_equation
from fpsim.theory.momentum import effective_learning_rate, kramers, momentum_variance
from fpsim.theory.scalar import ScalarNetwork, from_valley, scalar_network, to_valley, valley_density, weight_moments
from fpsim.theory.scales import Scales, learning_rate_at, scales_of
from fpsim.theory.shuffling import epoch_variance, iid_variance
from fpsim.theory.stationary_law import BalancedLaw, collapse_threshold

__all__ = [
    "Averages",
    "BalancedLaw",
    "BottleneckLandscape",
    "Landscape",
    "ModifiedEquation",
    "ScalarNetwork",
    "Scales",
    "averages_of",
    "collapse_threshold",
    "effective_learning_rate",
    "epoch_variance",
    "from_valley",
    "iid_variance",
    "kramers",
    "landscape_of",
    "learning_rate_at",
    "modified_equation",
    "momentum_variance",
    "scalar_network",
    "scales_of",
    "to_valley",
    "valley_density",
    "weight_moments",
]
