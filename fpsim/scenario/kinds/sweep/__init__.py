"""Learning rates and batch sizes: do widths collapse on ``theta = learning_rate * c_B``, and how do they depart?

A linear auto-encoder with weight decay, so that its minimum is isolated. To leading order the stationary covariance is
``theta`` times one matrix, the Lyapunov equation's (:mod:`fpsim.theory.stationary_covariance`). Two corrections are
kept apart: steps of finite size, a function of the learning rate alone, which the discrete Lyapunov equation knows; and
the width of the ensemble, whose relative size is proportional to ``theta`` again. Limit: the ensemble stays at one
minimum.
"""

from fpsim.scenario.kinds.sweep.figures import figures
from fpsim.scenario.kinds.sweep.model import SweepScenario
from fpsim.scenario.kinds.sweep.stages import check, stages
from fpsim.scenario.kinds.sweep.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "SweepScenario"]

KIND = Kind(
    model=SweepScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
