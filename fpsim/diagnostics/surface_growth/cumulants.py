"""One-point cumulants of growing surfaces, and their comparison with limit laws.

For ``h = v t + sign(lam) (Gamma t)^(1/3) chi + const + ...`` the ``n``-th cumulant of the height is
``(sign(lam) (Gamma t)^(1/3))^n <chi^n>_c`` plus terms that grow more slowly. A fitted constant takes up the leading
one, which leaves no free parameter: ``v`` and ``Gamma`` are exact for the Lam-Shin lattice.

Limits: the rest of the correction decays slowly; compare several ``t_min`` before believing the last digit. For a flat
start, ``lam = 3`` and ``t`` from 16 to 256 variance and mean are within 1 % of their limits. The mean is sensitive to
time steps: a velocity that is off by 3e-4 moves it by 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsim.diagnostics.surface_growth.exact import amplitude
from fpsim.diagnostics.surface_growth.replicas import pooled_cumulants, raw_moments, replica_mean
from fpsim.diagnostics.surface_growth.surface import SurfaceEnsemble
from fpsim.diagnostics.surface_growth.tracy_widom import Cumulants, LimitLaw
from fpsim.support.errors import DomainError

__all__ = ["OnePointCumulants", "RescaledCumulants", "one_point_cumulants", "rescaled_cumulants"]


@dataclass(frozen=True)
class OnePointCumulants:
    """Cumulants of the height over sites and replicas.

    Attributes
    ----------
    times : ndarray (T,)
    value, error : ndarray (T, 4)
        Cumulants 1 to 4 and their standard errors.
    skewness, skewness_error, kurtosis, kurtosis_error : ndarray (T,)
        ``k3 / k2^1.5`` and ``k4 / k2^2``.
    """

    times: NDArray[np.float64]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    skewness: NDArray[np.float64]
    skewness_error: NDArray[np.float64]
    kurtosis: NDArray[np.float64]
    kurtosis_error: NDArray[np.float64]


@dataclass(frozen=True)
class RescaledCumulants:
    """Estimates of the cumulants of ``chi``, with standard errors and the window they were fitted in."""

    value: Cumulants
    error: Cumulants
    t_min: float
    t_max: float

    def deviations(self, law: LimitLaw) -> Cumulants:
        """Differences from a limit law in standard errors."""
        pairs = (
            (getattr(self.value, name) - getattr(law.cumulants, name)) / getattr(self.error, name)
            for name in ("mean", "variance", "skewness", "kurtosis")
        )
        return Cumulants(*pairs)


def _with_shape(k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append skewness and excess kurtosis to cumulants 1 to 4."""
    return np.concatenate(
        [k, (k[..., 2] / k[..., 1] ** 1.5)[..., None], (k[..., 3] / k[..., 1] ** 2)[..., None]], axis=-1
    )


def one_point_cumulants(ensemble: SurfaceEnsemble) -> OnePointCumulants:
    """Cumulants of the height, pooled over sites and replicas, with jackknife errors over replicas."""
    raw, reference = raw_moments(ensemble)
    found = replica_mean(raw).map(lambda mean: _with_shape(pooled_cumulants(mean)))
    value, error = found.value.copy(), found.error
    value[:, 0] += reference
    columns = (value[:, 4], error[:, 4], value[:, 5], error[:, 5])
    return OnePointCumulants(ensemble.times, value[:, :4], error[:, :4], *columns)


def rescaled_cumulants(
    ensemble: SurfaceEnsemble, *, t_min: float = 0.0, velocity: float | None = None, gamma: float | None = None
) -> RescaledCumulants:
    """Cumulants of ``chi`` from the growth of the cumulants of the height between ``t_min`` and the last time.

    Each cumulant is fitted by ``c_n (sign(lam) (Gamma t)^(1/3))^n + a_n`` with weights from the jackknife.

    Parameters
    ----------
    ensemble : SurfaceEnsemble
        Recorded well before saturation.
    t_min : float
        Earlier times are left out; at least two must remain.
    velocity, gamma : float, optional
        ``v`` and ``Gamma``; ``None``: those of the infinite Lam-Shin lattice, ``lam noise / (3 nu)`` and
        ``fpsim.diagnostics.surface_growth.exact.amplitude``.

    Returns
    -------
    RescaledCumulants

    Raises
    ------
    DomainError
        If fewer than two times remain, or if ``velocity`` and ``gamma`` are not given although ``lam`` is 0 or the
        scheme is centred.
    """
    used = ensemble.times >= t_min
    times = ensemble.times[used]
    if times.size < 2:
        message = f"{times.size} recorded times from t_min={t_min:g}; accepted: two or more"
        raise DomainError(message)
    if (velocity is None or gamma is None) and (ensemble.lam == 0.0 or ensemble.scheme != "lam-shin"):
        message = "velocity and gamma are known only for lam != 0 and scheme 'lam-shin'; give both"
        raise DomainError(message)
    v = ensemble.lam * ensemble.noise / (3.0 * ensemble.nu) if velocity is None else velocity
    growth = amplitude(ensemble.lam, nu=ensemble.nu, noise=ensemble.noise) if gamma is None else gamma
    sign = -1.0 if ensemble.lam < 0 else 1.0

    raw, reference = raw_moments(ensemble)
    raw, excess = raw[:, used], reference[used] - v * times
    mean_moments = replica_mean(raw)
    error = mean_moments.map(pooled_cumulants).error

    def fitted(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        k = pooled_cumulants(mean)
        k[:, 0] += excess
        slopes = [
            np.polyfit((sign * np.cbrt(growth * times)) ** n, k[:, n - 1], 1, w=1.0 / error[:, n - 1])[0]
            for n in range(1, 5)
        ]
        return _with_shape(np.stack(slopes, axis=-1))[..., [0, 1, 4, 5]]

    chi = mean_moments.map(fitted)
    value, spread = Cumulants(*chi.value.tolist()), Cumulants(*chi.error.tolist())
    return RescaledCumulants(value, spread, float(times[0]), float(times[-1]))
