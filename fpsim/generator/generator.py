"""Markov generator of a Fokker-Planck equation: one immutable value, of which analyses are plain functions.

Convention: ``Q[a, b] >= 0`` is the jump rate from cell ``a`` to cell ``b``, ``Q[a, a]`` minus the sum of all rates out
of ``a`` (absorption included). Observables obey ``d_t u = Q u`` (backward), cell masses ``d_t m = Q^T m`` (forward).

Promises, to rounding: off-diagonals >= 0; ``Q 1 = -outflow``, which is zero without absorbing walls.

Limits: coefficients are those of one time (and one density). The matrix holds ``1 + 2 K`` entries a cell, with ``K``
the number of offsets (``ndim`` for a diagonal tensor, up to 3, 6, 10 in 2, 3, 4 dimensions otherwise).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from fpsim.density import Density, Grid
from fpsim.generator.links import Links, index_type
from fpsim.generator.stencil import Stencil, stencil_of
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable, read_only, read_only_mapping

__all__ = ["Generator", "require_generator"]

Array = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

_RESOLVED = 2.0  # cell Peclet number up to which central differences would be positive as well


@dataclass(frozen=True, eq=False)
class Generator(Immutable):
    """A sparse Markov generator on a grid; made by :func:`fpsim.generator.build_generator`.

    Arrays are read-only; pickles and deep copies are as immutable and hold the rates alone.

    Attributes
    ----------
    grid : Grid
    links : tuple of Links
        All jumps, by offset.
    absorption : mapping from (axis, side) to ndarray, shape ``(grid.size,)``
        Rate of leaving through every absorbing wall (1 / time); ``side`` is 0 (lower) or 1 (upper).
    peclet : tuple of float
        Smallest and largest cell Peclet number ``|drift| h / D`` over links.
    added : float
        Largest isotropic diffusion that was added to keep tensor offsets short (see :mod:`fpsim.lattice`).
    """

    grid: Grid
    links: tuple[Links, ...]
    absorption: Mapping[tuple[int, int], Array]
    peclet: tuple[float, float] = (0.0, 0.0)
    added: float = 0.0

    def __post_init__(self) -> None:
        walls = {wall: read_only(self.absorption[wall]) for wall in sorted(self.absorption)}
        object.__setattr__(self, "links", tuple(self.links))
        object.__setattr__(self, "absorption", read_only_mapping(walls))

    @property
    def absorbing(self) -> bool:
        """Whether probability leaves through a wall."""
        return any(rate.any() for rate in self.absorption.values())

    @cached_property
    def outflow(self) -> Array:
        """Rate of leaving through any wall, shape (size,)."""
        total = np.zeros(self.grid.size)
        for rate in self.absorption.values():
            total += rate
        return read_only(total)

    @cached_property
    def exit_rates(self) -> Array:
        """``-Q[a, a]``: total rate of leaving each cell, shape (size,)."""
        total = self.outflow.copy()
        for link in self.links:
            total += np.bincount(link.tail, link.forward, self.grid.size)
            total += np.bincount(link.head, link.backward, self.grid.size)
        return read_only(total)

    @cached_property
    def fastest(self) -> float:
        """Largest exit rate."""
        return float(self.exit_rates.max())

    @cached_property
    def forward_stencil(self) -> Stencil:
        """Diagonals of ``1 + Q^T / fastest``, which acts on masses."""
        return stencil_of(self.links, self.exit_rates, self.outflow, self.fastest, backward=False)

    @cached_property
    def backward_stencil(self) -> Stencil:
        """Diagonals of ``1 + Q / fastest``, which acts on observables."""
        return stencil_of(self.links, self.exit_rates, self.outflow, self.fastest, backward=True)

    @cached_property
    def jumps(self) -> csr_array:
        """Off-diagonal part of ``Q``, sparse, entries > 0 only."""
        parts = [(k.tail, k.head, k.forward) for k in self.links] + [(k.head, k.tail, k.backward) for k in self.links]
        if not parts:
            return csr_array((self.grid.size, self.grid.size))
        row, column, rate = (np.concatenate(part) for part in zip(*parts, strict=True))
        matrix = csr_array(coo_array((rate, (row, column)), shape=(self.grid.size, self.grid.size)))
        matrix.eliminate_zeros()
        return matrix

    @cached_property
    def matrix(self) -> csr_array:
        """``Q``, sparse, acting on observables from the left: ``Q @ u``."""
        diagonal = np.arange(self.grid.size, dtype=index_type(self.grid))
        shape = (self.grid.size, self.grid.size)
        return csr_array(self.jumps - csr_array(coo_array((self.exit_rates, (diagonal, diagonal)), shape=shape)))

    @property
    def nbytes(self) -> int:
        """Memory of rates and absorption, and of the sparse matrix and the diagonals once made."""
        rates = sum(link.nbytes for link in self.links) + sum(rate.nbytes for rate in self.absorption.values())
        return rates + _matrix_bytes(self) + _stencil_bytes(self)

    def masses(self, density: Density) -> Array:
        """Cell masses of a density on this generator's grid, flat.

        Raises
        ------
        DomainError
            If the density lives on another grid.
        """
        if not isinstance(density, Density):
            raise DomainError(f"density is a {type(density).__name__}: a Density is accepted")
        if density.grid != self.grid:
            raise DomainError(f"density lives on {density.grid!r}: the generator's grid {self.grid!r} is accepted")
        return np.asarray(density.values.ravel() * self.grid.cell_volume)

    def density(self, masses: Array) -> Density:
        """Density of flat cell masses."""
        return Density(self.grid, np.reshape(masses, self.grid.shape) / self.grid.cell_volume)

    def __repr__(self) -> str:
        sides = {str(b) for pair in self.grid.boundary for b in pair}
        low, high = self.peclet
        order = " (drift-dominated: first order)" if high > _RESOLVED else ""
        capped = f", {self.added:.2g} isotropic diffusion added" if self.added else ""
        return (
            f"Generator({self.grid.size} cells, {len(self.links)} offsets, {self.nbytes / 1e6:.3g} MB, "
            f"cell Peclet {low:.3g} ... {high:.3g}{order}, {'|'.join(sorted(sides))}{capped})"
        )


def require_generator(function: F) -> F:
    """Decorator of analyses: a first argument that is not a :class:`Generator` is refused by a ``DomainError``."""

    @wraps(function)
    def checked(generator: Generator, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(generator, Generator):
            raise DomainError(f"generator is a {type(generator).__name__}: a Generator is accepted")
        return function(generator, *args, **kwargs)

    return cast(F, checked)


def _matrix_bytes(generator: Generator) -> int:
    made = [generator.__dict__.get(name) for name in ("jumps", "matrix")]
    return sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in made if m is not None)


def _stencil_bytes(generator: Generator) -> int:
    made = [generator.__dict__.get(name) for name in ("forward_stencil", "backward_stencil")]
    return sum(stencil.nbytes for stencil in made if stencil is not None)
