"""Measured surfaces as identities and claims.

What is exact on the lattice is an :class:`~fpsim.uncertainty.verdict.Identity`: a deviation is a fault of the
simulation. Universal exponents and limit laws are :class:`~fpsim.uncertainty.verdict.Claim`: they hold for some growth
and not for other, and only in a limit that a simulation approaches.
"""

from __future__ import annotations

import numpy as np

from fpsim.diagnostics.surface_growth.cumulants import RescaledCumulants
from fpsim.diagnostics.surface_growth.spectrum import SpectrumComparison
from fpsim.diagnostics.surface_growth.tracy_widom import LimitLaw
from fpsim.uncertainty.result import Result
from fpsim.uncertainty.verdict import Claim, Identity

__all__ = ["exact_value", "exponent", "limit_law_claims", "power_law", "spectrum_identity"]


def exact_value(name: str, value: float, error: float, truth: float, *, bias: float = 0.0) -> Identity:
    """A measured number, with its standard error, whose exact value is known.

    A known ``bias`` of the time step adds to the error in quadrature.
    """
    details = {"value": value, "truth": truth, "bias": bias}
    return Identity(name, abs(value / truth - 1.0), float(np.hypot(error, bias)) / abs(truth), details=details)


def spectrum_identity(name: str, comparison: SpectrumComparison) -> Identity:
    """A structure factor whose exact expectation is known: ``|chi^2 / n - 1|`` against its spread ``sqrt(2 / n)``."""
    modes = comparison.z.size
    return Identity(
        name, abs(comparison.chi2 / modes - 1.0), float(np.sqrt(2.0 / modes)), details={"chi2": comparison.chi2}
    )


def exponent(name: str, measured: Result, value: float, *, tolerance: float = 0.02) -> Claim:
    """A fitted exponent has the value of a universality class; absolute difference.

    The fit of :func:`fpsim.diagnostics.surface_growth.roughness.growth_exponent` or
    :func:`~fpsim.diagnostics.surface_growth.roughness.roughness_exponent`; one degree of freedom, since the amplitude
    is fitted and the exponent is not.
    """
    residual = abs(float(measured.value) - value)
    return Claim(name, residual, float(measured.error), tolerance, details={"exponent": float(measured.value)})


def power_law(name: str, fit: Result, errors: float, *, tolerance: float = 0.05) -> Claim:
    """Saturated widths follow a power of the size at all: root mean square relative misfit of the fit.

    Parameters
    ----------
    fit : Result
        Of :func:`fpsim.diagnostics.surface_growth.roughness.roughness_exponent`. Two sizes are always on a line: the
        claim is then trivial. errors : float Root mean square relative standard error of the widths.
    """
    freedom = int(fit.details["dof"])
    residual = errors * np.sqrt(float(fit.details["chi2"]) / freedom) if freedom > 0 else 0.0
    return Claim(name, float(residual), errors, tolerance, freedom)


def limit_law_claims(
    name: str, measured: RescaledCumulants, law: LimitLaw, *, tolerance: float = 0.05
) -> tuple[Claim, Claim, Claim]:
    """Mean and variance of a limit law (relative difference) and its skewness (absolute difference)."""
    value, error, truth = measured.value, measured.error, law.cumulants
    scale = abs(truth.mean) or np.sqrt(truth.variance)
    rows = (
        ("mean", abs(value.mean - truth.mean) / scale, error.mean / scale),
        ("variance", abs(value.variance / truth.variance - 1.0), error.variance / truth.variance),
        ("skewness", abs(value.skewness - truth.skewness), error.skewness),
    )
    first, second, third = (Claim(f"{name}, {what}", float(r), float(e), tolerance, 1) for what, r, e in rows)
    return first, second, third
