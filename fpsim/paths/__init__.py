"""Sample paths of the same equation: an independent check of densities, in the calculus the equation declares."""

from fpsim.paths.simulate import Paths, Scheme, simulate

__all__ = ["Paths", "Scheme", "simulate"]
