"""Callan-Symanzik diagnostics: n-point functions of network outputs, identities, flows, claims."""

from fpsim.diagnostics.callan_symanzik.backward import backward_residual, conditional_correlators
from fpsim.diagnostics.callan_symanzik.beta_function import BetaFunction, FixedPoint, beta_dataset, fit_beta
from fpsim.diagnostics.callan_symanzik.collapse import collapse, monotone_parts, scaled_correlators, scaled_dataset
from fpsim.diagnostics.callan_symanzik.correlators import (
    Correlators,
    correlator_dataset,
    correlators,
    correlators_of_outputs,
    multi_indices,
)
from fpsim.diagnostics.callan_symanzik.cutoff import CutoffScaling, NetworkLoss, cutoff_differences, cutoff_scaling
from fpsim.diagnostics.callan_symanzik.exact_cases import GeometricBrownianMotion, LinearRegression, OrnsteinUhlenbeck
from fpsim.diagnostics.callan_symanzik.expectations import DensityExpectation, SampleExpectation, replica_expectation
from fpsim.diagnostics.callan_symanzik.families import (
    Family,
    ParametricFamily,
    lognormal,
    lognormal2,
    ornstein_uhlenbeck,
    pure_scaling,
)
from fpsim.diagnostics.callan_symanzik.flow import Flow, exact_flow, flow_dataset, measured_flow, running_couplings
from fpsim.diagnostics.callan_symanzik.identities import hierarchy_residual, rates, tangent_kernel
from fpsim.diagnostics.callan_symanzik.tangency import tangency, tangency_dataset
from fpsim.diagnostics.callan_symanzik.transfer import CorrelatorRun, transfer
from fpsim.network.outputs import Outputs, network_outputs
from fpsim.uncertainty.estimate import Estimate
from fpsim.uncertainty.verdict import Claim, Identity

__all__ = [
    "BetaFunction",
    "Claim",
    "CorrelatorRun",
    "Correlators",
    "CutoffScaling",
    "DensityExpectation",
    "Estimate",
    "Family",
    "FixedPoint",
    "Flow",
    "GeometricBrownianMotion",
    "Identity",
    "LinearRegression",
    "NetworkLoss",
    "OrnsteinUhlenbeck",
    "Outputs",
    "ParametricFamily",
    "SampleExpectation",
    "backward_residual",
    "beta_dataset",
    "collapse",
    "conditional_correlators",
    "correlator_dataset",
    "correlators",
    "correlators_of_outputs",
    "cutoff_differences",
    "cutoff_scaling",
    "exact_flow",
    "fit_beta",
    "flow_dataset",
    "hierarchy_residual",
    "lognormal",
    "lognormal2",
    "measured_flow",
    "monotone_parts",
    "multi_indices",
    "network_outputs",
    "ornstein_uhlenbeck",
    "pure_scaling",
    "rates",
    "replica_expectation",
    "running_couplings",
    "scaled_correlators",
    "scaled_dataset",
    "tangency",
    "tangency_dataset",
    "tangent_kernel",
    "transfer",
]
