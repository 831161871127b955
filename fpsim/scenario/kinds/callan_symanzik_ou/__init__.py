"""Callan-Symanzik where everything is known: Ornstein-Uhlenbeck processes, and geometric Brownian motion beside them.

The same couplings, beta functions and claims from three sources (exact Gaussians on a grid, densities that the engine
evolved, ensembles of paths), each against the closed form. Every claim is also fed a case in which it must fail.
"""

from fpsim.scenario.kinds.callan_symanzik_ou.figures import figures
from fpsim.scenario.kinds.callan_symanzik_ou.model import CallanSymanzikOU, check
from fpsim.scenario.kinds.callan_symanzik_ou.stages import stages
from fpsim.scenario.kinds.callan_symanzik_ou.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "CallanSymanzikOU"]

KIND = Kind(
    model=CallanSymanzikOU,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
