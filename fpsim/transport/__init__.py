"""Evolution of densities in time: split semi-Lagrangian sweeps, tensors as jumps along the lattice, step control."""

from fpsim.transport.evolution import Evolution
from fpsim.transport.evolve import evolve
from fpsim.transport.propagator import Propagator

__all__ = ["Evolution", "Propagator", "evolve"]
