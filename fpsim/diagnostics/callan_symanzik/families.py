"""Families of laws with few couplings, in which the Callan-Symanzik equation is claimed to close.

A family has parameters ``theta``. Its couplings are ``(Z, g_1, g_2 ..)``, with the field strength ``Z`` fixed by the
renormalisation condition ``G_2(x*, x*) = Z^2`` at the first output (``Z`` carries the sign of ``G_1``). Built in, for
outputs ``f_j = inputs_j phi`` of one stochastic amplitude ``phi``:

====================== ======================= ================== =====================================================
family                 law of ``phi``          theta              couplings
====================== ======================= ================== =====================================================
``ornstein_uhlenbeck`` ``N(m, P)``             ``m, P``           ``Z; g = m^2 / Z^2``; ``h = D / (lambda Z^2)``
``lognormal``          ``LN(mu, s2)``          ``mu, s2``         ``Z; g = s2``; ``v = Z / target``
``lognormal2``         ``LN(mu, s2) - target`` ``mu, s2``         ``Z; g = s2, u = target / Z``
``pure_scaling``       ``Z`` times a fixed law ``ln |Z|``         ``Z`` alone: every exponent is ``n`` times one
====================== ======================= ================== =====================================================

Any other family is a :class:`ParametricFamily` of the caller's, or any object with the same four members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import comb, factorial, prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpsim.diagnostics.callan_symanzik.correlators import Correlators, Index
from fpsim.support.errors import DomainError

__all__ = ["Family", "ParametricFamily", "lognormal", "lognormal2", "ornstein_uhlenbeck", "pure_scaling"]

Array = NDArray[np.float64]


class Family(Protocol):
    """A finite-dimensional family of laws of the outputs."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the couplings, without ``Z``."""

    def read(self, indices: Sequence[Index], full: Array) -> Array:
        """Parameters from n-point functions (the renormalisation conditions)."""

    def correlators(self, theta: Array, indices: Sequence[Index]) -> Array:
        """n-point functions of the member ``theta``."""

    def couplings(self, theta: Array) -> Array:
        """``(Z, g_1, ..)`` of the member ``theta``."""


@dataclass(frozen=True)
class ParametricFamily:
    """A family given by the moments of the amplitude ``phi``, with ``f_j = inputs_j phi``.

    Attributes
    ----------
    names : tuple of str
    moments : callable
        ``moments(theta, n)``: ``E phi^n``.
    from_moments : callable
        ``from_moments(E phi, E phi^2)``: parameters.
    to_couplings : callable
        ``to_couplings(theta)``: ``(Z, g_1, ..)``.
    inputs : tuple of float
        Factors of the outputs; the first is the reference input ``x*``.
    """

    names: tuple[str, ...]
    moments: Callable[[Array, int], float]
    from_moments: Callable[[float, float], Array]
    to_couplings: Callable[[Array], Array]
    inputs: tuple[float, ...] = (1.0,)

    def read(self, indices: Sequence[Index], full: Array) -> Array:
        """Parameters from ``G_1`` and ``G_2`` at the reference input.

        Raises
        ------
        DomainError
            If these two were not computed, or no member of the family has such moments.
        """
        try:
            first, second = (float(full[list(indices).index(index)]) for index in ((0,), (0, 0)))
        except ValueError:
            raise DomainError("a family reads G_1 and G_2 of the first output: both have to be computed") from None
        x = self.inputs[0]
        theta = np.asarray(self.from_moments(first / x, second / x**2), float)
        if not np.isfinite(theta).all():
            raise DomainError(f"no member of the family has G_1 = {first:.6g} and G_2 = {second:.6g}")
        return theta

    def correlators(self, theta: Array, indices: Sequence[Index]) -> Array:
        """``G = (product of inputs) E phi^n``."""
        if max(max(index) for index in indices) >= len(self.inputs):
            raise DomainError(f"indices name outputs beyond the {len(self.inputs)} inputs of the family")
        orders = {n: self.moments(theta, n) for n in {len(index) for index in indices}}
        return np.array([prod(self.inputs[i] for i in index) * orders[len(index)] for index in indices])

    def couplings(self, theta: Array) -> Array:
        """``(Z, g_1, ..)``; ``Z`` is that of the reference input."""
        return np.asarray(self.to_couplings(theta), float)


def ornstein_uhlenbeck(*, noise: float | None = None, inputs: Sequence[float] = (1.0,)) -> ParametricFamily:
    """Gaussian amplitude, as linear drift and constant noise keep it: ``phi ~ N(m, P)``.

    ``Ghat_n(g) = sum_k C(n, 2k) (2k-1)!! (1-g)^k g^(n/2-k)``. For ``dphi = -lambda phi dt + sqrt(2 D) dB`` and the
    clock ``s = lambda t``: ``gamma = h - 1``, ``beta_g = -2 g h``, ``beta_h = 2 h (1 - h)``.

    Parameters
    ----------
    noise : float, optional
        ``D / lambda`` in the unit of ``phi^2``; adds the coupling ``h = noise / Z^2``.
    inputs : sequence of float
        ``f_j = inputs_j phi``.
    """
    names = ("g", "h") if noise is not None else ("g",)
    couplings = partial(_gaussian_couplings, reference=float(inputs[0]), noise=noise)
    return ParametricFamily(names, _gaussian_moment, _gaussian_from_moments, couplings, tuple(inputs))


