"""The experiment: ensembles of networks trained by stochastic gradient descent."""

from fpsim.experiment.schedules import CosineDecay, ExponentialDecay, PiecewiseConstant
from fpsim.experiment.settings import SGD
from fpsim.experiment.start import Start
from fpsim.sgd.ensemble import Divergence, Ensemble, State
from fpsim.sgd.statistics import EnsembleStatistics, Statistics
from fpsim.sgd.train import resume, train

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
