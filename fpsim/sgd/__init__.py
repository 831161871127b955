"""The experiment: ensembles of networks trained by stochastic gradient descent."""

from fpsim.sgd.ensemble import Divergence, Ensemble
from fpsim.sgd.schedules import CosineDecay, ExponentialDecay, PiecewiseConstant
from fpsim.sgd.settings import SGD
from fpsim.sgd.start import Start
from fpsim.sgd.train import train

__all__ = [
    "SGD",
    "CosineDecay",
    "Divergence",
    "Ensemble",
    "ExponentialDecay",
    "PiecewiseConstant",
    "Start",
    "train",
]
