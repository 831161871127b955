"""Independent truth for the generator's tests: elimination, quadrature and closed forms."""

import numpy as np
from scipy.integrate import cumulative_simpson, quad


def gth(jumps):
    """Stationary vector of dense jump rates by the algorithm of Grassmann, Taksar and Heyman."""
    a = np.array(jumps, float)
    np.fill_diagonal(a, 0.0)
    n = len(a)
    for k in range(n - 1, 0, -1):
        a[:k, k] /= a[k, :k].sum()
        a[:k, :k] += np.outer(a[:k, k], a[k, :k])
    m = np.zeros(n)
    m[0] = 1.0
    for k in range(1, n):
        m[k] = m[:k] @ a[:k, k]
    return m / m.sum()


def exponential(matrix):
    """Matrix exponential by Taylor's series, scaling and squaring.

    Not scipy's, which loses all digits of triangular matrices whose diagonal entries differ by rounding.
    """
    squarings = max(0, int(np.ceil(np.log2(np.abs(matrix).sum(axis=1).max() + 1e-300))) + 2)
    a = matrix / 2.0**squarings
    term, total = np.eye(len(a)), np.eye(len(a))
    for k in range(1, 20):
        term = term @ a / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total


def passage_moments(potential, diffusion, start, end, lower, *, points=20001):
    """Mean and variance of the time from ``start`` up to ``end`` > start, reflecting at ``lower``, by quadrature.

    ``T_n(x) = (n / D) int_x^end e^{V(y)/D} int_lower^y e^{-V(z)/D} T_{n-1}(z) dz dy`` (Gardiner, eq. 5.5.18).
    """
    x = np.linspace(lower, end, points)
    boltzmann = np.exp(-potential(x) / diffusion)
    moment, moments = np.ones(points), []
    for n in (1, 2):
        inner = cumulative_simpson(boltzmann * moment, x=x, initial=0.0)
        outer = cumulative_simpson(inner / boltzmann, x=x, initial=0.0)
        moment = n / diffusion * (outer[-1] - outer)
        moments.append(float(np.interp(start, x, moment)))
    return moments[0], moments[1] - moments[0] ** 2


def sinc_eigenvalues(potential_1, potential_2, diffusion, half_width, *, points=241):
    """Eigenvalues of the Fokker-Planck operator on the line by the sinc method (Colbert & Miller 1992).

    ``-Q`` is similar to ``-D d^2 + V'^2 / 4D - V'' / 2``; ``potential_1``, ``potential_2`` are V' and V''.
    """
    x = np.linspace(-half_width, half_width, points)
    h = x[1] - x[0]
    k = np.arange(points)[:, None] - np.arange(points)[None, :]
    with np.errstate(divide="ignore"):
        kinetic = np.where(k == 0, np.pi**2 / 3, 2.0 * (-1.0) ** k / np.where(k == 0, 1, k) ** 2) / h**2
    well = potential_1(x) ** 2 / (4.0 * diffusion) - potential_2(x) / 2.0
    return np.linalg.eigvalsh(diffusion * kinetic + np.diag(well))


def tilted_velocity(potential, force, diffusion, period):
    """Mean velocity in a tilted periodic potential (Stratonovich 1958; Risken, section 11.3).

    ``v = D P (1 - e^{-F P / D}) / int_0^P dx int_0^P dy e^{(V(x) - V(x - y) - F y) / D}``.
    """

    def inner(x):
        return quad(
            lambda y: np.exp((potential(x) - potential(x - y) - force * y) / diffusion),
            0,
            period,
            epsabs=0,
            epsrel=1e-11,
        )[0]

    total = quad(inner, 0, period, epsabs=0, epsrel=1e-10)[0]
    return diffusion * period * (1.0 - np.exp(-force * period / diffusion)) / total


def fitted_order(spacings, errors):
    """Slope of log error against log cell width."""
    return float(np.polyfit(np.log(spacings), np.log(np.abs(errors)), 1)[0])
