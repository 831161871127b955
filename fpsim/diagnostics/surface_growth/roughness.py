"""Widths and exponents of growing surfaces.

Growth is read from the one-point variance: the variance of the height over sites *and* replicas. On the infinite line
it equals the squared width; on a finite one the width lacks the fluctuation of the mean height, which bends growth
curves long before saturation. An additive constant ("intrinsic width") bends them too, so differences are fitted.

Limits: exponents are effective ones over the window given; corrections to scaling are the reader's to judge, from
``details["local"]``. Errors are statistical, by jackknife over replicas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.surface_growth.replicas import pooled_cumulants, raw_moments, replica_mean
from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["growth_exponent", "roughness_exponent", "width2"]


def width2(ensemble: SurfaceEnsemble) -> Result:
    """Squared width, the spatial variance of a surface averaged over replicas; shape (T,), with standard errors."""
    return replica_mean(ensemble.central[..., 0].T).result("spatial variance, mean over replicas")


def growth_exponent(ensemble: SurfaceEnsemble, *, t_min: float = 0.0) -> Result:
    """Exponent ``beta`` of ``variance = a t^(2 beta) + c`` from differences between geometrically spaced times.

    ``variance(r t) - variance(t)`` is proportional to ``t^(2 beta)`` whatever ``c``; its logarithm is fitted against
    ``log t`` with weights from the jackknife.

    Parameters
    ----------
    ensemble : SurfaceEnsemble
        Recorded at times of constant ratio, from a flat start, well before saturation.
    t_min : float
        Earlier times are left out.

    Returns
    -------
    Result
        ``beta`` and its standard error; ``details``: ``times`` (the earlier of each pair), ``local`` and
        ``local_error`` (the exponent from each three neighbouring times).

    Raises
    ------
    DomainError
        If fewer than four times remain, their ratio is not constant, or the variance does not grow significantly.
    """
    used = ensemble.times >= t_min
    times = ensemble.times[used]
    if times.size < 4 or np.ptp(np.diff(np.log(times))) > 1e-6:
        message = f"growth needs four or more times of constant ratio from t_min={t_min:g}; got {times.tolist()}"
        raise DomainError(message)
    mean_moments = replica_mean(raw_moments(ensemble)[0][:, used])

    def increments(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.diff(pooled_cumulants(mean)[..., 1], axis=-1)

    grown = mean_moments.map(increments)
    value, error = grown.value, grown.error
    if np.any(value <= 3.0 * error):
        message = f"the variance does not grow beyond its errors: increments {value.tolist()}, errors {error.tolist()}"
        raise DomainError(message)
    x, weights = np.log(times[:-1]), value / error

    def exponents(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        y = np.log(increments(mean))
        return 0.5 * np.append(np.polyfit(x, y, 1, w=weights)[0], np.diff(y) / np.diff(x))

    beta = mean_moments.map(exponents)
    details = {"times": times[:-1], "local": beta.value[1:], "local_error": beta.error[1:]}
    return Result(float(beta.value[0]), float(beta.error[0]), "differences of the one-point variance", details)


def roughness_exponent(sizes: ArrayLike, saturated: ArrayLike, errors: ArrayLike) -> Result:
    """Exponent ``alpha`` of ``width2 = a size^(2 alpha)`` from saturated squared widths of several sizes.

    Parameters
    ----------
    sizes, saturated, errors : array_like (n,)
        Sizes, stationary squared widths and their standard errors; ``n >= 2``.

    Returns
    -------
    Result
        ``alpha`` with its standard error; ``details["chi2"]`` and ``["dof"]`` judge the power law.
    """
    size, value, error = (np.asarray(a, dtype=float) for a in (sizes, saturated, errors))
    if size.ndim != 1 or size.size < 2 or size.shape != value.shape or size.shape != error.shape:
        shapes = f"{size.shape}, {value.shape}, {error.shape}"
        message = f"sizes, widths and errors have shapes {shapes}; accepted: three times (n,), n >= 2"
        raise DomainError(message)
    if np.any(value <= 0) or np.any(error <= 0) or np.any(size <= 0):
        message = "sizes, widths and errors must be positive"
        raise DomainError(message)
    weights = value / error
    design = np.column_stack([np.log(size), np.ones_like(size)]) * weights[:, None]
    covariance = np.linalg.inv(design.T @ design)
    slope, offset = covariance @ design.T @ (weights * np.log(value))
    chi2 = float(np.sum((weights * (np.log(value) - slope * np.log(size) - offset)) ** 2))
    details = {"chi2": chi2, "dof": size.size - 2}
    return Result(float(slope / 2), float(np.sqrt(covariance[0, 0]) / 2), "saturated widths against size", details)
