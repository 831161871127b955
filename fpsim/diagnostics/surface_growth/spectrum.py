"""Structure factor of surfaces, and its test against a prediction.

``S_k = <|h_k|^2> / size`` with ``h_k = sum_j h_j exp(-i k j)``. Where the heights are Gaussian, as for
Edwards-Wilkinson surfaces at all times and for stationary Lam-Shin ones, ``2 R S_k / <S_k>`` of ``R`` replicas follows
the chi-squared law with ``2 R`` degrees of freedom (``R`` at ``k = pi``), independent for each mode:
the test is exact.

Limits: surfaces that are not Gaussian (KPZ growth before saturation) are rejected for their law as well as for their
spectrum, which is what a test of the Edwards-Wilkinson hypothesis should do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fpsim.diagnostics.surface_growth.replicas import replica_mean
from fpsim.diagnostics.surface_growth.roughness import roughness_exponent
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["SpectrumComparison", "StructureFactor", "compare_spectrum", "spectral_roughness", "structure_factor"]


@dataclass(frozen=True)
class StructureFactor:
    """Measured structure factor.

    Attributes
    ----------
    wavenumber : ndarray (size // 2,)
        ``k = 2 pi m / size`` for ``m = 1 ... size // 2``.
    value, error : ndarray (size // 2,)
        ``S_k`` and its standard error over replicas.
    replicas : int
    """

    wavenumber: NDArray[np.float64]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    replicas: int


@dataclass(frozen=True)
class SpectrumComparison:
    """Agreement of a structure factor with a prediction.

    Attributes
    ----------
    z : ndarray (size // 2,)
        Deviation of every mode, mapped to a standard normal number.
    chi2 : float
        Sum of ``z**2``.
    p_value : float
        Probability of a larger ``chi2`` if the prediction holds.
    """

    z: NDArray[np.float64]
    chi2: float
    p_value: float


def structure_factor(heights: ArrayLike) -> StructureFactor:
    """Structure factor of profiles of shape (replicas, size), from at least 8 replicas."""
    h = np.asarray(heights, dtype=float)
    if h.ndim != 2 or h.shape[1] < 4:
        message = f"heights have shape {h.shape}; accepted: (replicas, size) with size 4 or more"
        raise DomainError(message)
    size = h.shape[1]
    power = np.abs(np.fft.rfft(h, axis=1)[:, 1:]) ** 2 / size
    found = replica_mean(power)
    return StructureFactor(2.0 * np.pi * np.arange(1, size // 2 + 1) / size, found.value, found.error, h.shape[0])


def compare_spectrum(measured: StructureFactor, expected: ArrayLike) -> SpectrumComparison:
    """Test a measured structure factor against a predicted one.

    Such as :func:`fpsim.diagnostics.surface_growth.exact.ew_structure_factor`.
    """
    prediction = np.asarray(expected, dtype=float)
    if prediction.shape != measured.value.shape or not np.all(prediction > 0):
        message = f"expected has shape {prediction.shape}; accepted: positive, of shape {measured.value.shape}"
        raise DomainError(message)
    real = np.isclose(measured.wavenumber, np.pi)
    dof = np.where(real, 1.0, 2.0) * measured.replicas
    statistic = dof * measured.value / prediction
    upper, lower = stats.chi2.sf(statistic, dof), stats.chi2.cdf(statistic, dof)
    # The smaller tail keeps its digits; 38 standard deviations are as far as doubles go.
    z = np.where(upper < lower, stats.norm.isf(np.maximum(upper, 1e-300)), stats.norm.ppf(np.maximum(lower, 1e-300)))
    chi2 = float(np.sum(z**2))
    return SpectrumComparison(z, chi2, float(stats.chi2.sf(chi2, z.size)))


def spectral_roughness(measured: StructureFactor, *, k_max: float = np.pi) -> Result:
    """Exponent ``alpha`` of ``S_k = a q^-(1 + 2 alpha)`` from modes up to ``k_max``, with ``q = 2 sin(k / 2)``."""
    used = measured.wavenumber <= k_max
    if np.count_nonzero(used) < 2:
        message = f"k_max is {k_max:g}; accepted: at least two modes, k_max >= {measured.wavenumber[1]:g}"
        raise DomainError(message)
    q = 2.0 * np.sin(0.5 * measured.wavenumber[used])
    fit = roughness_exponent(1.0 / q, measured.value[used], measured.error[used])
    details = dict(fit.details)
    return Result(fit.value - 0.5, fit.error, "structure factor against wavenumber", details)
