"""Callan-Symanzik diagnostics: n-point functions of network outputs, their identities, flows, and claims that can fail."""

from fpsim.callan_symanzik.correlators import Correlators, correlators, correlators_of_outputs, multi_indices
from fpsim.callan_symanzik.estimate import Estimate
from fpsim.callan_symanzik.families import (
    Family,
    ParametricFamily,
    lognormal,
    lognormal2,
    ornstein_uhlenbeck,
    pure_scaling,
)
from fpsim.callan_symanzik.identities import hierarchy_residual, kernel_drift, rates, tangent_kernel
from fpsim.callan_symanzik.law import DensityLaw, SampleLaw
from fpsim.callan_symanzik.outputs import Outputs, network_outputs
from fpsim.callan_symanzik.tangency import tangency
from fpsim.callan_symanzik.verdict import Claim, Identity

__all__ = [
    "Claim",
    "Correlators",
    "DensityLaw",
    "Estimate",
    "Family",
    "Identity",
    "Outputs",
    "ParametricFamily",
    "SampleLaw",
    "correlators",
    "correlators_of_outputs",
    "hierarchy_residual",
    "kernel_drift",
    "lognormal",
    "lognormal2",
    "multi_indices",
    "network_outputs",
    "ornstein_uhlenbeck",
    "pure_scaling",
    "rates",
    "tangency",
    "tangent_kernel",
]
