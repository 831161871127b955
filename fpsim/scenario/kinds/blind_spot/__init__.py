"""The blind spot: pooled outputs cannot tell mean field from the truth, while the weights can.

A bottleneck of one neuron on Gaussian data in the plane. Three laws are held against an SGD ensemble: the modified
equation without any closure (an SVAG ensemble), the same with its matrices paired at random, and mean field. Data are
Gaussian, so that the pooled density of a law is a mixture of normal densities, one for each replica: it is also
compared without the noise of the data, which says how many outputs one would need to see a difference.
"""

from fpsim.scenario.kinds.blind_spot.figures import figures
from fpsim.scenario.kinds.blind_spot.model import BlindSpotScenario
from fpsim.scenario.kinds.blind_spot.stages import check, stages
from fpsim.scenario.kinds.blind_spot.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "BlindSpotScenario"]

KIND = Kind(
    model=BlindSpotScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
