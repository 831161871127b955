"""Theory of SGD: loss landscapes, modified equations, exact solutions of small networks."""

from fpsim.theory.bottleneck.landscape import BottleneckLandscape, bottleneck_of, landscape_of
from fpsim.theory.landscape import Landscape, MeshLandscape, hessian, hessian_product
from fpsim.theory.modified_equation import ModifiedEquation, modified_equation, modified_equation_of
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
from fpsim.theory.scales import LearningRate, Scales, scales_of
from fpsim.theory.shuffled_epochs import epoch_variance, epoch_variance_path, iid_variance, iid_variance_path
from fpsim.theory.stationary_covariance import minimum_near, stationary_covariance
from fpsim.theory.stationary_law import (
    BalancedLaw,
    collapse_rate,
    collapse_threshold,
    discrete_collapse_rate,
    discrete_collapse_threshold,
)

__all__ = [
    "BalancedLaw",
    "BottleneckLandscape",
    "Landscape",
    "LearningRate",
    "MeshLandscape",
    "ModifiedEquation",
    "ScalarNetwork",
    "Scales",
    "bottleneck_of",
    "collapse_rate",
    "collapse_threshold",
    "discrete_collapse_rate",
    "discrete_collapse_threshold",
    "effective_learning_rate",
    "epoch_variance",
    "epoch_variance_path",
    "from_valley",
    "hessian",
    "hessian_product",
    "iid_variance",
    "iid_variance_path",
    "kramers",
    "kramers_moments",
    "landscape_of",
    "minimum_near",
    "modified_equation",
    "modified_equation_of",
    "momentum_moments",
    "momentum_variance",
    "scalar_network",
    "scales_of",
    "stationary_covariance",
    "to_valley",
    "valley_density",
    "weight_moments",
]
