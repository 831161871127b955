"""Callan-Symanzik on the linear auto-encoder: the lognormal family closes far from the valley and fails at it.

Densities of the network's output and ensembles trained by SGD, with the same diagnostics. Identities hold throughout;
claims hold early and fail late, and each has a control in which it must fail.
"""

from fpsim.scenario.kinds.callan_symanzik_autoencoder.figures import figures
from fpsim.scenario.kinds.callan_symanzik_autoencoder.model import CallanSymanzikAutoEncoder, check
from fpsim.scenario.kinds.callan_symanzik_autoencoder.stages import stages
from fpsim.scenario.kinds.callan_symanzik_autoencoder.tables import report, shortfalls, summary
from fpsim.scenario.shared.kind import Kind

__all__ = ["KIND", "CallanSymanzikAutoEncoder"]

KIND = Kind(
    model=CallanSymanzikAutoEncoder,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
