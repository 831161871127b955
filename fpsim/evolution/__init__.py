"""Evolution of densities in time: split semi-Lagrangian sweeps, tensors as jumps along the lattice, step control."""

from fpsim.evolution.evolve import evolve
from fpsim.evolution.moment_closure import MixtureEvolution, evolve_mixture
from fpsim.evolution.propagator import Propagator
from fpsim.evolution.result import Evolution

__all__ = ["Evolution", "MixtureEvolution", "Propagator", "evolve", "evolve_mixture"]
