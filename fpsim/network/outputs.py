"""Outputs of a network at chosen inputs, as functions of its weights.

``f_j(w)`` is the output at the ``j``-th chosen input; the coordinates ``w`` are those of the density, one array
each. Gradients and Hessians that are not given are fourth-order central differences: exact for polynomials of degree
four (linear networks with up to four weights in a product), relative error some ``1e-9`` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.support.checks import real_array, shown, whole_number
from fpsim.support.errors import DomainError
from fpsim.support.immutable import Immutable

if TYPE_CHECKING:
    from fpsim.network.autoencoder import Network

__all__ = ["Outputs", "network_outputs", "smooth_lengths"]

Array = NDArray[np.float64]
Points = Sequence[Array]

_STEP = 0.01  # of the coordinate's size: truncation 1e-10, rounding 1e-12 in second differences
_PER_LENGTH = 16.0


@dataclass(frozen=True, eq=False)
class Outputs(Immutable):
    """Functions ``f_1 .. f_m`` of the weights.

    Attributes
    ----------
    function : callable
        ``function(*coordinates)`` answers the ``m`` outputs, each an array that broadcasts to the coordinates.
    gradient : callable, optional
        ``gradient(*coordinates)[j][a] = d f_j / d w_a``.
    hessian : callable, optional
        ``hessian(*coordinates)[j][a][b]``.

    Examples
    --------
    >>> Outputs(lambda w: [0.5 * w, 2.0 * w]).values([np.array([1.0, 2.0])])[1]
    array([2., 4.])
    """

    function: Callable[..., Sequence[Any]]
    gradient: Callable[..., Any] | None = None
    hessian: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        for key in ("function", "gradient", "hessian"):
            value = getattr(self, key)
            if not callable(value) and (value is not None or key == "function"):
                raise DomainError(f"{key} of outputs is {shown(value)}: a function of the weights is accepted")

    def values(self, points: Points) -> list[Array]:
        """Outputs at the points.

        Raises
        ------
        DomainError
            If the function does not answer a sequence, or an output is not finite.
        """
        answer = self.function(*points)
        if not isinstance(answer, (list, tuple, np.ndarray)) or len(answer) == 0:
            raise DomainError(f"outputs are a {type(answer).__name__}: a sequence with one array per input is accepted")
        values = [np.asarray(f, float) for f in answer]
        for j, f in enumerate(values):
            if not np.isfinite(f).all():
                raise DomainError(f"output {j} is not finite at some weights: finite outputs are accepted")
        return values

    def gradients(self, points: Points) -> list[list[Array]]:
        """``[j][a]``: derivative of output ``j`` along coordinate ``a``."""
        if self.gradient is not None:
            return [[np.asarray(g, float) for g in row] for row in self.gradient(*points)]
        columns = []
        for a, h in enumerate(_steps(points)):
            up, down, up2, down2 = (self.values(_moved(points, {a: k * h})) for k in (1, -1, 2, -2))
            quads = zip(up, down, up2, down2, strict=True)
            columns.append([(8.0 * (p - m) - (p2 - m2)) / (12.0 * h) for p, m, p2, m2 in quads])
        return [list(row) for row in zip(*columns, strict=True)]

    def hessians(self, points: Points) -> list[list[list[Array]]]:
        """``[j][a][b]``: second derivatives of output ``j``."""
        if self.hessian is not None:
            return [[[np.asarray(g, float) for g in row] for row in matrix] for matrix in self.hessian(*points)]
        steps, n = _steps(points), len(points)
        here = self.values(points)
        entries: list[list[list[Array]]] = [[[here[0]] * n for _ in range(n)] for _ in here]
        for a in range(n):
            for b in range(a + 1):
                for j, second in enumerate(self._second(points, here, a, b, steps)):
                    entries[j][a][b] = entries[j][b][a] = second
        return entries

    def _second(self, points: Points, here: list[Array], a: int, b: int, steps: list[float]) -> list[Array]:
        if a == b:
            up, down, up2, down2 = (self.values(_moved(points, {a: k * steps[a]})) for k in (1, -1, 2, -2))
            quints = zip(here, up, down, up2, down2, strict=True)
            return [(16.0 * (p + m) - (p2 + m2) - 30.0 * f) / (12.0 * steps[a] ** 2) for f, p, m, p2, m2 in quints]

        def cross(k: int) -> list[Array]:
            corners = [
                self.values(_moved(points, {a: k * s * steps[a], b: k * r * steps[b]}))
                for s in (1, -1)
                for r in (1, -1)
            ]
            area = 4.0 * k * k * steps[a] * steps[b]
            return [(pp - pm - mp + mm) / area for pp, pm, mp, mm in zip(*corners, strict=True)]

        return [(4.0 * fine - coarse) / 3.0 for fine, coarse in zip(cross(1), cross(2), strict=True)]


def smooth_lengths(points: Points) -> tuple[float, ...]:
    """Length along each coordinate over which functions of the weights count as smooth: 0.16 of its root mean square.

    A sixteenth of it is the step of differences, here and in :func:`fpsim.equation.drift_at`.
    """
    return tuple(_PER_LENGTH * step for step in _steps(points))


def _steps(points: Points) -> list[float]:
    sizes = [float(np.sqrt(np.mean(np.square(x)))) for x in points]
    return [_STEP * (size if size > 0.0 else 1.0) for size in sizes]


def _moved(points: Points, shifts: dict[int, float]) -> list[Array]:
    return [x + shifts[a] if a in shifts else x for a, x in enumerate(points)]


def network_outputs(network: Network, inputs: ArrayLike, *, component: int | None = None) -> Outputs:
    """Outputs of a network at ``inputs``; the coordinates are the entries of its trained matrices, in C order.

    Parameters
    ----------
    network : Network
    inputs : array_like, shape (m, d)
    component : int, optional
        Which output component; all of them by default, component fastest.

    Raises
    ------
    DomainError
        If the inputs do not fit the network.
    """
    from fpsim.network.autoencoder import check_network
    from fpsim.network.gradients import forward  # compiled kernels, needed only here

    check_network(network)
    rows = np.atleast_2d(real_array(inputs, "inputs"))
    if rows.ndim != 2 or rows.shape[1] != network.widths[0]:
        raise DomainError(f"inputs have shape {rows.shape}: (m, {network.widths[0]}) is accepted")
    if component is not None and whole_number(component, "component", least=0) >= network.widths[-1]:
        raise DomainError(f"component is {component}: 0 to {network.widths[-1] - 1} is accepted")
    chosen = slice(None) if component is None else slice(component, component + 1)

    def function(*coordinates: Array) -> list[Array]:
        shape = np.broadcast_shapes(*(x.shape for x in coordinates))
        flat = np.stack([np.broadcast_to(x, shape) for x in coordinates], axis=-1)
        weights, start = {}, 0
        for name in network.trained:
            n_rows, columns = network.shapes[name]
            weights[name] = flat[..., start : start + n_rows * columns].reshape(*shape, n_rows, columns)
            start += n_rows * columns
        if start != len(coordinates):
            raise DomainError(f"{len(coordinates)} coordinates: the {start} trained weights are accepted")
        out = forward(network, weights, rows)[..., chosen]
        return list(np.moveaxis(out.reshape(*shape, -1), -1, 0))

    return Outputs(function)
