"""Markov generator of a Fokker-Planck equation, its propagation and its analyses: functions of one immutable value."""

from fpsim.generator.analysis.currents import circulation, face_currents, mean_velocity
from fpsim.generator.analysis.entropy import entropy_production
from fpsim.generator.analysis.grid_error import with_grid_error
from fpsim.generator.analysis.passage import (
    committor,
    exit_probability,
    mean_first_passage_time,
    passage_time_variance,
    splitting_probability,
)
from fpsim.generator.analysis.quasi_stationary import QuasiStationary, quasi_stationary
from fpsim.generator.analysis.reversibility import is_reversible
from fpsim.generator.analysis.spectrum import Spectrum, slowest_modes
from fpsim.generator.analysis.stationary import stationarity_residual, stationary_box, stationary_density
from fpsim.generator.build import build_generator
from fpsim.generator.generator import Generator
from fpsim.generator.links import Links
from fpsim.generator.propagation.propagate import absorbed_mass, propagate

__all__ = [
    "Generator",
    "Links",
    "QuasiStationary",
    "Spectrum",
    "absorbed_mass",
    "build_generator",
    "circulation",
    "committor",
    "entropy_production",
    "exit_probability",
    "face_currents",
    "is_reversible",
    "mean_first_passage_time",
    "mean_velocity",
    "passage_time_variance",
    "propagate",
    "quasi_stationary",
    "slowest_modes",
    "splitting_probability",
    "stationarity_residual",
    "stationary_box",
    "stationary_density",
    "with_grid_error",
]
