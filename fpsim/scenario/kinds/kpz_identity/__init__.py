"""The height ``h = ln p`` of an evolved density and the equation it obeys, held against everything that is known of it.

A double well with noise ``nu``: ``L = (x^2 - 1)^2 / 4 + y^2 / 2``. Term budgets through time on three grids, the
Cole-Hopf equation solved independently, ``nu`` and ``lambda`` recovered from densities and from sample paths, and
Burgers' velocity. Controls that have to fail: a wrong viscosity, and a drift left out.
"""

from fpsim.scenario.kinds.kpz_identity.figures import figures
from fpsim.scenario.kinds.kpz_identity.model import KPZIdentityScenario, check
from fpsim.scenario.kinds.kpz_identity.stages import stages
from fpsim.scenario.kinds.kpz_identity.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "KPZIdentityScenario"]

KIND = Kind(
    model=KPZIdentityScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
