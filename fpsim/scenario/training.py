"""Training in pieces, so that a run that is killed goes on from its last checkpoint and readers see it grow.

The pieces end anywhere and take about a second each: stop-and-continue of :mod:`fpsim.ensemble` gives the bits of one
call, so neither the cuts nor a resumption can be told from the result.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.ensemble import Ensemble, State, train

if TYPE_CHECKING:
    from fpsim.experiment import Experiment
    from fpsim.storage import Checkpoint

__all__ = ["train_kept"]

SHORT, LONG = 0.3, 2.0
"""Seconds between which a piece of training should take."""


def train_kept(
    experiment: Experiment,
    *,
    replicas: int,
    steps: Sequence[int],
    seed: int,
    stage: str,
    checkpoint: Checkpoint | None,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    partial: Callable[[Ensemble], Mapping[str, xr.Dataset]] | None = None,
) -> Ensemble:
    """Train an ensemble like :func:`fpsim.ensemble.train`, going on from a checkpoint and leaving new ones.

    Parameters
    ----------
    steps : sequence of int
        Steps to record, increasing.
    stage : str
        Name of the checkpoint, unique within the run.
    checkpoint : Checkpoint or None
        Where to keep the state; without one this is a plain call of ``train``.
    partial : callable, optional
        Groups made of what is recorded so far, put into the file for readers whenever a checkpoint is written.

    Returns
    -------
    Ensemble
        The same bits for any cuts, threads and interruptions.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt, after a checkpoint has been written.
    """
    if checkpoint is None:
        ensemble = train(experiment, replicas=replicas, steps=steps, rng=seed, threads=threads, progress=progress)
        if ensemble.interrupted:
            raise KeyboardInterrupt
        return ensemble
    total, piece = int(steps[-1]), 64
    kept = _Kept(experiment, replicas, np.asarray(steps, dtype=np.int64), seed)
    kept.restore(checkpoint.load(stage))
    try:
        while kept.step < total:
            begun = time.monotonic()
            kept.advance(min(kept.next_recorded, max(kept.step, 0) + piece), threads)
            seconds = time.monotonic() - begun
            piece = piece * 2 if seconds < SHORT else max(1, piece // 2) if seconds > LONG else piece
            if checkpoint.due() or kept.step >= total:
                checkpoint.save(stage, kept.arrays())
                if partial is not None and kept.step < total and kept.filled:
                    checkpoint.show(partial(kept.ensemble()))
            if progress is not None:
                progress(kept.step / total if total else 1.0)
    except KeyboardInterrupt:
        if kept.step >= 0:
            checkpoint.save(stage, kept.arrays())
        raise
    return kept.ensemble()


class _Kept:
    """An ensemble that grows: recorded weights up to ``filled``, and where training stands."""

    def __init__(self, experiment: Experiment, replicas: int, steps: NDArray[np.int64], seed: int) -> None:
        shapes = {name: experiment.network.shapes[name] for name in experiment.network.trained}
        self.experiment, self.replicas, self.steps, self.seed = experiment, replicas, steps, seed
        self.weights = {name: np.empty((steps.size, replicas, *shape)) for name, shape in shapes.items()}
        self.filled = 0
        self.last: Ensemble | None = None
        self.state: State | None = None

    @property
    def step(self) -> int:
        """Steps done; -1 before the start itself is recorded."""
        return -1 if self.state is None else self.state.step

    @property
    def next_recorded(self) -> int:
        """The next step to record."""
        return int(self.steps[self.filled])

    def advance(self, stop: int, threads: int | None) -> None:
        """Train up to a step; divergence is told once, by the piece in which a replica diverged first."""
        recorded = stop == self.next_recorded
        with warnings.catch_warnings():
            if self.last is not None and self.last.divergence.count:
                warnings.filterwarnings("ignore", message=r".*replicas diverged")
            part = train(
                self.experiment,
                replicas=self.replicas,
                steps=[stop],
                rng=self.seed,
                record="weights" if recorded else (),
                state=self.state,
                threads=threads,
            )
        filled = self.filled
        if recorded and not part.interrupted:
            for name, weights in part.weights.items():
                self.weights[name][filled] = weights[0]
            filled += 1
        self.last, self.state, self.filled = part, part.state, filled
        if part.interrupted:
            raise KeyboardInterrupt

    def ensemble(self) -> Ensemble:
        """What is recorded so far."""
        assert self.last is not None
        steps = self.steps[: self.filled]
        times = np.array([self.experiment.sgd.time(int(k)) for k in steps])
        weights = {name: w[: self.filled] for name, w in self.weights.items()}
        return replace(self.last, steps=steps, times=times, weights=weights, interrupted=False)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that is needed to go on."""
        state = {f"state {f.name}": getattr(self.state, f.name) for f in fields(State)}
        weights = {f"weights {name}": w[: self.filled] for name, w in self.weights.items()}
        return {name: np.asarray(v) for name, v in {**weights, **state}.items() if v is not None}

    def restore(self, arrays: Mapping[str, Any] | None) -> None:
        """Stand where a checkpoint stands; a call that takes no step makes the rest of the record."""
        if arrays is None:
            return
        found: dict[str, Any] = {f.name: arrays.get(f"state {f.name}") for f in fields(State)}
        self.state = State(**{**found, "step": int(found["step"])})
        for name, weights in self.weights.items():
            recorded = arrays[f"weights {name}"]
            self.filled = len(recorded)
            weights[: self.filled] = recorded
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*replicas diverged")
            self.last = train(
                self.experiment,
                replicas=self.replicas,
                steps=[self.state.step],
                rng=self.seed,
                record=(),
                state=self.state,
            )
