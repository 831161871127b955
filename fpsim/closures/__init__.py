"""Closures: models of what one weight matrix feels of the other, one file each (docs/closures.md)."""

from fpsim.closures.conditional import conditional
from fpsim.closures.empirical_path import empirical_path
from fpsim.closures.frozen import frozen
from fpsim.closures.joint import joint
from fpsim.closures.leaf import leaf
from fpsim.closures.linear_noise import GaussianPath, linear_noise
from fpsim.closures.marginal_equation import Partner, marginal_equation
from fpsim.closures.mean_field import mean_field
from fpsim.theory.bottleneck.gradients import decoder_factors, factor_products

__all__ = [
    "GaussianPath",
    "Partner",
    "conditional",
    "decoder_factors",
    "empirical_path",
    "factor_products",
    "frozen",
    "joint",
    "leaf",
    "linear_noise",
    "marginal_equation",
    "mean_field",
]
