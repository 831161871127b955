"""Verdict records: identities and claims, what is expected of them, and one rule for when they hold.

An :class:`Identity` is true whatever the physics: its residual measures numerics (or sampling) and is held against
their error. A :class:`Claim` is about the physics and can fail. Where a residual could not have failed, because nothing
is left over to test, the verdict is "trivial" and not a pass. A control, false on purpose, is a record with
``expected="fails"``.

The rule: a residual counts as seen from ``threshold(m)`` errors on, the two-sided normal quantile at level ``ALPHA /
m`` for ``m`` records judged together (:func:`judged_together`; Bonferroni 1936), so that a whole table raises a false
alarm with probability ``ALPHA`` at most, however long it is. One record alone: three errors.

Limits: errors are taken as standard errors of normal numbers; for skewed residuals (squares, energy distances) a
threshold is a scale and not a probability, and for bounds it is a safety factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only_mapping

__all__ = [
    "ALPHA",
    "Claim",
    "Expected",
    "Identity",
    "Record",
    "Verdict",
    "control",
    "judged_together",
    "shortfalls",
    "threshold",
]

Verdict: TypeAlias = Literal["holds", "fails", "trivial", "inconclusive"]
Expected: TypeAlias = Literal["holds", "fails", "trivial"]

ALPHA = 2.0 * NormalDist().cdf(-3.0)
"""Probability of a false alarm in a family of records judged together: that of three standard errors, 0.0027."""

_ROUNDING = 1e-12


def threshold(records: int = 1) -> float:
    """Errors from which on a residual counts as seen, if this many records are judged together.

    Raises
    ------
    DomainError
        If there is no record.
    """
    if records < 1:
        raise DomainError(f"{records} records judged together: a positive number is accepted")
    return -NormalDist().inv_cdf(0.5 * ALPHA / records)


@dataclass(frozen=True)
class Record(Immutable):
    """What identities and claims have in common.

    Attributes
    ----------
    name : str
    residual : float
        Relative size of what is left over, dimensionless.
    error : float
        Size of a residual that numerics or sampling alone would produce.
    expected : {"holds", "fails", "trivial"}
        Verdict that is expected: "fails" of a control.
    together : int
        Number of records judged together, this one included.
    details : mapping
        Terms, orders, places; read-only.
    """

    name: str
    residual: float
    error: float
    details: Mapping[str, Any] = field(default_factory=dict, repr=False, kw_only=True)
    expected: Expected = field(default="holds", kw_only=True)
    together: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if self.expected not in ("holds", "fails", "trivial"):
            raise DomainError(f"expected verdict of {self.name} is {self.expected!r}: holds, fails, trivial")
        threshold(self.together)
        object.__setattr__(self, "details", read_only_mapping(self.details))

    @property
    def threshold(self) -> float:
        """Errors from which on the residual counts as seen."""
        return threshold(self.together)

    @property
    def verdict(self) -> Verdict:
        """See the two kinds of records."""
        raise NotImplementedError

    @property
    def met(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.verdict == self.expected

    @property
    def _finite(self) -> bool:
        return bool(np.isfinite(self.residual) and np.isfinite(self.error))


@dataclass(frozen=True)
class Identity(Record):
    """An equation that is always true, evaluated numerically.

    Holds if the residual is explained by the error, up to ``threshold`` times; fails otherwise. Attributes as those of
    :class:`Record`.
    """

    @property
    def verdict(self) -> Verdict:
        """Holds, fails, or is inconclusive where a number is not finite."""
        if not self._finite:
            return "inconclusive"
        return "holds" if self.residual <= self.threshold * self.error + _ROUNDING else "fails"

    def __str__(self) -> str:
        return f"identity {self.name}: residual {self.residual:.2e}, explained {self.error:.2e}: {self.verdict}"


@dataclass(frozen=True)
class Claim(Record):
    """A statement about the physics that the data can contradict.

    Fails if ``residual - threshold error > tolerance``, holds if ``residual + threshold error <= tolerance``; otherwise
    the data do not decide. With tolerance zero it says that nothing differs at all: that can be contradicted but not
    shown, so it holds until it fails.

    Attributes
    ----------
    tolerance : float
        Violation up to which the claim counts as true.
    freedom : int
        Independent observables minus fitted parameters; the claim is trivial if it is not positive.
    name, residual, error, details, expected, together
        As those of :class:`Record`; the residual is zero if the claim is exactly true.
    """

    tolerance: float
    freedom: int = 1

    def __post_init__(self) -> None:
        if not self.tolerance >= 0.0:
            raise DomainError(f"tolerance of {self.name} is {self.tolerance}: a nonnegative number is accepted")
        super().__post_init__()

    @property
    def verdict(self) -> Verdict:
        """Holds, fails, is trivial, or is inconclusive."""
        if self.freedom <= 0:
            return "trivial"
        if not self._finite:
            return "inconclusive"
        margin = self.threshold * self.error
        if self.residual - margin > self.tolerance + (0.0 if self.tolerance else _ROUNDING):
            return "fails"
        return "holds" if not self.tolerance or self.residual + margin <= self.tolerance else "inconclusive"

    def __str__(self) -> str:
        return (
            f"claim {self.name}: residual {self.residual:.3g} +- {self.error:.1g}, tolerance {self.tolerance:g}, "
            f"{self.freedom} degrees of freedom: {self.verdict}"
        )


R = TypeVar("R", bound=Record)


def control(record: R) -> R:
    """The record as a control, false on purpose: it is expected to fail."""
    return replace(record, expected="fails")


def judged_together(records: Iterable[R]) -> tuple[R, ...]:
    """The records with the threshold of their number: one family, one table."""
    family = tuple(records)
    return tuple(replace(record, together=len(family)) for record in family)


def shortfalls(records: Iterable[Record]) -> tuple[str, ...]:
    """One sentence for every record whose verdict is not the expected one."""
    return tuple(f"{record}, {record.expected} expected" for record in records if not record.met)
