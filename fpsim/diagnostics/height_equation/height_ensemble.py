"""Height equation of an ensemble: a smoothed density and the equation that it obeys exactly.

Smoothing with a kernel ``K`` keeps the Fokker-Planck form, ``d_t (K * p) = -d_i (b_i K * p) + d_i d_j (D_ij K * p)``
with the coefficients ``b_s = (K * b p) / (K * p)`` and ``D_s = (K * D p) / (K * p)``, averages over the replicas that
make up each place. So the height of the smoothed density obeys the height identity with these coefficients, for any
drift and tensor and at any bandwidth; what is left over is sampling noise and the width of cells and time steps.

Limits: a Gaussian kernel of four cells or more keeps the differences' part small; times close enough for a central
difference, the same replicas at all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density, Grid
from fpsim.diagnostics.height_equation.height import HeightTerms, height, height_terms, interior
from fpsim.equation import FokkerPlanck, diffusion_at, drift_at
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import block_bounds, leave_one_out
from fpsim.uncertainty.verdict import Identity

__all__ = ["ensemble_budget", "ensemble_residual", "smoothed_ensemble"]

Array = NDArray[np.float64]

_FLOOR = 0.05


def smoothed_ensemble(
    samples: ArrayLike, equation: FokkerPlanck, grid: Grid, *, bandwidth: float, t: float = 0.0
) -> tuple[Density, FokkerPlanck]:
    """Smoothed density of replicas (R, ndim), and the equation with the coefficients that go with it (grid arrays).

    Raises
    ------
    DomainError
        If samples are not finite (R, ndim), none lies in the box, or the bandwidth is below two cells.
    """
    x = np.asarray(samples, float)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] != grid.ndim or not np.isfinite(x).all():
        raise DomainError(f"samples have shape {x.shape}: finite (R, {grid.ndim}) are accepted")
    widths = [bandwidth / h for h in grid.spacing]
    if min(widths) < 2.0:
        raise DomainError(f"bandwidth is {min(widths):.2g} cells: two or more are accepted")
    x = x[grid.contains(x)]
    drift = drift_at(equation, tuple(x.T), spacing=grid.spacing, t=t)
    tensor = diffusion_at(equation, tuple(x.T), t=t).entries
    cells = np.floor((x - np.array(grid.lower)) / np.array(grid.spacing)).astype(np.int64)
    flat = np.ravel_multi_index(tuple(np.minimum(cells, np.array(grid.shape) - 1).T), grid.shape)

    def smooth(weight: ArrayLike) -> Array:
        from scipy.ndimage import gaussian_filter

        counts = np.bincount(flat, np.broadcast_to(np.asarray(weight, float), flat.shape), grid.size)
        return np.asarray(gaussian_filter(counts.reshape(grid.shape), widths, mode="constant", truncate=6.0))

    p = smooth(1.0)
    share = np.where(p > 0.0, p, 1.0)
    zero = np.zeros(1)
    rows = [[smooth(zero if e is None else e) / share for e in row] for row in tensor]
    smoothed = FokkerPlanck(drift=[smooth(b) / share for b in drift], diffusion=rows)
    return Density(grid, p / (len(np.asarray(samples)) * grid.cell_volume)), smoothed


def ensemble_budget(
    samples: Sequence[ArrayLike],
    equation: FokkerPlanck,
    grid: Grid,
    *,
    bandwidth: float,
    interval: float,
    t: float = 0.0,
    floor: float = _FLOOR,
) -> HeightTerms:
    """The height identity term by term for the smoothed density of an ensemble at three times ``interval`` apart, the
    middle one ``t``.

    Raises
    ------
    DomainError
        If there are not three sets, the interval is not positive, nothing is above the floor, or as in
        :func:`smoothed_ensemble`.
    """
    if len(samples) != 3:
        raise DomainError(f"{len(samples)} sets of samples: three are accepted")
    if not interval > 0.0:
        raise DomainError(f"interval is {interval}: a positive time is accepted")
    before, now, after = (smoothed_ensemble(x, equation, grid, bandwidth=bandwidth, t=t) for x in samples)
    densities = [before[0], now[0], after[0]]
    mask = interior(grid, densities, floor)
    # counts are smoothed by cell and kernel alike: the sums are point values of the density smoothed by both
    heights = [np.where(d.values > 0.0, height(d), 0.0) for d in densities]
    return height_terms(heights, now[0], now[1], mask, interval=interval, t=t)


def ensemble_residual(
    samples: Sequence[ArrayLike],
    equation: FokkerPlanck,
    grid: Grid,
    *,
    bandwidth: float,
    interval: float,
    t: float = 0.0,
    floor: float = _FLOOR,
    blocks: int = 16,
) -> Identity:
    """The height identity on an ensemble, judged by the jackknife error of its residual over blocks of replicas."""
    sets = [np.asarray(x, float) for x in samples]
    whole = ensemble_budget(sets, equation, grid, bandwidth=bandwidth, interval=interval, t=t, floor=floor)
    replicates = []
    for start, stop in pairwise(block_bounds(len(sets[0]), blocks)):
        rest = [np.delete(x, slice(start, stop), axis=0) for x in sets]
        part = ensemble_budget(rest, equation, grid, bandwidth=bandwidth, interval=interval, t=t, floor=0.5 * floor)
        replicates.append(part.residual)
    spread = leave_one_out(whole.residual, replicates).error
    error = float(np.sqrt(np.sum((whole.weight * spread**2)[whole.mask]))) / whole.scale
    return Identity("height identity of an ensemble", whole.relative_residual, error, details={"terms": whole})
