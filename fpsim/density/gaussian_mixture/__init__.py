"""Densities in any number of dimensions: sums of Gaussians."""

from fpsim.density.gaussian_mixture.mixture import GaussianMixture

__all__ = ["GaussianMixture"]
