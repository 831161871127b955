"""Moment table: means, standard deviations and correlations of theory and ensemble, with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.comparison.samples import check_points
from fpsim.density import Density
from fpsim.support.errors import DomainError

__all__ = ["MomentRow", "moment_table"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MomentRow:
    """One moment: its name, the theory's value, the ensemble's, and the standard error of the difference."""

    name: str
    theory: float
    ensemble: float
    error: float

    @property
    def z(self) -> float:
        """Difference in standard errors."""
        return (self.ensemble - self.theory) / self.error if self.error > 0.0 else float("nan")

    @property
    def ratio(self) -> float:
        """Theory over ensemble."""
        return self.theory / self.ensemble if self.ensemble else float("nan")


def moment_table(
    theory: Density | Sequence[Density] | ArrayLike, samples: ArrayLike, *, names: Sequence[str] | None = None
) -> tuple[MomentRow, ...]:
    """Table of means, standard deviations and correlations.

    Parameters
    ----------
    theory : Density, sequence of Density, or array_like (M, ndim)
        A joint density; densities of independent blocks of coordinates, in order (correlations between blocks are then
        zero: what a factorised closure claims); or points drawn from the theory.
    samples : array_like, shape (R, ndim)
        Independent replicas.
    names : sequence of str, optional
        Names of the coordinates; the theory's own by default.

    Returns
    -------
    tuple of MomentRow
        Means, then standard deviations, then correlations of all pairs. Errors are standard errors by the delta method
        from the sampled fourth moments, combined with those of the theory if that is a sample.

    Raises
    ------
    DomainError
        If numbers of coordinates disagree, or samples are not finite (with their count).
    """
    x = check_points(samples, what="samples")
    blocks = [theory] if isinstance(theory, Density) else theory
    if isinstance(blocks, Sequence) and blocks and all(isinstance(block, Density) for block in blocks):
        expected, errors, own = _of_densities(blocks)  # type: ignore[arg-type]
    else:
        points = check_points(theory, what="points of the theory")  # type: ignore[arg-type]
        expected, errors = _estimates(points)
        own = [f"x{i}" for i in range(points.shape[1])]
    names = list(names) if names is not None else own
    if len(names) != x.shape[1] or len(own) != x.shape[1]:
        raise DomainError(
            f"theory has {len(own)} coordinates, samples {x.shape[1]}, names {len(names)}: equal numbers are accepted"
        )
    found, sampled = _estimates(x)
    labels = [f"mean {n}" for n in names] + [f"std {n}" for n in names]
    labels += [f"corr {names[i]} {names[j]}" for i, j in zip(*np.triu_indices(len(names), 1), strict=True)]
    total = np.hypot(errors, sampled)
    return tuple(
        MomentRow(n, float(t), float(v), float(e)) for n, t, v, e in zip(labels, expected, found, total, strict=True)
    )


def _of_densities(blocks: Sequence[Density]) -> tuple[Array, Array, list[str]]:
    from scipy.linalg import block_diag

    covariance = block_diag(*(p.covariance for p in blocks))
    sd = np.sqrt(np.diag(covariance))
    correlation = (covariance / np.outer(sd, sd))[np.triu_indices(len(sd), 1)]
    values = np.concatenate((*(p.mean for p in blocks), sd, correlation))
    names = [name for p in blocks for name in p.grid.names]
    if len(set(names)) < len(names):
        names = [f"x{i}" for i in range(len(names))]
    return values, np.zeros_like(values), names


def _estimates(x: Array) -> tuple[Array, Array]:
    """Moments and their standard errors, from the influence of every point."""
    sd = x.std(axis=0)
    z = (x - x.mean(axis=0)) / sd
    i, j = np.triu_indices(x.shape[1], 1)
    correlation = (z[:, i] * z[:, j]).mean(axis=0)
    influence = np.concatenate(
        (x, 0.5 * sd * z**2, z[:, i] * z[:, j] - 0.5 * correlation * (z[:, i] ** 2 + z[:, j] ** 2)), axis=1
    )
    return np.concatenate((x.mean(axis=0), sd, correlation)), influence.std(axis=0) / np.sqrt(len(x))
