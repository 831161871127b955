"""Linear-noise closure: a narrow Gaussian of all weights (van Kampen's system-size expansion).

The mean follows the drift and the covariance the linearised equation,

    dm/dt = b(m),   dLambda/dt = J Lambda + Lambda J^T + 2 D(m),   J = grad b.

Assumption: the ensemble is narrow compared with the distance over which ``b`` bends. Relative errors O(width^2) of mean
and covariance; wrong once the density bends along the valley or splits between minima. Keeps the correlation of the
matrices, for any width of the network. (N. G. van Kampen, Stochastic Processes in Physics and Chemistry, ch. X.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from fpsim.support.errors import DomainError, ToleranceError
from fpsim.theory.landscape import jacobian
from fpsim.theory.modified_equation import ModifiedEquation, Order, modified_equation_of
from fpsim.theory.weight_coordinates import Array

if TYPE_CHECKING:
    from fpsim.experiment import Experiment

__all__ = ["GaussianPath", "gaussian_path", "linear_noise"]


@dataclass(frozen=True, eq=False)
class GaussianPath:
    """Gaussian of all weights through time.

    Attributes
    ----------
    times : ndarray, shape (T,)
        Times.
    mean : ndarray, shape (T, n)
        Weights, ``W1`` before ``W2``, each in C order.
    covariance : ndarray, shape (T, n, n)
        Their covariance.
    """

    times: Array
    mean: Array = field(repr=False)
    covariance: Array = field(repr=False)


def linear_noise(
    experiment: Experiment, mean: ArrayLike, covariance: ArrayLike, times: ArrayLike, *, order: Order = "sme1"
) -> GaussianPath:
    """Mean and covariance of all weights.

    Parameters
    ----------
    experiment : Experiment
        Network with a landscape (:func:`fpsim.theory.landscape_of`), all matrices trained.
    mean, covariance, times
        As for :func:`gaussian_path`; the order of the weights is ``W1`` before ``W2``, each in C order.
    order : {"sme1", "sme2", "sme2c"}
        Order of the modified equation; beyond ``sme1`` only without momentum and with a constant learning rate.

    Raises
    ------
    DomainError
        If the order does not apply to the training, shapes do not fit or times do not increase.
    ToleranceError
        If the integration fails, for example because the mean diverges.
    """
    equation = modified_equation_of(experiment, order=order)
    n = sum(int(np.prod(shape)) for shape in experiment.network.shapes.values())
    if np.shape(mean) != (n,):
        raise DomainError(f"mean has shape {np.shape(mean)}: ({n},), one number for each weight, is accepted")
    return gaussian_path(equation, mean, covariance, times)


def gaussian_path(equation: ModifiedEquation, mean: ArrayLike, covariance: ArrayLike, times: ArrayLike) -> GaussianPath:
    """The same for the modified equation of any landscape.

    Parameters
    ----------
    equation : ModifiedEquation
        From :func:`fpsim.theory.modified_equation`.
    mean : array_like, shape (n,)
        Start.
    covariance : array_like, shape (n, n), or a number
        Start; a number stands for a multiple of the identity.
    times : array_like, shape (T,)
        Increasing, the first is the start's.

    Raises
    ------
    DomainError
        If shapes do not fit or times do not increase.
    ToleranceError
        If the integration fails, for example because the mean diverges.
    """
    m, when = np.asarray(mean, dtype=np.float64), np.asarray(times, dtype=np.float64)
    lam, n = np.asarray(covariance, dtype=np.float64), m.size
    lam = lam * np.eye(n) if lam.ndim == 0 else lam
    if m.ndim != 1 or lam.shape != (n, n) or when.ndim != 1 or not (np.diff(when) > 0.0).all():
        raise DomainError(
            f"mean {m.shape}, covariance {lam.shape}, times {when.shape}: (n,), (n, n) and increasing times are "
            "accepted"
        )

    def rate(t: float, state: Array) -> Array:
        x, c = state[:n], state[n:].reshape(n, n)
        j = jacobian(equation.drift, x)
        return np.concatenate([equation.drift(x), (j @ c + c @ j.T + 2.0 * equation.diffusion(x, t)).ravel()])

    start = np.concatenate([m, lam.ravel()])
    path = solve_ivp(rate, (when[0], when[-1]), start, t_eval=when, rtol=1e-6, atol=1e-10)
    if not path.success:
        raise ToleranceError(f"linear-noise closure: {path.message}")
    return GaussianPath(when, path.y[:n].T, path.y[n:].T.reshape(-1, n, n))
