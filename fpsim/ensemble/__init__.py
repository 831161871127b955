"""Ensembles of networks trained by stochastic gradient descent."""

from fpsim.ensemble.ensemble import Divergence, Ensemble, State
from fpsim.ensemble.statistics import EnsembleStatistics, Statistics
from fpsim.ensemble.train import resume, train

__all__ = ["Divergence", "Ensemble", "EnsembleStatistics", "State", "Statistics", "resume", "train"]
