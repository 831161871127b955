"""Backward and hierarchy identities behind a Callan-Symanzik equation, true for every drift and noise.

The backward identity: ``F(W0, t) = E[f .. f | W0]`` obeys ``[d_t - b_i d_i - D_ij d_i d_j] F = 0``.
The hierarchy identity: ``d_t G_n = E[ sum_i (A f_i) prod_j!=i f_j + 2 sum_i<j (grad f_i . D grad f_j) prod_others f ]``
with the generator ``A f = b . grad f + D : hess f``. For gradient descent on ``mean |f - y|^2 / 2`` the first part
of ``A f`` is ``-E_x'[Theta(x, x') (f(x') - y(x'))]`` with the neural tangent kernel ``Theta = grad f . grad f``.

Neither is a closed equation and neither can fail for a physical reason: a residual measures numerics (or a wrong
drift).

Limits: coefficients are callables of place and time, not grid arrays and not of the density. Another calculus than
Ito's is converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.correlators import Correlators, Index, checked_indices, correlators, product_of
from fpsim.diagnostics.callan_symanzik.expectations import expectation_of
from fpsim.equation import FokkerPlanck, diffusion_at, drift_at
from fpsim.network.outputs import Outputs, smooth_lengths
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import Estimate, stack
from fpsim.uncertainty.verdict import Identity

__all__ = ["hierarchy", "hierarchy_residual", "rates", "tangent_kernel"]

Array = NDArray[np.float64]


def hierarchy(outputs: Outputs, equation: FokkerPlanck, points: Sequence[Array], *, t: float = 0.0) -> Any:
    """``A f_i`` and ``grad f_i . D grad f_j`` at the points: what products of outputs need, ``(list, list of
    lists)``.
    """
    if equation.mean_field:
        raise DomainError("a coefficient depends on the density: freeze it in a callable of the coordinates first")
    place = tuple(points)
    drift = drift_at(equation, place, spacing=smooth_lengths(place), t=t)
    diffusion = diffusion_at(equation, place, t=t).entries
    slopes, curvatures = outputs.gradients(points), outputs.hessians(points)
    axes = range(len(points))
    pairs = [(a, b, d) for a in axes for b in axes if (d := diffusion[a][b]) is not None]
    action = [
        sum((drift[a] * g[a] for a in axes), np.zeros(1)) + sum((d * h[a][b] for a, b, d in pairs), np.zeros(1))
        for g, h in zip(slopes, curvatures, strict=True)
    ]
    carre = [[sum((d * g[a] * k[b] for a, b, d in pairs), np.zeros(1)) for k in slopes] for g in slopes]
    return action, carre


def rates(
    law: object,
    outputs: Outputs,
    equation: FokkerPlanck,
    *,
    order: int = 4,
    indices: Sequence[Index] | None = None,
    t: float = 0.0,
) -> tuple[Correlators, Estimate]:
    """n-point functions and their time derivatives by the hierarchy identity, from one law, without any differencing in
    time.

    Returns
    -------
    table : Correlators
    rate : Estimate, shape (K,)
        ``d_t G``, sharing its replicates with ``table.full``.
    """
    table = correlators(law, outputs, order=order, indices=indices)

    def observables(points: Sequence[Array]) -> Iterator[Array]:
        values = outputs.values(points)
        action, carre = hierarchy(outputs, equation, points, t=t)
        for index in checked_indices(indices, len(values), order):
            yield _generator_of_product(values, action, carre, index)

    return table, expectation_of(law).expectation(observables)


def hierarchy_residual(
    times: ArrayLike,
    laws: Sequence[object],
    outputs: Outputs,
    equation: FokkerPlanck,
    *,
    order: int = 4,
) -> Identity:
    """Residual of the hierarchy identity over a time span: ``G(t_K) - G(t_1) - int d_t G dt``, the rates evaluated with
    the same laws.

    Equally spaced times, an odd number of them (Simpson's rule; its error is that against the trapezoidal rule's
    Richardson estimate on every second time). Each component is in units of ``E|f .. f|``; the residual is their root
    mean square.

    Raises
    ------
    DomainError
        If the times are not equally spaced or their number is not 4 n + 1.
    """
    s = np.asarray(times, float)
    if len(s) < 5 or len(s) % 4 != 1 or len(laws) != len(s) or not np.allclose(np.diff(s), s[1] - s[0], rtol=1e-6):
        raise DomainError(
            f"{len(s)} times and {len(laws)} laws: 4 n + 1 equally spaced times, one law each, are accepted"
        )
    found = [rates(law, outputs, equation, order=order, t=float(t)) for law, t in zip(laws, s, strict=True)]
    unit = np.mean([table.absolute.value for table, _ in found], axis=0)
    joint = stack([stack([table.full, rate]) for table, rate in found])

    def gap(values: Array, step: int) -> Array:
        part, h = values[::step], step * (s[1] - s[0])
        weight = np.ones(len(part))
        weight[1:-1:2], weight[2:-1:2] = 4.0, 2.0
        return (part[-1, 0] - part[0, 0] - h / 3.0 * np.tensordot(weight, part[:, 1], axes=1)) / unit

    fine, coarse = joint.map(lambda v: gap(v, 1)), joint.map(lambda v: gap(v, 2))
    size = np.sqrt(len(unit))
    in_time = float(np.linalg.norm(fine.value - coarse.value)) / 15.0
    error = float(np.hypot(fine.norm_error, in_time)) / size
    details = {"indices": found[0][0].indices, "components": fine.value, "errors": fine.error, "time_error": in_time}
    return Identity("hierarchy identity", float(np.linalg.norm(fine.value)) / size, error, details=details)


def tangent_kernel(outputs: Outputs, others: Outputs, points: Sequence[Array]) -> list[list[Array]]:
    """Neural tangent kernel ``Theta_jk = grad f_j . grad f'_k`` at the points (Jacot, Gabriel & Hongler 2018)."""
    left, right = outputs.gradients(points), others.gradients(points)
    return [[sum((a * b for a, b in zip(g, k, strict=True)), np.zeros(1)) for k in right] for g in left]


def _generator_of_product(values: list[Array], action: list[Array], carre: list[list[Array]], index: Index) -> Array:
    total = np.zeros(1)
    for i in range(len(index)):
        rest = [*index[:i], *index[i + 1 :]]
        total = total + (action[index[i]] * product_of(values, rest) if rest else action[index[i]])
        for j in range(i):
            others = [index[k] for k in range(len(index)) if k not in (i, j)]
            pair = 2.0 * carre[index[i]][index[j]]
            total = total + (pair * product_of(values, others) if others else pair)
    return total
