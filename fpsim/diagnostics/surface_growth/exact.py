"""Exact statements on one-dimensional surfaces.

The surface obeys, on a periodic lattice of spacing 1 with ``size`` sites,

    dh_i/dt = nu (h_{i+1} - 2 h_i + h_{i-1}) + (lam / 2) N_i + sqrt(2 noise) xi_i

with independent white noises ``xi_i`` of unit strength (Edwards & Wilkinson, Proc. R. Soc. A 381, 17 (1982), for
``lam = 0``; Kardar, Parisi & Zhang, Phys. Rev. Lett. 56, 889 (1986)). All quantities are dimensionless; ``width2`` is
the mean over sites of ``(h_i - mean(h))**2`` and of all noises, from a flat start unless said otherwise.

Limits: what needs ``lam != 0`` holds for the discretisation of Lam & Shin only, whose stationary state is that of
``lam = 0``; the amplitude ``Gamma`` is exact for it because its current is exactly quadratic in the tilt.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.errors import DomainError

__all__ = [
    "amplitude",
    "ew_growth_amplitude",
    "ew_structure_factor",
    "ew_width2",
    "saturation_width2",
    "stationary_velocity",
]


def _ratio(nu: float, noise: float, size: int = 2) -> float:
    """``A = noise / nu``, once the parameters have been looked at."""
    if not nu > 0 or not noise >= 0 or size < 2:
        message = f"nu is {nu}, noise {noise}, size {size}; accepted: nu > 0, noise >= 0, size >= 2"
        raise DomainError(message)
    return noise / nu


def _eigenvalues(size: int) -> NDArray[np.float64]:
    """Eigenvalues of minus the lattice Laplacian for the modes 1 ... size // 2."""
    return 2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(1, size // 2 + 1) / size)


def ew_structure_factor(size: int, t: ArrayLike, *, nu: float = 1.0, noise: float = 1.0) -> NDArray[np.float64]:
    """Edwards-Wilkinson ``S_k(t) = (noise / (nu e_k)) (1 - exp(-2 nu e_k t))`` with ``e_k = 2 - 2 cos k``.

    Parameters
    ----------
    size : int
        Sites.
    t : array_like (T,) or scalar
        Times since the flat start; ``inf`` for the stationary state.
    nu, noise : float
        Surface tension and noise strength.

    Returns
    -------
    ndarray, shape (T, size // 2) or (size // 2,)
        ``<|h_k|^2> / size`` at ``k = 2 pi m / size``, ``m = 1 ... size // 2``.
    """
    ratio = _ratio(nu, noise, size)
    e = _eigenvalues(size)
    return ratio / e * -np.expm1(-2.0 * nu * e * np.asarray(t, dtype=float)[..., None])


def ew_width2(size: int, t: ArrayLike, *, nu: float = 1.0, noise: float = 1.0) -> NDArray[np.float64]:
    """Squared width of the Edwards-Wilkinson lattice: ``(1/size) sum_{k != 0} S_k(t)``; shape of ``t``."""
    modes = ew_structure_factor(size, t, nu=nu, noise=noise)
    copies = np.where(2 * np.arange(1, size // 2 + 1) == size, 1.0, 2.0)
    return np.asarray(modes @ copies / size)


def ew_growth_amplitude(*, nu: float = 1.0, noise: float = 1.0) -> float:
    """Factor ``a`` of ``width2 = a sqrt(t)`` on the infinite line: ``(noise / nu) sqrt(2 nu / pi)``."""
    return float(_ratio(nu, noise) * np.sqrt(2.0 * nu / np.pi))


def saturation_width2(size: int, *, nu: float = 1.0, noise: float = 1.0) -> float:
    """Stationary ``width2 = (noise / nu) (size - 1 / size) / 12`` of a periodic random walk, for any ``lam``."""
    return _ratio(nu, noise, size) * (size - 1.0 / size) / 12.0


def stationary_velocity(size: int, lam: float, *, nu: float = 1.0, noise: float = 1.0) -> float:
    """Stationary mean growth velocity of the Lam-Shin lattice, ``lam A (1/3 - 1 / (2 size))`` with ``A = noise / nu``.

    The slopes of the stationary state have variance ``A (1 - 1/size)`` and covariance ``-A/size`` (they add up to
    zero), of which ``N_i`` takes two thirds and one third. The part ``-lam A / (2 size)`` is universal (Krug & Meakin,
    J. Phys. A 23, L987 (1990)).
    """
    return lam * _ratio(nu, noise, size) * (1.0 / 3.0 - 0.5 / size)


def amplitude(lam: float, *, nu: float = 1.0, noise: float = 1.0) -> float:
    """``Gamma = |lam| A^2 / 2`` of ``h = v t + sign(lam) (Gamma t)^(1/3) chi``, with ``A = noise / nu``.

    Krug, Meakin & Halpin-Healy, Phys. Rev. A 45, 638 (1992), with the normalisation of Prähofer & Spohn (2000).
    """
    return abs(lam) * _ratio(nu, noise) ** 2 / 2.0
