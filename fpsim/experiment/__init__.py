"""One definition of an experiment, from which both the ensemble and the theory are computed."""

from fpsim.experiment.experiment import Experiment
from fpsim.experiment.quadratic import quadratic_experiment
from fpsim.experiment.scalar import scalar_experiment
from fpsim.experiment.schedules import CosineDecay, ExponentialDecay, PiecewiseConstant
from fpsim.experiment.settings import SGD
from fpsim.experiment.start import Start

__all__ = [
    "SGD",
    "CosineDecay",
    "Experiment",
    "ExponentialDecay",
    "PiecewiseConstant",
    "Start",
    "quadratic_experiment",
    "scalar_experiment",
]
