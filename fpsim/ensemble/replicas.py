"""Weights of all replicas in the kernel's layout, advanced in place.

Memory is that of the weights: they are drawn, rearranged and read in tiles, and the final state is the same
memory again. Steps of divergence live on pages that nobody touches before a replica diverges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fpsim.ensemble.ensemble import State
from fpsim.ensemble.initial import initial
from fpsim.ensemble.kernel_settings import EPOCHS, GAUSSIAN, kernel_settings, source
from fpsim.ensemble.steps import advance
from fpsim.network.layers import LANES, layers
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fpsim.experiment import Experiment

__all__ = ["Replicas"]

SLICE = 2e7
"""Sample gradients per call of the kernel, for a small network: some tenths of a second."""
TILE = 64
"""Blocks of replicas that are handled at a time outside the kernel."""


class Replicas:
    """Weights of all replicas in the kernel's layout, (blocks, p, LANES), advanced in place."""

    def __init__(
        self, experiment: Experiment, replicas: int, first_replica: int, key: int, state: State | None
    ) -> None:
        self.experiment, self.replicas, self.first_replica = experiment, replicas, first_replica
        self.net, self.settings, self.source = (
            layers(experiment.network),
            kernel_settings(experiment),
            source(experiment),
        )
        self.key = np.uint64(key)
        self.blocks = -(-replicas // LANES)
        momentum = experiment.sgd.momentum > 0.0
        shape = self.blocks, self.net.size, LANES
        self.lost = np.zeros((self.blocks, LANES), dtype=np.int64)
        if state is None:

            def start(begin: int, end: int) -> NDArray[np.float64]:
                return initial(experiment, key=key, first=first_replica + begin, replicas=end - begin)

            self.weights = self._pack(start)
            self.velocity = np.zeros(shape if momentum else (1, *shape[1:]))
            return
        rows, velocity = state.weights, state.velocity
        if rows.shape != (replicas, self.net.size) or (velocity is None) == momentum:
            raise DomainError(
                f"state holds weights {rows.shape} and {'no' if velocity is None else 'a'} velocity; "
                f"({replicas}, {self.net.size}) and {'a' if momentum else 'no'} velocity are accepted"
            )
        self.weights = self._pack(lambda begin, end: rows[begin:end])
        self.velocity = np.zeros((1, *shape[1:])) if velocity is None else self._pack(lambda b, e: velocity[b:e])
        gone = np.flatnonzero(state.diverged)
        self.lost.reshape(-1)[gone] = state.diverged[gone]

    @property
    def slice_length(self) -> int:
        """Steps per call of the kernel."""
        samples = self.source.samples.shape[1]
        by_layers = self.settings.noise == GAUSSIAN and not self.settings.by_moments
        batch = samples if by_layers else self.settings.batch_size
        cost = self.blocks * LANES * batch * max(1.0, self.net.units[-1] * self.net.widths.max() / 10.0)
        shortest = samples // self.settings.batch_size if self.settings.sampling == EPOCHS else 1
        return max(int(SLICE / cost), shortest)

    def advance(self, start: int, stop: int, *, threads: int | None, chunk: int | None) -> None:
        """Take the steps ``start`` to ``stop - 1``."""
        rates = self.experiment.sgd.learning_rates(start, stop)
        length = self.blocks if chunk is None else -(-chunk // LANES)
        for begin in range(0, self.blocks, length):

            def work(first: int, last: int, begin: int = begin) -> None:
                a, b = begin + first, begin + last
                own = self.velocity[a:b] if self.settings.momentum > 0.0 else self.velocity
                number = self.first_replica + a * LANES
                weights, lost = self.weights[a:b], self.lost[a:b]
                advance(self.net, self.settings, self.source, self.key, number, start, rates, weights, own, lost)

            with Team(threads) as team:
                team.share(work, min(length, self.blocks - begin))

    def matrices(self, begin: int, end: int) -> dict[str, NDArray[np.float64]]:
        """Copies of the trained matrices of replicas ``begin`` (a multiple of LANES) to ``end - 1`` or the last.

        Shapes (replicas, rows, columns), ``nan`` where a replica diverged.
        """
        end = min(end, self.replicas)
        part = self.weights[begin // LANES : -(-end // LANES)]
        rows = part.transpose(0, 2, 1).copy().reshape(-1, self.net.size)[: end - begin]
        rows[self.diverged[begin:end] > 0] = np.nan
        result, start = {}, 0
        for name in self.experiment.network.trained:
            shape = self.experiment.network.shapes[name]
            stop = start + shape[0] * shape[1]
            result[name] = np.ascontiguousarray(rows[:, start:stop]).reshape(-1, *shape)
            start = stop
        return result

    @property
    def diverged(self) -> NDArray[np.int64]:
        """Step of divergence of every replica, or 0."""
        return self.lost.reshape(-1)[: self.replicas]

    def finish(self, step: int) -> State:
        """What is needed to continue, in the same memory: nothing else can be asked afterwards."""
        velocity = self._unpack(self.velocity) if self.settings.momentum > 0.0 else None
        return State(step, self._unpack(self.weights), velocity, self.diverged)

    def _pack(self, rows: Callable[[int, int], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Fill the kernel's layout from ``rows(begin, end)``."""
        blocks = np.empty((self.blocks, self.net.size, LANES))
        for first in range(0, self.blocks, TILE):
            part = blocks[first : first + TILE]
            padded = np.zeros((len(part) * LANES, self.net.size))
            begin, end = first * LANES, min((first + TILE) * LANES, self.replicas)
            padded[: end - begin] = rows(begin, end)
            part[:] = padded.reshape(len(part), LANES, -1).transpose(0, 2, 1)
        return blocks

    def _unpack(self, blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn the kernel's layout into rows, in place."""
        rows = blocks.reshape(self.blocks, LANES, self.net.size)
        for first in range(0, self.blocks, TILE):
            part = slice(first, first + TILE)
            rows[part] = blocks[part].transpose(0, 2, 1).copy()
        return rows.reshape(-1, self.net.size)[: self.replicas]
