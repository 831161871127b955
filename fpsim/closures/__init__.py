"""Closures: models of one weight matrix without the other, one file each (docs/closures.md)."""

from fpsim.closures.conditional import conditional
from fpsim.closures.conditional_of_mixture import conditional_of_mixture
from fpsim.closures.empirical_path import empirical_path
from fpsim.closures.fit_and_judge import fit_and_judge
from fpsim.closures.frozen import frozen
from fpsim.closures.joint import joint
from fpsim.closures.leaf import leaf
from fpsim.closures.linear_noise import GaussianPath, gaussian_path, linear_noise
from fpsim.closures.marginal_equation import Partner, marginal_equation
from fpsim.closures.mean_field import mean_field
from fpsim.theory.joint.start import joint_start

__all__ = [
    "GaussianPath",
    "Partner",
    "conditional",
    "conditional_of_mixture",
    "empirical_path",
    "fit_and_judge",
    "frozen",
    "gaussian_path",
    "joint",
    "joint_start",
    "leaf",
    "linear_noise",
    "marginal_equation",
    "mean_field",
]
