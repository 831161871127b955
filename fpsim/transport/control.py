"""Step control: the caller gives a tolerance, never a step.

The tolerance bounds the L1 distance between what is computed and what the sweeps' continuous-time limit would be, as a
share of the mass. Fokker-Planck evolution never increases L1 distances, so the sum of the local errors bounds the
global one. A local error is a third of the distance between one double step and two single ones. Equations whose
coefficients are fixed are probed every few steps only; when a probe finds the error grown too far, the steps since the
last probe are taken back.

Below some step the distance stops falling, because a remap's own error does not depend on the step. That floor belongs
to the grid; the controller stops there, goes on with the step that reached it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsim.errors import ToleranceError
from fpsim.parallel import chunked_distance
from fpsim.transport.stepper import Stepper

__all__ = ["Controller"]

Array = NDArray[np.float64]

CRUISE = 8
"""Steps between probes of an autonomous equation."""

MAX_STEPS = 1_000_000


@dataclass(eq=False)
class Controller:
    """Takes a stepper through time within a tolerance and keeps the account.

    Attributes
    ----------
    tolerance : float
        L1 time error accepted over the whole evolution (absolute, for each equation the same).
    span : float
        Time that the tolerance is meant for.
    error, taken, rejected, floor : running account: accumulated error, steps, and whether the grid's floor was met.
    """

    stepper: Stepper
    state: tuple[Array, ...]
    tolerance: float
    span: float
    progress: Callable[[float], None] | None = None
    volumes: tuple[float, ...] = ()
    t: float = 0.0
    error: float = 0.0
    taken: int = 0
    rejected: int = 0
    floor: bool = False
    absorbed: Array = field(init=False)
    _h: float = field(default=0.0, init=False)
    _least: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.absorbed = np.zeros(len(self.state))
        self._spare = tuple(np.empty_like(u) for u in self.state)
        self._saved = tuple(np.empty_like(u) for u in self.state)
        self._begin, self._end = self.t, self.t + self.span

    def run_to(self, end: float) -> None:
        """Advance to time ``end``."""
        if self._h == 0.0:
            self._h = min(self.span, end - self.t) / 16.0
        self._save()
        while self.t < end:
            self._probe(end)
            if self.stepper.autonomous and self.t < end:
                self._cruise(end)
            if self.taken > MAX_STEPS:
                raise ToleranceError(
                    f"tolerance {self.tolerance:g} would need more than {MAX_STEPS} steps (reached t = {self.t:g}): "
                    "a larger tolerance or a shorter time is accepted"
                )
            if self.progress is not None:
                self.progress((self.t - self._begin) / self.span)

    def _save(self) -> None:
        for copy, u in zip(self._saved, self.state, strict=True):
            copy[:] = u
        self._mark = (self.t, self.error, self.taken, self.absorbed.copy())

    def _restore(self) -> None:
        for copy, u in zip(self._saved, self.state, strict=True):
            u[:] = copy
        self.t, self.error, self.taken, self.absorbed = (*self._mark[:3], self._mark[3].copy())

    def _probe(self, end: float) -> None:
        """Two steps that the error estimate accepts; on failure back to the last accepted probe."""
        before: tuple[float, float] | None = None
        while True:
            h = min(self._h, 0.5 * (end - self.t))
            for copy, u in zip(self._spare, self.state, strict=True):
                copy[:] = u
            self.stepper.advance(self._spare, self.t, 2.0 * h, 1, pieces=2)
            lost = self.stepper.advance(self.state, self.t, h, 2)
            local = max(
                chunked_distance(a, b, self.stepper.team) * v / 3.0
                for a, b, v in zip(self._spare, self.state, self.volumes, strict=True)
            )
            allowed = self._allowed(2.0 * h)
            if before is not None and local > before[1] * (h / before[0]) ** 2.0:
                self.floor, self._least = True, max(self._least, h)
            if local <= 1.5 * allowed or h <= self._least:
                break
            before = (h, local)
            self.rejected += 2
            self._h = h * min(max(0.85 * (allowed / local) ** 0.5, 0.1), 0.7)
            self._restore()
        self.absorbed += lost
        self.error += local
        self.taken += 2
        self._rate, self._probed = local / (2.0 * h), h
        self.t = end if self.t + 2.0 * h >= end * (1 - 1e-15) else self.t + 2.0 * h
        self._save()
        growth = 0.85 * (allowed / max(local, 1e-300)) ** 0.5
        grown = max(h * min(max(growth, 0.3), 3.0), self._least)
        self._h = max(grown, self._h) if h < self._h and growth > 1.0 else grown

    def _cruise(self, end: float) -> None:
        """Steps without a probe, at the last probe's error rate."""
        left = end - self.t
        needed = max(int(np.ceil(left / self._h * (1.0 - 1e-12))), 1)
        steps, h = (needed, left / needed) if needed <= CRUISE else (CRUISE, self._h)
        self.absorbed += self.stepper.advance(self.state, self.t, h, steps)
        self.error += self._rate * (h / self._probed) ** 2 * h * steps
        self.taken += steps
        self.t = end if needed <= CRUISE else self.t + steps * h

    def _allowed(self, dt: float) -> float:
        """Local error that the rest of the tolerance leaves for a time ``dt``."""
        left = max(self._end - self.t, dt)
        return max(self.tolerance - self.error, 0.1 * self.tolerance) * dt / left
