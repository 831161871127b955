"""Theory of SGD: modified equations, exact coefficients, closures for individual weight matrices."""

from fpsim.theory.bottleneck.averages import Averages, averages_of
from fpsim.theory.bottleneck.landscape import BottleneckLandscape, landscape_of
from fpsim.theory.modified_equation import Landscape, ModifiedEquation, modified_equation
from fpsim.theory.momentum import (
    effective_learning_rate,
    kramers,
    kramers_moments,
    momentum_moments,
    momentum_variance,
)
from fpsim.theory.scalar_network import (
    ScalarNetwork,
    from_valley,
    scalar_network,
    to_valley,
    valley_density,
    weight_moments,
)
from fpsim.theory.scales import Scales, learning_rate_at, scales_of
from fpsim.theory.shuffled_epochs import epoch_variance, epoch_variance_path, iid_variance, iid_variance_path
from fpsim.theory.stationary_covariance import minimum_near, stationary_covariance
from fpsim.theory.stationary_law import BalancedLaw, collapse_rate, collapse_threshold, discrete_collapse_rate

__all__ = [
    "Averages",
    "BalancedLaw",
    "BottleneckLandscape",
    "Landscape",
    "ModifiedEquation",
    "ScalarNetwork",
    "Scales",
    "averages_of",
    "collapse_rate",
    "collapse_threshold",
    "discrete_collapse_rate",
    "effective_learning_rate",
    "epoch_variance",
    "epoch_variance_path",
    "from_valley",
    "iid_variance",
    "iid_variance_path",
    "kramers",
    "kramers_moments",
    "landscape_of",
    "learning_rate_at",
    "minimum_near",
    "modified_equation",
    "momentum_moments",
    "momentum_variance",
    "scalar_network",
    "scales_of",
    "stationary_covariance",
    "to_valley",
    "valley_density",
    "weight_moments",
]
