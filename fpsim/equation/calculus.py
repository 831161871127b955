"""Stochastic calculus in which a state-dependent noise is meant.

For ``dW = b dt + sigma(W) o dB`` with ``D = sigma sigma^T / 2`` the Ito drift is

- Ito: ``b``;
- Stratonovich: ``b_i + (1/2) sigma_lk d_l sigma_ik``, with ``sigma = sqrt(2 D)`` the symmetric root (in one
  dimension, or for a diagonal tensor whose entries depend on their own coordinate only, ``b + D'/2``);
- Klimontovich (Haenggi, anti-Ito; the Fick form ``J = b p - D grad p``): ``b_i + d_j D_ij``.

Reference: Sokolov, "Ito, Stratonovich, Haenggi and all the rest", Chem. Phys. 375, 359 (2010).
"""

from __future__ import annotations

from enum import StrEnum

from fpsim.support.errors import DomainError

__all__ = ["Calculus", "calculus_of"]


class Calculus(StrEnum):
    """The declared meaning of the noise term; everything inside is converted to Ito."""

    ITO = "ito"
    STRATONOVICH = "stratonovich"
    KLIMONTOVICH = "klimontovich"


def calculus_of(name: object) -> Calculus:
    """``Calculus`` from its name; ``DomainError`` naming what is accepted."""
    try:
        return Calculus(name)  # type: ignore[arg-type]
    except ValueError:
        accepted = ", ".join(c.value for c in Calculus)
        raise DomainError(f"calculus {name!r}: accepted are {accepted}") from None
