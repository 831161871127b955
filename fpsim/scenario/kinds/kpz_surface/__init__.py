"""Surfaces that grow: Edwards-Wilkinson and Kardar-Parisi-Zhang, against what is exact and what is universal."""

from fpsim.scenario.kinds.kpz_surface.figures import figures
from fpsim.scenario.kinds.kpz_surface.model import KPZSurfaceScenario, check
from fpsim.scenario.kinds.kpz_surface.stages import stages
from fpsim.scenario.kinds.kpz_surface.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "KPZSurfaceScenario"]

KIND = Kind(
    model=KPZSurfaceScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
