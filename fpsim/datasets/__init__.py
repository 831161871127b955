"""Data to train on: digits, irises, Gaussian populations and arrays of one's own."""

from fpsim.datasets._dataset import Dataset, from_array
from fpsim.datasets._population import GaussianPopulation
from fpsim.datasets._real import digits, iris

__all__ = ["Dataset", "GaussianPopulation", "digits", "from_array", "iris"]
