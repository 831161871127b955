"""Evolution of Gaussian mixtures, in any number of dimensions, by closed moments and stratified kicks."""

from fpsim.evolution.moment_closure.evolve_mixture import MixtureEvolution, evolve_mixture
from fpsim.evolution.moment_closure.start import SampledStart

__all__ = ["MixtureEvolution", "SampledStart", "evolve_mixture"]
