"""Momentum on a loss whose moments are known exactly: an effective learning rate, and when it is not enough.

To leading order momentum ``mu`` amounts to the learning rate ``eta / (1 - mu)``, and the stationary variance says so at
every ``mu``, up to the steps' finite size. The way there is another matter: once ``eta lambda`` exceeds
``(1 - sqrt(mu))^2`` the weight swings through its minimum, which the underdamped (Kramers) equation follows and no
effective learning rate can (:mod:`fpsim.theory.momentum`).
"""

from fpsim.scenario.kind import Kind
from fpsim.scenario.kinds.momentum.figures import figures
from fpsim.scenario.kinds.momentum.model import MomentumScenario
from fpsim.scenario.kinds.momentum.stages import check, stages
from fpsim.scenario.kinds.momentum.tables import report, shortfalls, summary

__all__ = ["KIND", "MomentumScenario"]

KIND = Kind(
    model=MomentumScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
