"""Closures: models of what one weight matrix feels of the other, one file each (docs/closures.md)."""

from fpsim.theory.closures.base import Partner, marginal_equation
from fpsim.theory.closures.conditional import conditional
from fpsim.theory.closures.mean_field import mean_field

__all__ = ["Partner", "conditional", "marginal_equation", "mean_field"]
