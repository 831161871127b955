"""Replicas that share the mini-batch sequence, the regime this puts them in, and a solvable random environment."""

from fpsim.scenario.kinds.random_environment.figures import figures
from fpsim.scenario.kinds.random_environment.model import RandomEnvironmentScenario, check
from fpsim.scenario.kinds.random_environment.stages import stages
from fpsim.scenario.kinds.random_environment.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "RandomEnvironmentScenario"]

KIND = Kind(
    model=RandomEnvironmentScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
