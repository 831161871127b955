"""What is asked of an evolution, checked; and its answer put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density, regrid
from fpsim.evolution.control import TOUCH
from fpsim.evolution.evolution import Evolution, Run
from fpsim.evolution.inspect import cautions
from fpsim.support.checks import real_array
from fpsim.support.errors import DomainError

__all__ = ["Method", "Progress", "Request", "finished"]

Array = NDArray[np.float64]
Method = Literal["auto", "sweeps", "generator", "rational", "fipy"]
Progress = Callable[[float], None]

METHODS = ("auto", "sweeps", "generator", "rational", "fipy")

DRIFTING = 2.0  # cell Peclet number above which exponential fluxes are of first order

GRID_ORDER = 2  # of the difference between cells h and 2 h: what is guaranteed, not what is usual


@dataclass(frozen=True, eq=False)
class Request:
    """Everything about an evolution but equations and densities; see :func:`fpsim.evolution.evolve`.

    Raises
    ------
    DomainError
        If times are not finite, increasing and >= 0, the tolerance is not between 0 and 1, or there is no such method.
    """

    times: Array
    tolerance: float
    method: Method
    progress: Progress | None
    estimate_grid_error: bool
    threads: int | None = None
    follow: bool = False

    def __post_init__(self) -> None:
        when = np.array(real_array(self.times, "times"), ndmin=1)
        if when.ndim != 1 or when.size == 0:
            raise DomainError(f"times have shape {when.shape}: a number or a non-empty sequence is accepted")
        before = -1.0
        for k, value in enumerate(when.tolist()):
            if not (value >= 0.0 and before < value < inf):
                raise DomainError(f"times[{k}] is {value:g}: finite, increasing times >= 0 are accepted")
            before = value
        object.__setattr__(self, "times", when)
        try:
            accepted = 0.0 < self.tolerance < 1.0
        except (TypeError, ValueError):
            accepted = False
        if not accepted:
            raise DomainError(f"tolerance is {self.tolerance!r}: a number between 0 and 1 is accepted")
        if self.method not in METHODS:
            raise DomainError(f"method {self.method!r}: accepted are {', '.join(METHODS)}")

    @property
    def end(self) -> float:
        """The last time."""
        return float(self.times[-1])


def finished(
    run: Run,
    starts: tuple[Density, ...],
    wide: Run | None,
    peclet: tuple[float, float],
    memory: int,
    *,
    follow: bool = False,
    at_walls: bool = False,
) -> Evolution:
    """An answer with the error of its grid, from the same evolution on wider cells, and every reason for caution.

    ``at_walls``: whether drift carries to walls what comes near, where layers may be thinner than cells.
    """
    times, densities, time_error, absorbed, steps, rejected, method, said = run
    if wide is None:
        error = np.full(len(times), np.nan)
    else:
        order = (
            1 if (at_walls and _touched(run, starts)) or (method != "sweeps" and peclet[1] > DRIFTING) else GRID_ORDER
        )
        error = _difference(run, wide) / ((2**order - 1) * max(d.mass for d in starts))
    said = (*said, *_cautions(run, starts, follow))
    return Evolution(times, densities, time_error, error, absorbed, steps, rejected, method, said, peclet, memory)


def _touched(run: Run, starts: tuple[Density, ...]) -> bool:
    """Whether any mass was at walls at one of the times, or left through them."""
    mass = max(d.mass for d in starts)
    several = [now if isinstance(now, tuple) else (now,) for now in run.densities]
    return bool(run.absorbed.max() > TOUCH * mass) or any(d.edge_mass() > TOUCH * mass for now in several for d in now)


def _difference(fine: Run, wide: Run) -> Array:
    """L1 distance per time between two evolutions, on the cells of the second; the worst equation's."""
    out = []
    for a, b in zip(fine.densities, wide.densities, strict=True):
        pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
        out.append(max(float(np.abs(regrid(x, y.grid).values - y.values).sum()) * y.grid.cell_volume for x, y in pairs))
    return np.array(out)


def _cautions(run: Run, starts: tuple[Density, ...], follow: bool) -> list[str]:
    """What the densities themselves call for, each reason once, with the time at which it first holds."""
    found: dict[str, str] = {}
    for t, now in zip(run.times, run.densities, strict=True):
        for density, start in zip(now if isinstance(now, tuple) else (now,), starts, strict=True):
            for kind, text in cautions(density, start, follow=follow):
                found.setdefault(kind, f"t={t:g}: {text}")
    return list(found.values())
