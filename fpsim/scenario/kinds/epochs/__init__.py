"""Shuffled epochs against independent batches, on a loss whose variances are known exactly.

Within an epoch the noises of the batches sum to zero: the variance rises like a bridge and falls again, and at the ends
of epochs it is far below what the plain Fokker-Planck equation gives, which does not apply
(:mod:`fpsim.theory.shuffled_epochs`). Second part: the factor over learning rates, which tends to one when weights
relax within an epoch.
"""

from fpsim.scenario.kinds.epochs.figures import figures
from fpsim.scenario.kinds.epochs.model import EpochsScenario
from fpsim.scenario.kinds.epochs.stages import check, stages
from fpsim.scenario.kinds.epochs.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "EpochsScenario"]

KIND = Kind(
    model=EpochsScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
