"""The experiment: ensembles of networks trained by stochastic gradient descent."""

from fpsim.ensemble.ensemble import Divergence, Ensemble, State
from fpsim.ensemble.statistics import EnsembleStatistics, Statistics
from fpsim.ensemble.train import resume, train
from fpsim.experiment.schedules import CosineDecay, ExponentialDecay, PiecewiseConstant
from fpsim.experiment.settings import SGD
from fpsim.experiment.start import Start

__all__ = [
    "SGD",
    "CosineDecay",
    "Divergence",
    "Ensemble",
    "EnsembleStatistics",
    "ExponentialDecay",
    "PiecewiseConstant",
    "Start",
    "State",
    "Statistics",
    "resume",
    "train",
]
