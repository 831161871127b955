"""The one call that evolves densities in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density import Density
from fpsim.equation import FokkerPlanck
from fpsim.errors import DomainError
from fpsim.parallel import Team
from fpsim.transport.control import Controller
from fpsim.transport.evolution import Evolution
from fpsim.transport.stepper import Stepper

__all__ = ["evolve"]

Array = NDArray[np.float64]
Method = Literal["auto", "sweeps", "generator", "fipy"]


def evolve(
    equation: FokkerPlanck | Sequence[FokkerPlanck],
    start: Density | Sequence[Density],
    times: ArrayLike,
    *,
    tolerance: float = 1e-3,
    method: Method = "auto",
    follow: bool = False,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    estimate_grid_error: bool = True,
) -> Evolution:
    """Evolve a density, or the densities of a coupled system, to given times."""
    equations, starts, coupled = _system(equation, start)
    when = _times(times)
    with Team(threads) as team:
        return _sweeps(equations, starts, coupled, when, tolerance, team, progress)


def _system(equation: Any, start: Any) -> tuple[tuple[FokkerPlanck, ...], tuple[Density, ...], bool]:
    if isinstance(equation, FokkerPlanck):
        if not isinstance(start, Density):
            raise DomainError(f"start is a {type(start).__name__}: a Density is accepted")
        return (equation,), (start,), False
    equations, starts = tuple(equation), tuple(start)
    if len(equations) != len(starts) or not equations:
        raise DomainError(f"{len(equations)} equations and {len(starts)} densities: equal numbers are accepted")
    return equations, starts, True


def _times(times: ArrayLike) -> Array:
    when = np.atleast_1d(np.asarray(times, float))
    if when.ndim != 1 or when.size == 0 or not np.isfinite(when).all():
        raise DomainError("times are empty, not finite or not a sequence: increasing finite times >= 0 are accepted")
    if when[0] < 0.0 or (np.diff(when) <= 0.0).any():
        k = int(np.argmax(np.diff(when, prepend=0.0 if when[0] < 0 else -1.0) <= 0.0))
        raise DomainError(f"times[{k}] = {when[k]:g} does not increase: increasing times >= 0 are accepted")
    return when


def _sweeps(
    equations: tuple[FokkerPlanck, ...],
    starts: tuple[Density, ...],
    coupled: bool,
    when: Array,
    tolerance: float,
    team: Team,
    progress: Callable[[float], None] | None,
) -> Evolution:
    state = tuple(np.array(d.values).ravel() for d in starts)
    grids = tuple(d.grid for d in starts)
    volumes = tuple(g.cell_volume for g in grids)
    control = Controller(Stepper(equations, grids, coupled, team), state, tolerance, when[-1], progress, volumes)
    densities, errors, absorbed = [], [], []
    for t in when:
        if t > 0.0:
            control.run_to(float(t))
        now = tuple(Density(g, u.reshape(g.shape)) for g, u in zip(grids, state, strict=True))
        densities.append(now if coupled else now[0])
        errors.append(control.error)
        absorbed.append(control.absorbed * np.array(volumes) if coupled else float(control.absorbed[0] * volumes[0]))
    return Evolution(
        when,
        tuple(densities),
        np.array(errors),
        np.full(len(when), np.nan),
        np.array(absorbed),
        control.taken,
        control.rejected,
        "sweeps",
    )
