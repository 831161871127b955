"""Probability densities on grids: grids, boundaries, densities from formulas and samples, regridding."""

from fpsim.density.boundary import Boundary
from fpsim.density.construct import from_function, from_samples, gaussian, mixture
from fpsim.density.density import Density
from fpsim.density.gaussian_mixture import GaussianMixture
from fpsim.density.grid import Grid
from fpsim.density.points import place_points
from fpsim.density.regrid import fitted_grid, regrid

__all__ = [
    "Boundary",
    "Density",
    "GaussianMixture",
    "Grid",
    "fitted_grid",
    "from_function",
    "from_samples",
    "gaussian",
    "mixture",
    "place_points",
    "regrid",
]
