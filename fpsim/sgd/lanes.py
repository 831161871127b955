"""Weights of all replicas in the kernel's layout, advanced in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fpsim.errors import DomainError
from fpsim.network.blocks import for_blocks
from fpsim.network.layers import LANES, layers
from fpsim.sgd.ensemble import State
from fpsim.sgd.initial import initial
from fpsim.sgd.philox import key_of
from fpsim.sgd.rule import EPOCHS, GAUSSIAN, rule, source
from fpsim.sgd.steps import advance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["Lanes"]

SLICE = 2e7
"""Sample gradients per call of the kernel, for a small network: some tenths of a second."""


class Lanes:
    """Weights of all replicas in the kernel's layout, (blocks, p, LANES), advanced in place."""

    def __init__(
        self, experiment: Experiment, replicas: int, first_replica: int, seed: int, state: State | None
    ) -> None:
        self.experiment, self.replicas, self.first_replica = experiment, replicas, first_replica
        self.net, self.rule, self.source = layers(experiment.network), rule(experiment), source(experiment)
        self.key = key_of(seed)
        self.blocks = -(-replicas // LANES)
        momentum = experiment.sgd.momentum > 0.0
        if state is None:
            rows = initial(experiment, seed=seed, first=first_replica, replicas=replicas)
            velocity = np.zeros_like(rows) if momentum else None
            diverged = np.full(replicas, -1, dtype=np.int64)
        else:
            rows, velocity, diverged = state.weights, state.velocity, state.diverged
            if rows.shape != (replicas, self.net.size) or (velocity is None) == momentum:
                raise DomainError(
                    f"state holds weights {rows.shape} and {'no' if velocity is None else 'a'} velocity; "
                    f"({replicas}, {self.net.size}) and {'a' if momentum else 'no'} velocity are accepted"
                )
        self.weights = self._pack(rows, 0.0)
        self.velocity = np.zeros((1, self.net.size, LANES)) if velocity is None else self._pack(velocity, 0.0)
        self.lost = np.ascontiguousarray(self._pack(diverged[:, None], 0)[:, 0])

    @property
    def slice_length(self) -> int:
        """Steps per call of the kernel."""
        samples = self.source.samples.shape[1]
        by_layers = self.rule.noise == GAUSSIAN and not self.rule.by_moments
        batch = samples if by_layers else self.rule.batch_size
        cost = self.blocks * LANES * batch * max(1.0, self.net.units[-1] * self.net.widths.max() / 10.0)
        shortest = samples // self.rule.batch_size if self.rule.sampling == EPOCHS else 1
        return max(int(SLICE / cost), shortest)

    def advance(self, start: int, stop: int, *, threads: int | None, chunk: int | None) -> None:
        """Take the steps ``start`` to ``stop - 1``."""
        rates = self.experiment.sgd.learning_rates(start, stop)
        length = self.blocks if chunk is None else -(-chunk // LANES)
        for begin in range(0, self.blocks, length):

            def work(part: slice, begin: int = begin) -> None:
                a, b = begin + part.start, begin + part.stop
                own = self.velocity[a:b] if self.rule.momentum > 0.0 else self.velocity
                first = self.first_replica + a * LANES
                weights, lost = self.weights[a:b], self.lost[a:b]
                advance(self.net, self.rule, self.source, self.key, first, start, rates, weights, own, lost)

            for_blocks(work, min(length, self.blocks - begin), threads)

    def matrices(self, begin: int = 0, end: int | None = None) -> dict[str, NDArray[np.float64]]:
        """Copies of the trained matrices of replicas ``begin`` (a multiple of LANES) to ``end - 1``.

        Shapes (replicas, rows, columns), ``nan`` where a replica diverged.
        """
        end = self.replicas if end is None else min(end, self.replicas)
        rows = self._unpack(self.weights[begin // LANES : -(-end // LANES)])[: end - begin]
        rows[self.lost.ravel()[begin:end] >= 0] = np.nan
        result, start = {}, 0
        for name in self.experiment.network.trained:
            shape = self.experiment.network.shapes[name]
            stop = start + shape[0] * shape[1]
            result[name] = np.ascontiguousarray(rows[:, start:stop]).reshape(-1, *shape)
            start = stop
        return result

    def diverged(self) -> NDArray[np.int64]:
        """Step of divergence of every replica, or -1."""
        return self.lost.ravel()[: self.replicas].copy()

    def state(self, step: int) -> State:
        """What is needed to continue."""
        velocity = self._unpack(self.velocity) if self.rule.momentum > 0.0 else None
        return State(step, self._unpack(self.weights), velocity, self.diverged())

    def _pack(self, rows: NDArray[Any], fill: float) -> NDArray[Any]:
        padded = np.full((self.blocks * LANES, rows.shape[1]), fill, dtype=rows.dtype)
        padded[: self.replicas] = rows
        return np.ascontiguousarray(padded.reshape(self.blocks, LANES, -1).transpose(0, 2, 1))

    def _unpack(self, blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = blocks.transpose(0, 2, 1).copy()  # a copy even where the transposition is contiguous already
        return rows.reshape(blocks.shape[0] * LANES, -1)[: self.replicas]