def _gaussian_moment(theta: Array, n: int) -> float:
    m, p = float(theta[0]), float(theta[1])
    return sum(comb(n, 2 * k) * _double_factorial(2 * k - 1) * p**k * m ** (n - 2 * k) for k in range(n // 2 + 1))


def _gaussian_from_moments(first: float, second: float) -> Array:
    return np.array([first, second - first * first])


def _gaussian_couplings(theta: Array, *, reference: float, noise: float | None) -> Array:
    m, square = float(theta[0]), float(theta[0] ** 2 + theta[1])
    z = reference * np.sqrt(square) * (1.0 if m >= 0.0 else -1.0)
    return np.array([z, m * m / square] + ([noise / square] if noise is not None else []))


def lognormal(*, target: float | None = None, inputs: Sequence[float] = (1.0,)) -> ParametricFamily:
    """Lognormal amplitude, as geometric Brownian motion keeps it: ``ln phi ~ N(mu, s2)``, ``g = s2``.

    ``Ghat_n(g) = exp((n^2 - 2n) g / 2)``: exponents quadratic in ``n``, no fixed point.

    Parameters
    ----------
    target : float, optional
        Where ``phi`` is drawn to: it breaks scale covariance, so that ``v = Z / target`` is a second coupling.
    inputs : sequence of float
        ``f_j = inputs_j phi``.
    """
    plain = _lognormal(0.0, inputs)
    if target is None:
        return plain
    scaled = partial(_with_scale, couplings=plain.to_couplings, scale=float(inputs[0]) * float(target))
    return replace(plain, names=("g", "v"), to_couplings=scaled)


def lognormal2(*, target: float, inputs: Sequence[float] = (1.0,)) -> ParametricFamily:
    """Distance of a lognormal amplitude from a target, ``phi = w - target``: couplings ``g = s2`` and ``u = target /
    Z``.

    The target is constant, so that ``beta_u = -gamma u``: it does not add a free direction.
    """
    return _lognormal(float(target), inputs)


def _lognormal(target: float, inputs: Sequence[float]) -> ParametricFamily:
    return ParametricFamily(
        ("g", "u") if target else ("g",),
        partial(_lognormal_moment, target=target),
        partial(_lognormal_from_moments, target=target),
        partial(_lognormal_couplings, target=target, reference=float(inputs[0])),
        tuple(inputs),
    )


def _lognormal_moment(theta: Array, n: int, *, target: float) -> float:
    mu, s2 = float(theta[0]), float(theta[1])
    return sum(comb(n, k) * np.exp(k * mu + 0.5 * k * k * s2) * (-target) ** (n - k) for k in range(n + 1))


def _lognormal_from_moments(first: float, second: float, *, target: float) -> Array:
    mean = first + target
    square = second + 2.0 * target * first + target * target
    if mean <= 0.0 or square <= mean * mean:
        return np.array([np.nan, np.nan])
    s2 = np.log(square / mean**2)
    return np.array([np.log(mean) - 0.5 * s2, s2])


def _lognormal_couplings(theta: Array, *, target: float, reference: float) -> Array:
    first, second = (_lognormal_moment(theta, n, target=target) for n in (1, 2))
    z = reference * np.sqrt(second) * (1.0 if first >= 0.0 else -1.0)
    return np.array([z, theta[1]] + ([reference * target / z] if target else []))


def _with_scale(theta: Array, *, couplings: Callable[[Array], Array], scale: float) -> Array:
    """Couplings with ``v = Z / scale`` as one more."""
    z, g = couplings(theta)
    return np.array([z, g, z / scale])


@dataclass(frozen=True)
class PureScaling:
    """``G_n = Z^n`` times the shape of a reference: no coupling at all, one exponent for every ``n``."""

    reference: Correlators

    @property
    def names(self) -> tuple[str, ...]:
        """No couplings."""
        return ()

    def read(self, indices: Sequence[Index], full: Array) -> Array:
        """``ln |Z|`` from ``G_2`` of the first output."""
        if (0, 0) not in indices:
            raise DomainError("pure scaling reads G_2 of the first output: it has to be computed")
        return np.array([0.5 * np.log(full[list(indices).index((0, 0))])])

    def correlators(self, theta: Array, indices: Sequence[Index]) -> Array:
        """``G_n = (Z / Z_reference)^n G_n(reference)``."""
        shape = self.reference
        ratio = np.exp(theta[0]) / np.sqrt(shape.full.value[shape.position(0, 0)])
        return np.array([shape.full.value[shape.position(*index)] * ratio ** len(index) for index in indices])

    def couplings(self, theta: Array) -> Array:
        """``Z`` alone."""
        return np.exp(theta[:1])


def pure_scaling(reference: Correlators) -> PureScaling:
    """The family of all rescalings of one law."""
    return PureScaling(reference)


def _double_factorial(n: int) -> float:
    """``n!!`` for odd ``n >= -1``."""
    k = (n + 1) // 2
    return factorial(2 * k) / (2.0**k * factorial(k))
