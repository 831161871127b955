"""What a diagnostic answers: identities and claims, kept apart.

An :class:`Identity` holds whatever the physics: its residual measures numerics only, and is judged against the
estimated numerical (or sampling) error. A :class:`Claim` is about the physics: it can fail, and it says so. Where a
residual could not have failed, because there is nothing left over to test, the verdict is "trivial" and not a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from fpsim.support.errors import DomainError

__all__ = ["SIGMAS", "Claim", "Identity", "Verdict"]

Verdict: TypeAlias = Literal["holds", "fails", "trivial", "inconclusive"]

SIGMAS = 3.0
"""Errors by which a residual must clear its tolerance in either direction."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Identity:
    """An equation that is always true, evaluated numerically.

    Attributes
    ----------
    name : str
    residual : float
        Relative size of what is left over, dimensionless.
    error : float
        Size that numerics (or sampling) explain.
    details : mapping
        Terms, orders, places; read-only.
    """

    name: str
    residual: float
    error: float
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    @property
    def verdict(self) -> Verdict:
        """Holds if the residual is explained by the error, up to three times; fails otherwise."""
        if not (np.isfinite(self.residual) and np.isfinite(self.error)):
            return "inconclusive"
        return "holds" if self.residual <= SIGMAS * self.error + _ROUNDING else "fails"

    def __str__(self) -> str:
        return f"identity {self.name}: residual {self.residual:.2e}, explained {self.error:.2e}: {self.verdict}"


@dataclass(frozen=True)
class Claim:
    """A statement about the physics that the data can contradict.

    Attributes
    ----------
    name : str
    residual : float
        Relative size of the violation, dimensionless, zero if the claim is exactly true.
    error : float
        Size of a residual that errors alone would produce.
    tolerance : float
        Violation up to which the claim counts as true.
    freedom : int
        Independent observables minus fitted parameters; the claim is trivial if it is not positive.
    verdict : {"holds", "fails", "trivial", "inconclusive"}
        Fails if ``residual - 3 error > tolerance``, holds if ``residual + 3 error <= tolerance``; otherwise the data do
        not decide.
    details : mapping
        Read-only.
    """

    name: str
    residual: float
    error: float
    tolerance: float
    freedom: int
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.tolerance > 0.0:
            raise DomainError(f"tolerance of {self.name} is {self.tolerance}: a positive number is accepted")
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    @property
    def verdict(self) -> Verdict:
        """See the attributes."""
        if self.freedom <= 0:
            return "trivial"
        if not (np.isfinite(self.residual) and np.isfinite(self.error)):
            return "inconclusive"
        if self.residual - SIGMAS * self.error > self.tolerance:
            return "fails"
        return "holds" if self.residual + SIGMAS * self.error <= self.tolerance else "inconclusive"

    def __str__(self) -> str:
        return (
            f"claim {self.name}: residual {self.residual:.3g} +- {self.error:.1g}, tolerance {self.tolerance:g}, "
            f"{self.freedom} degrees of freedom: {self.verdict}"
        )
