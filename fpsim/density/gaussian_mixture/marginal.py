"""Gaussian mixtures in one or two dimensions as cell averages of a grid.

The average of a Gaussian over cells of width ``h`` is its convolution with a box: up to fourth order in ``h / sigma``
a Gaussian whose covariance is larger by ``h^2 / 12`` (Sheppard), taken at the centre of the cell. Cells wider than
``COARSE`` widths of a component are cut into equal parts until they are not (relative error of a cell average below
about ``(h / sigma)^4 / 500``); components narrower than ``1 / MOST_PARTS`` of a cell are widened to that. Beyond
``REACH`` widths a component is zero.

Components are added in chunks of fixed size, and the chunks in order: the same bits for any number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsim.density.grid import Grid
from fpsim.support.compilation import njit
from fpsim.support.elementary import exp_minus_one
from fpsim.support.threads import Team

__all__ = ["grid_averages"]

Array = NDArray[np.float64]

COARSE = 0.9
REACH = 6.0
MOST_PARTS = 64
CHUNK = 4096
"""Components per chunk; part of the definition of the sum."""


def grid_averages(weights: Array, means: Array, covariances: Array, grid: Grid, *, threads: int | None = None) -> Array:
    """Cell averages, shape ``grid.shape``, of a mixture with as many dimensions as the grid, one or two."""
    rows = 1 if grid.ndim == 1 else grid.shape[0]
    chunks = -(-len(weights) // CHUNK)
    out = np.zeros((chunks, rows, grid.shape[-1]))
    lower, spacing = np.array(grid.lower), np.array(grid.spacing)
    fill = _fill_line if grid.ndim == 1 else _fill_plane

    def work(begin: int, end: int) -> None:
        for c in range(begin, end):
            part = slice(c * CHUNK, (c + 1) * CHUNK)
            fill(weights[part], means[part], covariances[part], lower, spacing, out[c])

    with Team(threads) as team:
        team.share(work, chunks)
    return np.asarray(out.sum(axis=0)).reshape(grid.shape)


@njit(cache=True, nogil=True, error_model="numpy")
def _parts(variance, h):  # type: ignore[no-untyped-def]
    """Equal parts of a cell that are narrow against a component."""
    width = np.sqrt(variance)
    return 1 if h <= COARSE * width else int(min(np.ceil(h / (COARSE * max(width, 1e-300))), MOST_PARTS))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_line(weights, means, covariances, lower, spacing, out):  # type: ignore[no-untyped-def]
    h, cells = spacing[0], out.shape[1]
    for k in range(weights.size):
        parts = _parts(covariances[k, 0, 0], h)
        step = h / parts
        variance = max(covariances[k, 0, 0], (step / COARSE) ** 2) + step * step / 12.0
        reach = REACH * np.sqrt(variance)
        first = max(0, int(np.floor((means[k, 0] - reach - lower[0]) / h)))
        last = min(cells, int(np.floor((means[k, 0] + reach - lower[0]) / h)) + 1)
        height = weights[k] / np.sqrt(2.0 * np.pi * variance) / parts
        half = 0.5 / variance
        for p in range(parts):
            origin = lower[0] + (p + 0.5) * step - means[k, 0]
            for i in range(first, last):
                delta = origin + i * h
                out[0, i] += height * (exp_minus_one(max(-half * delta * delta, -600.0)) + 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_plane(weights, means, covariances, lower, spacing, out):  # type: ignore[no-untyped-def]
    """Line by line: the second coordinate given the first is a Gaussian of constant width."""
    hx, hy = spacing[0], spacing[1]
    rows, columns = out.shape
    for k in range(weights.size):
        a, b, c = covariances[k, 0, 0], covariances[k, 0, 1], covariances[k, 1, 1]
        given_y = a - b * b / c if c > 0.0 else a
        given_x = c - b * b / a if a > 0.0 else c
        px, py = _parts(given_y, hx), _parts(given_x, hy)
        sx, sy = hx / px, hy / py
        a += max((sx / COARSE) ** 2 - given_y, 0.0) + sx * sx / 12.0
        c += max((sy / COARSE) ** 2 - given_x, 0.0) + sy * sy / 12.0
        slope = b / a
        given_x = c - b * slope
        width = np.sqrt(given_x)
        half = 0.5 / given_x
        height = weights[k] / (2.0 * np.pi * np.sqrt(a * given_x)) / (px * py)
        reach = REACH * np.sqrt(a)
        first = max(0, int(np.floor((means[k, 0] - reach - lower[0]) / hx)))
        last = min(rows, int(np.floor((means[k, 0] + reach - lower[0]) / hx)) + 1)
        for i in range(first, last):
            for p in range(px):
                dx = lower[0] + i * hx + (p + 0.5) * sx - means[k, 0]
                quarter = 0.5 * dx * dx / a
                if quarter > 0.5 * REACH * REACH:
                    continue
                line = height * (exp_minus_one(-quarter) + 1.0)
                centre = means[k, 1] + slope * dx
                span = width * np.sqrt(REACH * REACH - 2.0 * quarter)
                low = max(0, int(np.floor((centre - span - lower[1]) / hy)))
                high = min(columns, int(np.floor((centre + span - lower[1]) / hy)) + 1)
                for q in range(py):
                    origin = lower[1] + (q + 0.5) * sy - centre
                    for j in range(low, high):
                        dy = origin + j * hy
                        out[i, j] += line * (exp_minus_one(max(-half * dy * dy, -600.0)) + 1.0)
