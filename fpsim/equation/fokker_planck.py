"""The Fokker-Planck equation as a value: drift, potential, diffusion tensor and calculus.

``d_t p = -d_i(b_i p) + d_i d_j (D_ij p)``, ``b = drift - grad potential - D grad phi``, once converted to the Ito form.

Coefficients may be given as

- drift: a callable of the coordinates that answers a tuple of one array per axis (in one dimension also the array
  itself), a tuple of one number per axis (in one dimension also the number itself), an array ``(ndim, *grid.shape)`` of
  cell values, or ``None``;
- potential: a callable that answers one array, an array ``grid.shape``, or ``None``;
- phi, a dimensionless potential that moves through the noise, ``-D grad phi``: in the same forms. Alone, it makes
  ``exp(-phi)`` stationary and balanced in detail for every tensor in Klimontovich's calculus, and for a constant tensor
  in any;
- diffusion: a number or array (isotropic), one per axis (diagonal), or ``ndim x ndim`` of them (tensor), or a
  callable that answers any of these.

A callable's parameters are the coordinates, which come as arrays; one named ``t`` makes the coefficient depend on time,
one named ``p`` on the density, which holds for the time of the call and should not be kept. It should use broadcasting
operations only: an entry that does not depend on a coordinate may keep length one along it, which saves memory and
time.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fpsim.equation.calculus import Calculus, calculus_of
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable

__all__ = ["Coefficient", "FokkerPlanck", "depends_on", "parameters_of"]

Coefficient = Callable[..., Any] | Any


_parameters: WeakKeyDictionary[Callable[..., Any], frozenset[str]] = WeakKeyDictionary()
"""Names of the parameters of callables seen before: coefficients are sampled at every step."""


def depends_on(coefficient: Coefficient, name: str) -> bool:
    """Whether a callable coefficient has a parameter of that name (``"t"`` or ``"p"``)."""
    return callable(coefficient) and name in parameters_of(coefficient)


def parameters_of(coefficient: Callable[..., Any]) -> frozenset[str]:
    """Names of the parameters of a callable coefficient.

    Decorators are looked through where they say what they wrap, as ``functools.wraps`` and ``numpy.vectorize`` do.

    Raises
    ------
    DomainError
        If it takes any keyword: whether it depends on time or density cannot be told then.
    """
    with contextlib.suppress(KeyError, TypeError):  # new, or neither hashable nor weakly referable
        return _parameters[coefficient]
    found: Mapping[str, inspect.Parameter] = {}  # some built-in functions have no signature
    with contextlib.suppress(ValueError):
        found = inspect.signature(getattr(coefficient, "pyfunc", coefficient)).parameters
    names = frozenset(found)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found.values()) and not names & {"t", "p"}:
        raise DomainError(
            f"{getattr(coefficient, '__name__', 'a coefficient')} takes any keyword, so that it cannot be told "
            "whether it depends on time or density: parameters named t and p, or a decorator that uses "
            "functools.wraps, are accepted"
        )
    with contextlib.suppress(TypeError):
        _parameters[coefficient] = names
    return names


@dataclass(frozen=True, eq=False)
class FokkerPlanck(Immutable):
    """One Fokker-Planck equation.

    Parameters
    ----------
    drift, potential, phi : see the module's docstring; keyword-only
        Together they are one drift ``drift - grad potential - D grad phi``.
    diffusion : number, array, nested sequence or callable
        ``D``, with ``D = sigma sigma^T / 2``; zero in places is allowed, negative is not.
    calculus : {"ito", "stratonovich", "klimontovich"}
        What the noise means where ``D`` depends on place.
    jumps : sequence of float, optional
        Times at which coefficients jump: steps end there. Where they depend on time and none are named (``None``),
        jumps are searched for; an empty sequence says that there are none.

    Raises
    ------
    DomainError
        If the diffusion is ``None``, the calculus unknown, or jumps are not finite, increasing times.

    Examples
    --------
    >>> ou = FokkerPlanck(drift=lambda x, y: (-x, -2 * y), diffusion=0.01)
    >>> ou.autonomous
    True
    """

    drift: Coefficient = None
    diffusion: Coefficient = 0.0
    potential: Coefficient = None
    phi: Coefficient = None
    calculus: Calculus = Calculus.ITO
    jumps: tuple[float, ...] | None = None

    def __init__(
        self,
        *,
        drift: Coefficient = None,
        diffusion: Coefficient = 0.0,
        potential: Coefficient = None,
        phi: Coefficient = None,
        calculus: str = Calculus.ITO,
        jumps: Sequence[float] | None = None,
    ) -> None:
        for key, value in (("drift", drift), ("diffusion", diffusion), ("potential", potential), ("phi", phi)):
            object.__setattr__(self, key, value)
        object.__setattr__(self, "calculus", calculus_of(calculus))
        if diffusion is None:
            raise DomainError("diffusion is None: a number, array, nested sequence or callable is accepted")
        if jumps is not None:
            times = tuple(np.atleast_1d(real_array(jumps, "jumps")).tolist())
            if not (np.isfinite(times).all() and all(a < b for a, b in pairwise(times))):
                raise DomainError(f"jumps are {times}: finite, increasing times are accepted")
            jumps = times
        object.__setattr__(self, "jumps", jumps)

    @cached_property
    def autonomous(self) -> bool:
        """Whether no coefficient depends on time or on the density."""
        return not (self.time_dependent or self.mean_field)

    @cached_property
    def time_dependent(self) -> bool:
        """Whether a coefficient has a parameter ``t``."""
        return any(depends_on(c, "t") for c in (self.drift, self.diffusion, self.potential, self.phi))

    @cached_property
    def mean_field(self) -> bool:
        """Whether a coefficient has a parameter ``p``: it depends on the density."""
        return any(depends_on(c, "p") for c in (self.drift, self.diffusion, self.potential, self.phi))

    def __repr__(self) -> str:
        parts = [
            f"{key}={'callable' if callable(value) else 'array' if getattr(value, 'ndim', 0) else value}"
            for key, value in (
                ("drift", self.drift),
                ("diffusion", self.diffusion),
                ("potential", self.potential),
                ("phi", self.phi),
            )
            if value is not None
        ]
        return f"FokkerPlanck({', '.join(parts)}, {self.calculus})"
