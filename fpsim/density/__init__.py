"""Where densities live: grids, boundaries, densities and how to make them."""

from fpsim.density.boundary import Boundary
from fpsim.density.construct import from_function, from_samples, gaussian, mixture
from fpsim.density.density import Density
from fpsim.density.grid import Grid

__all__ = ["Boundary", "Density", "Grid", "from_function", "from_samples", "gaussian", "mixture"]
