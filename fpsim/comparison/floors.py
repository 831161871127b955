"""Sampling floors: mean (floor) and standard deviation (spread) of a distance when theory and experiment agree.

Closed forms; ``n`` is the number of independent points, or ``n1 n2 / (n1 + n2)`` between two samples:

====================  ==================================================================================
total variation       ``sum_i sqrt(p_i (1 - p_i)) / sqrt(2 pi n)`` (de Moivre 1730 for the binomial itself)
Kullback-Leibler      ``2 n KL ~ chi^2_{m-1}`` on ``m`` bins (Wilks 1938)
Hellinger             ``8 n H^2 ~ chi^2_{m-1}``
Wasserstein-1, line   ``sqrt(2 / (pi n)) int sqrt(F (1 - F)) dx`` (del Barrio, Gine & Matran 1999)
Wasserstein-1, sliced the average of the same over the lines
energy                ``E|X - X'| / n`` (Szekely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018)
Kolmogorov-Smirnov    ``sqrt(n) D`` has Kolmogorov's law (1933), with Stephens' finite-n factor (1970)
mean, covariance      norm of a normal vector of covariance ``Cov(features) / n``
====================  ==================================================================================

For the three histogram distances the law of a single bin count is exact (binomial, or hypergeometric between samples),
so the floors also hold for sparse bins. The other forms are leading order in ``1 / n``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

__all__ = [
    "binned_floor",
    "energy_floor",
    "kolmogorov_smirnov_floor",
    "norm_floor",
    "root_floor",
    "sliced_floor",
    "thinned",
    "wasserstein_floor",
]

Array = NDArray[np.float64]

INTERVALS = 24
"""Intervals along each line, behind the spread of a sliced distance."""
ENOUGH = 10_000
_NODES = 64  # counts looked at on either side of the expected one; wider laws are smooth and read every few counts


def _log_binomial(n: float | Array, k: Array) -> Array:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _bin_law(p: Array, n: float, others: float | None) -> tuple[Array, Array]:
    """Counts (bins, nodes) and their probabilities: Binomial(n, p), or n of n + others without replacement."""
    total = n + others if others is not None else np.inf
    finite = 1.0 - n / total
    sigma = np.sqrt(n * p * (1.0 - p) * finite)
    stride = np.maximum(1.0, np.ceil(6.5 * sigma / _NODES))[:, None]
    x = np.round(n * p)[:, None] + stride * np.arange(-_NODES, _NODES + 1)
    k = np.round(total * p)[:, None] if others is not None else np.inf
    valid = (x >= 0) & (x <= n) & (x <= k) & (x >= n - total + k if others is not None else True)
    y = np.where(valid, x, np.round(n * p)[:, None])
    if others is None:
        log_pmf = _log_binomial(n, y) + xlogy(y, p[:, None]) + xlog1py(n - y, -p[:, None])
    else:
        log_pmf = _log_binomial(k, y) + _log_binomial(total - k, n - y)
    pmf = np.where(valid, np.exp(log_pmf - log_pmf.max(axis=1, keepdims=True)), 0.0)
    return y, pmf / pmf.sum(axis=1, keepdims=True)


def binned_floor(
    summand: Callable[[Array, Array], Array], p: Array, n: float, others: float | None = None, epsilon: float = 0.0
) -> tuple[float, float]:
    """Mean and standard deviation of ``sum_i summand(frequency_i, reference_i)`` if theory and experiment agree.

    The mean is a sum over exact laws of the bin counts. The covariance between bins uses that two counts have
    correlation ``-sqrt(o_i o_j)``, ``o = p / (1 - p)``, and that functions of them expand in products of orthogonal
    polynomials whose ``k``-th coefficients are coupled by the ``k``-th power of the correlation (k = 1, 2 are kept).

    Parameters
    ----------
    summand : callable
        Contribution of one bin, of (frequency in the sample, frequency in the reference).
    p : ndarray, shape (m,)
        Bin probabilities (of the pooled sample, between two samples).
    n, others : float
        Points in the sample, and in the reference sample (``None``: the reference is ``p`` itself).
    epsilon : float
        Added to every reference frequency before normalising, as the distance itself does.
    """
    m, live = p.size, (p > 0.0) & (p < 1.0)
    fixed = float(summand(p[~live], (p[~live] + epsilon) / (1.0 + m * epsilon)).sum())
    p = p[live]
    x, pmf = _bin_law(p, n, others)
    reference = p[:, None] if others is None else (np.round((n + others) * p)[:, None] - x) / others
    value = summand(x / n, (np.maximum(reference, 0.0) + epsilon) / (1.0 + m * epsilon))
    mean = (pmf * value).sum(axis=1)
    centre = (pmf * x).sum(axis=1, keepdims=True)
    sigma = np.sqrt((pmf * (x - centre) ** 2).sum(axis=1, keepdims=True))
    z = (x - centre) / np.where(sigma > 0.0, sigma, 1.0)
    deviation = value - mean[:, None]
    variance = float((pmf * deviation**2).sum())
    odds = np.sqrt(p / (1.0 - p))
    for k, polynomial in ((1, z), (2, (z * z - 1.0) / np.sqrt(2.0))):
        coupled = (pmf * deviation * polynomial).sum(axis=1) * odds**k
        variance += (-1) ** k * float(coupled.sum() ** 2 - (coupled**2).sum())
    return fixed + float(mean.sum()), float(np.sqrt(max(variance, 0.0)))


def root_floor(mean: float, sd: float) -> tuple[float, float]:
    """Mean and standard deviation of the square root of a gamma variable with the given mean and deviation.

    Exact for the root of a multiple of chi-square, which is what a squared Hellinger distance is to leading order.
    """
    if not sd > 0.0:
        return float(np.sqrt(max(mean, 0.0))), 0.0
    shape = (mean / sd) ** 2
    root = float(np.sqrt(mean / shape) * np.exp(gammaln(shape + 0.5) - gammaln(shape)))
    return root, float(np.sqrt(max(mean - root * root, 0.0)))


def wasserstein_floor(points: Array, n: float) -> tuple[float, float]:
    r"""Wasserstein-1 distance on a line, from equally weighted ``points`` (M,) of the common law.

    The empirical process ``sqrt(n) (F_n - F)`` is a Brownian bridge ``B(F)``; with ``r`` the correlation of two of its
    values, ``Cov(|B|, |B'|) = (2 / pi) s s' (r arcsin r + sqrt(1 - r^2) - 1)``, summed over both thresholds.
    """
    x = np.sort(points)
    mean = _bridge_mean(x)
    # The double integral needs few thresholds: intervals between order statistics, their widths kept exact.
    cut = np.unique(np.round(np.linspace(0, x.size - 1, min(x.size, 301))).astype(int))
    width = np.diff(x[cut])
    f = 0.5 * (cut[:-1] + cut[1:] + 1) / x.size
    low, high = np.minimum(f[:, None], f), np.maximum(f[:, None], f)
    r = np.sqrt(low * (1.0 - high) / (high * (1.0 - low)))
    s = np.sqrt(f * (1.0 - f))
    covariance = (2.0 / np.pi) * np.outer(s, s) * (r * np.arcsin(r) + np.sqrt(np.maximum(1.0 - r * r, 0.0)) - 1.0)
    return mean / np.sqrt(n), float(np.sqrt((covariance * np.outer(width, width)).sum() / n))


def thinned(points: Array) -> Array:
    """Every so many points of a long sample: integrals over its cumulative need no more than ten thousand."""
    return points[:: max(1, points.size // ENOUGH)]


def _bridge_mean(x: Array) -> float:
    """``sqrt(2 / pi) int sqrt(F (1 - F)) dx`` from sorted points."""
    level = np.arange(1, x.size) / x.size
    return float(np.sqrt(2.0 / np.pi) * (np.sqrt(level * (1.0 - level)) * np.diff(x)).sum())


def sliced_floor(lines: list[Array], n: float) -> tuple[float, float]:
    r"""Average over lines of the Wasserstein-1 distance along each, from projections (M,) of the same points.

    The mean is the average of the lines' means. For the spread, the empirical processes of two lines are jointly normal
    with covariance ``P(x.u <= c, x.v <= c') - P(x.u <= c) P(x.v <= c')``, and so are their absolute values' covariances
    as in :func:`wasserstein_floor`, summed over ``INTERVALS`` thresholds along each line.
    """
    mean = float(np.mean([_bridge_mean(np.sort(thinned(s))) for s in lines])) / np.sqrt(n)
    few = [s[:: max(1, s.size >> 11)][:2048] for s in lines]
    levels = np.sin(np.linspace(0.0, 0.5 * np.pi, INTERVALS + 1)) ** 2  # finer in the tails
    cuts = np.stack([np.quantile(s, levels) for s in few])
    middle = np.stack([np.quantile(s, 0.5 * (levels[1:] + levels[:-1])) for s in few])
    below = np.concatenate([s[None] <= c[:, None] for s, c in zip(few, middle, strict=True)])
    share = below.mean(axis=1)
    bits = np.packbits(np.pad(below, ((0, 0), (0, -below.shape[1] % 64))), axis=1).view(np.uint64)
    joint = np.array([np.bitwise_count(bits & row).sum(axis=1, dtype=np.int64) for row in bits]) / below.shape[1]
    s = np.sqrt(share * (1.0 - share))
    r = np.clip((joint - np.outer(share, share)) / np.outer(s, s), -1.0, 1.0)
    covariance = (2.0 / np.pi) * np.outer(s, s) * (r * np.arcsin(r) + np.sqrt(1.0 - r * r) - 1.0)
    width = np.diff(cuts, axis=1).ravel() / len(lines)
    return mean, float(np.sqrt((covariance * np.outer(width, width)).sum() / n))


def energy_floor(gaps: Array, mean_gap: float, n: float) -> tuple[float, float]:
    """Energy distance from the matrix ``|x_i - x_j|`` of a few points and the mean gap ``E|X - X'|`` of all.

    ``n`` times the distance is a weighted sum of chi-squares whose weights are the eigenvalues of the doubly centred
    matrix; the floor is their sum, ``E|X - X'|``, the variance twice the sum of their squares.
    """
    centred = gaps - gaps.mean(axis=0) - gaps.mean(axis=1)[:, None] + gaps.mean()
    # Off the diagonal only: there the mean square estimates the sum of squared weights without bias to leading order.
    m = len(gaps)
    squares = float((centred**2).sum() - (np.diag(centred) ** 2).sum()) / (m * (m - 1.0))
    return mean_gap / n, float(np.sqrt(2.0 * squares)) / n


def kolmogorov_smirnov_floor(n: float) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance on a line: limit mean ``sqrt(pi / 2) ln 2``, variance ``pi^2 / 12 - mean^2``."""
    scale = np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)
    mean = np.sqrt(np.pi / 2.0) * np.log(2.0)
    return float(mean / scale), float(np.sqrt(np.pi**2 / 12.0 - mean**2) / scale)


def norm_floor(covariance: Array, n: float) -> tuple[float, float]:
    r"""Euclidean norm of a normal vector with covariance ``covariance / n`` and mean zero.

    ``E|Z| = (1 / sqrt(pi)) int_0^inf (1 - prod_i (1 + 2 l_i s^2)^(-1/2)) s^-2 ds`` with the eigenvalues ``l_i``.
    """
    from scipy.integrate import quad

    eigenvalues = np.clip(np.linalg.eigvalsh(covariance), 0.0, None)
    trace = float(eigenvalues.sum())
    if not trace > 0.0:
        return 0.0, 0.0
    weights = eigenvalues[eigenvalues > 1e-14 * trace] / trace

    def integrand(s: float) -> float:
        return float(-np.expm1(-0.5 * np.log1p(2.0 * weights * s * s).sum())) / (s * s)

    mean = sum(quad(integrand, *ends, epsrel=1e-9)[0] for ends in ((0.0, 1.0), (1.0, np.inf))) / np.sqrt(np.pi)
    return float(mean * np.sqrt(trace / n)), float(np.sqrt(max(1.0 - mean * mean, 0.0) * trace / n))
