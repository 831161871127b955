"""The diffusion tensor sampled at places: entries of minimal broadcast shape, symmetric, positive semidefinite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.density.numbers import real_array
from fpsim.errors import DomainError

__all__ = ["DiffusionField", "diffusion_field"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DiffusionField:
    """Entries ``D_ij`` at a set of places.

    Attributes
    ----------
    entries : tuple of tuple of (ndarray or None)
        ``entries[i][j]`` broadcasts to the places' shape; ``None`` where an off-diagonal entry vanishes everywhere.
    """

    entries: tuple[tuple[Array | None, ...], ...]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.entries)

    @property
    def diagonal(self) -> bool:
        """Whether every off-diagonal entry vanishes everywhere."""
        return all(self.entries[i][j] is None for i in range(self.ndim) for j in range(i))

    @property
    def constant(self) -> bool:
        """Whether every entry is one number."""
        return all(e is None or e.size == 1 for row in self.entries for e in row)

    def axis(self, i: int) -> Array:
        """``D_ii``."""
        entry = self.entries[i][i]
        assert entry is not None
        return entry

    def matrices(self, shape: Sequence[int]) -> Array:
        """All entries as one array ``(*shape, ndim, ndim)``."""
        out = np.zeros((*shape, self.ndim, self.ndim))
        for i, row in enumerate(self.entries):
            for j, entry in enumerate(row):
                if entry is not None:
                    out[..., i, j] = np.broadcast_to(entry, shape)
        return out


def _is_rows(raw: Any, ndim: int) -> bool:
    """Whether a nested answer is ``ndim`` rows of ``ndim`` entries."""
    return len(raw) == ndim and all(isinstance(r, (list, tuple)) and len(r) == ndim for r in raw)


def diffusion_field(raw: Any, ndim: int, shape: Sequence[int]) -> DiffusionField:
    """Bring any accepted form of a diffusion coefficient to a checked :class:`DiffusionField`.

    Raises
    ------
    DomainError
        If the form or a shape is not accepted, an entry is not finite, or the tensor is not symmetric or not positive
        semidefinite at some place (which is named).
    """
    entries: list[list[Any]] = [[None] * ndim for _ in range(ndim)]
    if isinstance(raw, (list, tuple)):
        if _is_rows(raw, ndim):
            entries = [[raw[i][j] for j in range(ndim)] for i in range(ndim)]
        elif len(raw) == ndim and not any(isinstance(r, (list, tuple)) for r in raw):
            for i in range(ndim):
                entries[i][i] = raw[i]
        else:
            raise _form_error(f"a sequence of {len(raw)}", ndim)
    else:
        array = real_array(raw, "diffusion")
        if array.shape == (ndim, ndim) or array.shape == (ndim, ndim, *shape):
            entries = [[array[i, j] for j in range(ndim)] for i in range(ndim)]
        elif (array.shape == (ndim,) and ndim > 1) or (array.shape == (ndim, *shape)):
            for i in range(ndim):
                entries[i][i] = array[i]
        else:
            for i in range(ndim):
                entries[i][i] = array
    return _checked(entries, ndim, tuple(shape))


def _form_error(found: str, ndim: int) -> DomainError:
    return DomainError(
        f"diffusion is {found}: a number or array (isotropic), {ndim} of them (diagonal), or {ndim} x {ndim} (tensor) "
        "are accepted"
    )


def _entry(raw: Any, i: int, j: int, shape: tuple[int, ...]) -> Array | None:
    if raw is None:
        return None
    entry = real_array(raw, f"diffusion entry ({i}, {j})")
    entry = entry.reshape((1,) * len(shape)) if entry.ndim == 0 else entry
    try:
        fits = np.broadcast_shapes(entry.shape, shape) == shape and entry.ndim == len(shape)
    except ValueError:
        fits = False
    if not fits:
        raise DomainError(f"diffusion entry ({i}, {j}) has shape {entry.shape}: what broadcasts to {shape} is accepted")
    if not np.isfinite(entry).all():
        where = tuple(int(v) for v in np.argwhere(~np.isfinite(entry))[0])
        raise DomainError(f"diffusion entry ({i}, {j}) is {entry[where]} at {where}: finite values are accepted")
    return entry if i == j or entry.any() else None


def _checked(raw: list[list[Any]], ndim: int, shape: tuple[int, ...]) -> DiffusionField:
    entries = [[_entry(raw[i][j], i, j, shape) for j in range(ndim)] for i in range(ndim)]
    for i in range(ndim):
        diagonal = entries[i][i]
        if diagonal is None or (diagonal < 0.0).any():
            value = None if diagonal is None else float(diagonal.min())
            raise DomainError(f"diffusion entry ({i}, {i}) is {value}: values >= 0 are accepted")
        for j in range(i):
            a, b = entries[i][j], entries[j][i]
            if a is b:  # both absent, or one array given twice
                continue
            upper = np.zeros(1) if b is None else b
            lower = np.zeros(1) if a is None else a
            if not np.allclose(lower, upper, rtol=1e-10, atol=1e-14 * float(np.abs(upper).max() + 1e-300)):
                where = np.argwhere(~np.isclose(lower, upper))
                raise DomainError(
                    f"diffusion is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ"
                    + (f" at {tuple(int(v) for v in where[0])}" if len(where) else "")
                )
    field = DiffusionField(tuple(tuple(row) for row in entries))
    if not field.diagonal:
        _check_semidefinite(field)
    return field


def _check_semidefinite(field: DiffusionField) -> None:
    lowest, highest = _extreme_eigenvalues(field)
    # Rounding: of the eigenvalues here, and of the sums that made a tensor which all but vanishes at some place.
    bad = lowest < -1e-10 * np.maximum(highest, 1e-300) - 1e-14 * float(highest.max())
    if bad.any():
        where = tuple(int(v) for v in np.argwhere(bad)[0])
        raise DomainError(
            f"diffusion tensor is not positive semidefinite at place {where} ({int(bad.sum())} of {bad.size}): "
            f"lowest eigenvalue {lowest[bad].min():.3g}"
        )


def _extreme_eigenvalues(field: DiffusionField) -> tuple[Array, Array]:
    """Lowest and highest eigenvalue at every place; in closed form in two dimensions, the common case at every step."""
    if field.ndim == 2:
        a, b, c = field.axis(0), field.axis(1), field.entries[0][1]
        assert c is not None
        middle, radius = 0.5 * (a + b), np.hypot(0.5 * (a - b), c)
        return middle - radius, middle + radius
    present = [e for row in field.entries for e in row if e is not None]
    matrices = field.matrices(np.broadcast_shapes(*(e.shape for e in present)))
    values: Array = np.linalg.eigvalsh(matrices).astype(np.float64, copy=False)
    return values[..., 0], values[..., -1]
