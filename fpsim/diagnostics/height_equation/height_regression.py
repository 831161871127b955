"""Viscosity and nonlinearity of the height, recovered from snapshots by regression.

``d_t h + b . grad h + div b = nu lap h + (lambda / 2) |grad h|^2`` is fitted for ``nu`` and ``lambda``, integrated
over each interval between snapshots (Simpson's rule over pairs of intervals) and weighted with the density. The
claim is ``lambda = 2 nu``. It is false where the noise depends on place or the drift is not what was said; noise that
is constant but not isotropic shows mostly in the misfit.

Densities are taken as they are, with the same densities from cells twice as wide for the error.

Ensembles are smoothed with a Gaussian kernel: ``p_s = K * p``. Since a constant-coefficient Laplacian commutes with
``K``, the smoothed height obeys the same equation exactly, with the drift ``b_s = (K * b p) / (K * p)`` averaged
over the replicas that make up each place. So smoothing brings no bias; a jackknife over blocks of replicas gives
errors and removes the bias of the noise, in the regressors and in the misfit.

Limits: ``D = nu I`` with constant ``nu``; the same replicas at all times; kernels of two cells or more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, Grid
from fpsim.diagnostics.height_equation.central_differences import first, second
from fpsim.diagnostics.height_equation.height import interior, point_values
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate, block_bounds, leave_one_out
from fpsim.uncertainty.result import Result
from fpsim.uncertainty.verdict import Claim

__all__ = ["KPZCoefficients", "coefficients_from_densities", "coefficients_from_samples"]

Array = NDArray[np.float64]
Drift = Callable[..., Sequence[ArrayLike]]

_FLOOR = 0.05  # of the largest smoothed density: where replicas are many
_DENSITY_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class KPZCoefficients:
    """Recovered coefficients.

    Attributes
    ----------
    estimate : Estimate, shape (3,)
        ``nu, lambda`` (length squared per time) and the squared relative misfit of the regression.
    """

    estimate: Estimate

    @property
    def viscosity(self) -> Estimate:
        """``nu``."""
        return self.estimate[0]

    @property
    def nonlinearity(self) -> Estimate:
        """``lambda``."""
        return self.estimate[1]

    @property
    def ratio(self) -> Estimate:
        """``lambda / nu``."""
        return self.estimate.map(lambda v: v[1] / v[0])

    @property
    def misfit(self) -> Result:
        """Relative weighted root mean square misfit, of samples without what their noise adds to its square.

        Its error is as far as one error of the square reaches upwards, so that it stays honest where the square is
        zero within its error.
        """
        square, error = self.estimate[2].value, self.estimate[2].error
        value = np.sqrt(np.maximum(square, 0.0))
        return Result(float(value), float(np.sqrt(value**2 + error) - value), "regression of the height")

    def claim(self, *, tolerance: float = 0.05) -> Claim:
        """``lambda = 2 nu``, relative violation ``|lambda / (2 nu) - 1|``."""
        ratio = self.ratio
        residual = abs(0.5 * float(ratio.value) - 1.0)
        return Claim(
            "lambda = 2 nu", residual, 0.5 * float(ratio.error), tolerance, details={"ratio": float(ratio.value)}
        )

    def fit_claim(self, *, tolerance: float = 0.2) -> Claim:
        """The two terms are all there is beside the drift: the misfit, with its error.

        It fails for a wrong drift even where the recovered ratio happens to be near two.
        """
        misfit = self.misfit
        return Claim("one viscosity and one nonlinearity", float(misfit.value), float(misfit.error), tolerance, 2)


def coefficients_from_samples(
    times: ArrayLike,
    samples: ArrayLike,
    drift: Drift,
    grid: Grid,
    *,
    bandwidth: float,
    blocks: int = 20,
    floor: float = _FLOOR,
) -> KPZCoefficients:
    """``nu`` and ``lambda`` from snapshots of an ensemble.

    Parameters
    ----------
    times : array_like, shape (T,)
        Equally spaced, an odd number of them, three or more.
    samples : array_like, shape (T, R, ndim) or (T, R)
        The same replicas at all times.
    drift : callable
        ``drift(*coordinates)``: the components of ``b``.
    grid : Grid
        Where the height is evaluated; bandwidth at least two cells.
    bandwidth : float
        Standard deviation of the kernel, in units of the coordinates.
    blocks : int
        Blocks of the jackknife.
    floor : float
        Share of the largest smoothed density below which places are left out.

    Raises
    ------
    DomainError
        If times, samples or bandwidth are not accepted.
    """
    s, x = _equally_spaced(times), np.asarray(samples, float)
    x = x[..., None] if x.ndim == 2 else x
    if x.ndim != 3 or x.shape[0] != len(s) or x.shape[2] != grid.ndim or not np.isfinite(x).all():
        raise DomainError(f"samples have shape {x.shape}: finite (T, R, {grid.ndim}) are accepted")
    widths = [bandwidth / h for h in grid.spacing]
    if min(widths) < 2.0:
        raise DomainError(f"bandwidth is {min(widths):.2g} cells: two or more are accepted")
    tables = _histograms(x, drift, grid, blocks)
    total = tables.sum(axis=0)
    keep = _interior(total[:, 0], widths, floor)

    def fit(table: Array) -> Array:
        return _regression([_smoothed_terms(snapshot, grid, widths, keep) for snapshot in table], s[1] - s[0])

    value = fit(total)
    replicates = np.stack([fit(total - part) for part in tables])
    unbiased = value - (blocks - 1) * (replicates.mean(axis=0) - value)
    return KPZCoefficients(leave_one_out(unbiased, replicates - replicates.mean(axis=0) + unbiased))


def coefficients_from_densities(
    times: ArrayLike,
    fine: Sequence[Density],
    coarse: Sequence[Density],
    drift: Drift,
    *,
    floor: float = _DENSITY_FLOOR,
) -> KPZCoefficients:
    """``nu`` and ``lambda`` from densities at several times.

    Parameters
    ----------
    times : array_like, shape (T,)
        Equally spaced, an odd number of them, three or more.
    fine, coarse : sequence of T Density
        The same densities on two grids; the error is the difference of the two answers.
    drift : callable
        ``drift(*coordinates)``: the components of ``b``.
    floor : float
        Share of the largest density below which cells are left out.

    Raises
    ------
    DomainError
        If times or numbers of densities are not accepted, or nothing is above the floor.
    """
    s = _equally_spaced(times)
    if not len(fine) == len(coarse) == len(s):
        raise DomainError(
            f"{len(fine)} and {len(coarse)} densities at {len(s)} times: one of either a time is accepted"
        )

    def fit(densities: Sequence[Density]) -> Array:
        keep = interior(densities[0].grid, densities, floor)
        return _regression([_density_terms(p, drift, keep) for p in densities], s[1] - s[0])

    return KPZCoefficients(Estimate(fit(fine), fit(coarse)[None], np.ones(1), False))


def _equally_spaced(times: ArrayLike) -> Array:
    s = np.asarray(times, float)
    if len(s) < 3 or len(s) % 2 == 0 or not np.allclose(np.diff(s), s[1] - s[0], rtol=1e-6):
        raise DomainError(f"{len(s)} times: an odd number of equally spaced times, three or more, is accepted")
    return s


def _histograms(x: Array, drift: Drift, grid: Grid, blocks: int) -> Array:
    """Counts and drift-weighted counts per block and time, shape (blocks, T, 1 + ndim, *grid.shape)."""
    out = np.zeros((blocks, len(x), 1 + grid.ndim, *grid.shape))
    origin, spacing = np.array(grid.lower), np.array(grid.spacing)
    bounds = block_bounds(x.shape[1], blocks)
    for k, points in enumerate(x):
        cells = np.floor((points - origin) / spacing).astype(np.int64)
        inside = ((cells >= 0) & (cells < np.array(grid.shape))).all(axis=1)
        flat = np.ravel_multi_index(tuple(np.where(inside[:, None], cells, 0).T), grid.shape)
        b = [np.broadcast_to(np.asarray(c, float), len(points)) for c in drift(*points.T)]
        for block in range(blocks):
            part = slice(bounds[block], bounds[block + 1])
            for row, values in enumerate([inside.astype(float), *(c * inside for c in b)]):
                counts = np.bincount(flat[part], values[part], grid.size)
                out[block, k, row] = counts.reshape(grid.shape)
    return out


def _smoothed(f: Array, widths: Sequence[float], order: Sequence[int]) -> Array:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(f, widths, order=order, mode="constant", truncate=6.0))


def _interior(counts: Array, widths: Sequence[float], floor: float) -> NDArray[np.bool_]:
    smooth = [_smoothed(c, widths, [0] * c.ndim) for c in counts]
    return np.logical_and.reduce([p > floor * p.max() for p in smooth])


def _regression(rows: Sequence[tuple[Array, ...]], interval: float) -> Array:
    """Coefficients and squared relative misfit from the terms at every time."""
    left, laplacian, square, known, weight = (np.stack(column) for column in zip(*rows, strict=True))
    normal, right, energy = np.zeros((2, 2)), np.zeros(2), 0.0
    for k in range(0, len(rows) - 2, 2):
        simpson = interval / 3.0 * np.array([1.0, 4.0, 1.0])
        design = np.stack([np.tensordot(simpson, f[k : k + 3], axes=1) for f in (laplacian, 0.5 * square)])
        target = left[k + 2] - left[k] - np.tensordot(simpson, known[k : k + 3], axes=1)
        w = weight[k + 1]
        normal += np.einsum("ac,bc,c->ab", design, design, w)
        right += design @ (w * target)
        energy += float(w @ target**2)
    answer = np.linalg.solve(normal, right)
    return np.append(answer, 1.0 - float(answer @ right) / energy)


def _density_terms(density: Density, drift: Drift, keep: NDArray[np.bool_]) -> tuple[Array, ...]:
    """``h, lap h, |grad h|^2, -b . grad h - div b`` and the weight, on the kept cells."""
    grid, h = density.grid, point_values(density)
    laplacian, square, known = np.zeros(grid.shape), np.zeros(grid.shape), np.zeros(grid.shape)
    for a, component in enumerate(drift(*grid.mesh())):
        b, slope = np.broadcast_to(np.asarray(component, float), grid.shape), first(h, grid, a)
        laplacian += second(h, grid, a, a)
        square += slope**2
        known -= b * slope + first(b, grid, a)
    weight = density.values[keep]
    return h[keep], laplacian[keep], square[keep], known[keep], weight / weight.sum()


def _smoothed_terms(snapshot: Array, grid: Grid, widths: Sequence[float], keep: NDArray[np.bool_]) -> tuple[Array, ...]:
    """``h, lap h, |grad h|^2, -b . grad h - div b`` and the weight, on the kept cells."""
    zero = [0] * grid.ndim
    p = _smoothed(snapshot[0], widths, zero)[keep]
    laplacian, square, known = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for a, h in enumerate(grid.spacing):
        once, twice = ([n * (i == a) for i in range(grid.ndim)] for n in (1, 2))
        slope = _smoothed(snapshot[0], widths, once)[keep] / h / p
        laplacian += _smoothed(snapshot[0], widths, twice)[keep] / h**2 / p - slope**2
        square += slope**2
        known -= _smoothed(snapshot[1 + a], widths, once)[keep] / h / p  # -b.grad h - div b = -div(b p) / p
    return np.log(p), laplacian, square, known, p / p.sum()
