"""The stationary law of the scalar auto-encoder ``f(x) = v u x``, and the learning rate beyond which there is none.

Coordinates ``w = u v`` and ``q = u^2 - v^2`` on fresh normal data with label noise. ``q`` decays, so that every replica
comes to the balanced leaf ``q = 0``, where the density of ``w`` is known in closed form
(:mod:`fpsim.theory.stationary_law`). Second part: medians and growth rates over learning rates on both sides of the
threshold. Limit: the law is that of the Fokker-Planck equation; steps of SGD depart from it by O(learning rate), more
where their noise is not Gaussian, so small rates with strong label noise, or SVAG, are close to it.
"""

from fpsim.scenario.kinds.stationary.figures import figures
from fpsim.scenario.kinds.stationary.model import StationaryScenario
from fpsim.scenario.kinds.stationary.stages import check, stages
from fpsim.scenario.kinds.stationary.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "StationaryScenario"]

KIND = Kind(
    model=StationaryScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
