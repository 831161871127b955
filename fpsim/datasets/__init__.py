"""Data to train on: digits, irises, Gaussian populations and arrays of one's own."""

from fpsim.datasets.dataset import Dataset, from_array
from fpsim.datasets.own import DataTable, read_dataset, read_table
from fpsim.datasets.population import GaussianPopulation
from fpsim.datasets.real import digits, iris

__all__ = [
    "DataTable",
    "Dataset",
    "GaussianPopulation",
    "digits",
    "from_array",
    "iris",
    "read_dataset",
    "read_table",
]
