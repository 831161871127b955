"""The diffusion tensor sampled at places: entries of minimal broadcast shape, symmetric, positive semidefinite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.support.checks import all_finite, fits, real_array
from fpsim.support.compilation import njit
from fpsim.support.errors import DomainError

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

    @cached_property
    def diagonal(self) -> bool:
        """Whether every off-diagonal entry vanishes everywhere."""
        return all(self.entries[i][j] is None for i in range(self.ndim) for j in range(i))

    @cached_property
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
    plain = _of_numbers(raw, ndim, len(shape))
    if plain is not None:
        return plain
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


def _of_numbers(raw: Any, ndim: int, axes: int) -> DiffusionField | None:
    """The common case in a fraction of the time: a number, or rows of numbers; ``None`` of all else, and in doubt."""
    one = (1,) * axes
    if type(raw) in (float, int):
        if not 0.0 <= raw < inf:
            return None
        entry = np.array(raw, float).reshape(one)
        return DiffusionField(tuple([tuple([entry if i == j else None for j in range(ndim)]) for i in range(ndim)]))
    if ndim == 1:
        return None
    if type(raw) is np.ndarray and raw.shape == (ndim, ndim):
        rows = raw.tolist()
    elif isinstance(raw, (list, tuple)) and _is_rows(raw, ndim):
        rows = raw
    else:
        return None
    if not all(type(v) in (float, int) and abs(v) < inf for row in rows for v in row):
        return None
    if not all(rows[i][i] >= 0.0 and rows[i][j] == rows[j][i] for i in range(ndim) for j in range(i + 1)):
        return None
    array = np.array(rows, float).reshape(ndim, ndim, *one)
    field = DiffusionField(
        tuple([tuple([array[i, j] if rows[i][j] or i == j else None for j in range(ndim)]) for i in range(ndim)])
    )
    if not field.diagonal and not (ndim == 2 and _clearly_positive(*map(float, (rows[0][0], rows[1][1], rows[0][1])))):
        _check_semidefinite(field)
    return field


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
    if not fits(entry.shape, shape):
        raise DomainError(f"diffusion entry ({i}, {j}) has shape {entry.shape}: what broadcasts to {shape} is accepted")
    if not all_finite(entry):
        where = tuple(int(v) for v in np.argwhere(~np.isfinite(entry))[0])
        raise DomainError(f"diffusion entry ({i}, {j}) is {entry[where]} at {where}: finite values are accepted")
    return entry if i == j or entry.any() else None


def _checked(raw: list[list[Any]], ndim: int, shape: tuple[int, ...]) -> DiffusionField:
    entries: list[list[Array | None]] = [[None] * ndim for _ in range(ndim)]
    for i in range(ndim):
        for j in range(ndim):
            twice = j < i and raw[i][j] is raw[j][i]
            entries[i][j] = entries[j][i] if twice else _entry(raw[i][j], i, j, shape)
    for i in range(ndim):
        diagonal = entries[i][i]
        if diagonal is None or diagonal.min() < 0.0:
            value = None if diagonal is None else float(diagonal.min())
            raise DomainError(f"diffusion entry ({i}, {i}) is {value}: values >= 0 are accepted")
        for j in range(i):
            a, b = entries[i][j], entries[j][i]
            if a is b or (a is not None and b is not None and a.shape == b.shape and not (a != b).any()):
                continue  # both absent, one array given twice, or exactly equal
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
    if field.ndim == 2:
        with np.errstate(over="ignore", invalid="ignore"):
            if _clearly_positive(field.axis(0), field.axis(1), field.entries[0][1]).all():
                return
    if field.ndim > 2:
        present = [e for row in field.entries for e in row if e is not None]
        rows = field.matrices(np.broadcast_shapes(*(e.shape for e in present))).reshape(-1, field.ndim, field.ndim)
        if _all_clearly_positive(rows):
            return
    lowest, highest = _extreme_eigenvalues(field)
    # Rounding: of the eigenvalues here, and of the sums that made a tensor which all but vanishes at some place.
    bad = lowest < -1e-10 * np.maximum(highest, 1e-300) - 1e-14 * float(highest.max())
    if bad.any():
        where = tuple(int(v) for v in np.argwhere(bad)[0])
        raise DomainError(
            f"diffusion tensor is not positive semidefinite at place {where} ({int(bad.sum())} of {bad.size}): "
            f"lowest eigenvalue {lowest[bad].min():.3g}"
        )


def _clearly_positive(a: Any, b: Any, c: Any) -> Any:
    """Whether ``c^2 <= a b`` up to a hundredth of the rounding that is accepted; never where products leave range."""
    return c * c * (1.0 - 1e-12) + 1e-200 < a * b


@njit(cache=True, nogil=True)
def _all_clearly_positive(rows: Array) -> bool:
    """Whether all pivots of symmetric matrices (places, n, n), which are overwritten, are clearly positive."""
    n = rows.shape[1]
    for place in range(rows.shape[0]):
        a, least = rows[place], 0.0
        for i in range(n):
            least = max(least, 1e-9 * a[i, i])
        for i in range(n):
            if not a[i, i] > least:
                return False
            for j in range(i + 1, n):
                share = a[j, i] / a[i, i]
                for k in range(i + 1, n):
                    a[j, k] -= share * a[i, k]
    return True


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
