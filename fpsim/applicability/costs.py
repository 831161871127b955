"""Costs of theories from counted operations: cells or components, bytes, and roughly how many seconds of one core.

Seconds are operations times what one took on an ordinary core (docs/joint-law.md, docs/engine.md): right within a
factor of about three, for choosing between minutes and days. Nothing is measured here, so that the answer is the same
on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Cost", "grid_cost", "mixture_cost", "path_cost", "training_cost"]

CELLS = {1: 256, 2: 128, 3: 48, 4: 32}
"""Cells per axis that resolve a density of so many weights."""
CELL_BYTES = {1: 200, 2: 400, 3: 1200, 4: 2800}
"""Bytes per cell of a full tensor that varies with place: its rates along all lattice offsets are held."""
CELL_SECONDS = {1: 2e-6, 2: 1.5e-5, 3: 5e-5, 4: 1.5e-4}
"""Seconds per cell and unit of time."""
STEPS_PER_TIME = 5.0
"""Steps of a component per unit of time, between kicks every fifth of it."""
STABLE = 3.3
"""Interval of stability of the Runge-Kutta pair, in rate times step."""
STAGES = 6
OPERATION = 2.5e-10
POINT = 2e-8
NODE = 4e-9
"""Seconds of a multiplication and addition, of a point on its own, and of a data node per weight."""
LANDSCAPE = 100.0
"""Coefficients by way of the landscape against kernels."""
KICK = 1.2e-7
"""Seconds of a kick per component and squared number of weights."""
PATH_STEP = 1.7e-6
"""Seconds of a step of a path, of weak order two, with ``4 n`` roots of the tensor: times ``n^2.5``."""
PATH_SAMPLE = 3.3e-7
"""Seconds of a step per weight and sample that averages sum over."""
WEIGHT_OF_SAMPLE = 3e-9
"""Seconds per sample and weight of one step of training."""


class Cost(NamedTuple):
    """Size of a computation.

    Attributes
    ----------
    size : int
        Cells of a grid, components of a mixture, or paths.
    memory : float
        Bytes.
    seconds : float
        Of one core, about.
    """

    size: int
    memory: float
    seconds: float


def grid_cost(n: int, time: float) -> Cost:
    """A density of ``n`` weights (1 to 4) on a grid, to a time."""
    cells = CELLS[n] ** n
    return Cost(cells, cells * CELL_BYTES[n], cells * CELL_SECONDS[n] * max(time, 0.1))


def point_seconds(n: int, d: int, *, linear: bool, nodes: int, kernels: bool, second: bool) -> float:
    """Seconds of drift and diffusion at one point."""
    if linear:
        moments = d * (d + 1) // 2
        operations = n * moments**2 + n**2 * moments / 2
    else:
        operations = nodes * n * NODE / OPERATION
    one = POINT + OPERATION * operations * (1.5 if second else 1.0)
    return one if kernels else LANDSCAPE * one


def mixture_cost(n: int, time: float, curvature: float, components: int, seconds: float) -> Cost:
    """A mixture of so many components, ``seconds`` per point, to a time."""
    steps = time * max(STEPS_PER_TIME, curvature / STABLE)
    state = n + n * (n + 1) // 2
    points = components * 2.0 * n * STAGES * max(steps, 1.0)
    kicks = KICK * n**2 * components * STEPS_PER_TIME * time
    return Cost(components, 8.0 * components * (4.0 * state + n + n**2), points * seconds + kicks)


def path_cost(n: int, time: float, learning_rate: float, paths: int, samples: int) -> Cost:
    """Sample paths (:func:`fpsim.simulate`), a step for each of training; ``samples`` that averages sum over, or 0."""
    step = PATH_STEP * n**2.5 + PATH_SAMPLE * n * samples
    return Cost(paths, 8.0 * paths * (n + n * n), paths * time / learning_rate * step)


def training_cost(n: int, steps: float, batch: int, replicas: int) -> Cost:
    """An ensemble of training runs."""
    return Cost(replicas, 16.0 * replicas * n, replicas * steps * batch * n * WEIGHT_OF_SAMPLE)
