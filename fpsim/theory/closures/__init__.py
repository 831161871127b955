"""Closures: models of what one weight matrix feels of the other, one file each (docs/closures.md)."""

from fpsim.theory.closures.base import Partner, marginal_equation
from fpsim.theory.closures.conditional import conditional
from fpsim.theory.closures.empirical_path import empirical_path
from fpsim.theory.closures.frozen import frozen
from fpsim.theory.closures.joint import joint
from fpsim.theory.closures.leaf import leaf
from fpsim.theory.closures.linear_noise import GaussianPath, linear_noise
from fpsim.theory.closures.mean_field import mean_field
from fpsim.theory.coefficients import decoder_factors, factor_products

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
