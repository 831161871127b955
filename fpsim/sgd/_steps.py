"""Steps of SGD for blocks of replicas."""

from __future__ import annotations

import numpy as np
from numba import njit

from fpsim.network._kernel import lane_kernel
from fpsim.network._layers import LANES
from fpsim.sgd._batch_gradients import batch_gradient, scratch
from fpsim.sgd._batches import batch_replicas, draw_batch, normal_rows
from fpsim.sgd._philox import TEMPERATURE
from fpsim.sgd._rule import EPOCHS, SVAG

__all__ = ["LIMIT", "advance"]

LIMIT = 1e10
"""A replica has diverged when the sum of its weights' magnitudes is not below this."""
SECOND = 8
"""Added to a stream for the second of SVAG's two batches."""


@lane_kernel
def _update(rule, key, step, rate, replica, gradient, normal, weights, velocity):  # type: ignore[no-untyped-def]
    kick = np.sqrt(2.0 * rate * (1.0 - rule.momentum) * rule.temperature)
    if kick > 0.0:
        normal_rows(key, TEMPERATURE, step, replica, 0, weights.shape[0], normal)
    for a in range(weights.shape[0]):
        for v in range(LANES):
            change = -rate * (gradient[a, v] + rule.weight_decay * weights[a, v])
            if kick > 0.0:
                change += kick * normal[a, v]
            if rule.momentum > 0.0:
                change += rule.momentum * velocity[a, v]
                velocity[a, v] = change
            weights[a, v] += change


@lane_kernel
def _combine(rule, second, gradient):  # type: ignore[no-untyped-def]
    for a in range(gradient.shape[0]):
        for v in range(LANES):
            gradient[a, v] = rule.first * gradient[a, v] + rule.second * second[a, v]


@lane_kernel
def _watch(step, weights, total, diverged):  # type: ignore[no-untyped-def]
    total[:] = 0.0
    for a in range(weights.shape[0]):
        for v in range(LANES):
            total[v] += abs(weights[a, v])
    for v in range(LANES):
        lost = not (total[v] <= LIMIT)
        diverged[v] = step if lost and diverged[v] < 0 else diverged[v]


@njit(cache=True, nogil=True, error_model="numpy")
def advance(net, rule, source, key, first, step, rates, weights, velocity, diverged):  # type: ignore[no-untyped-def]
    """Advance blocks by ``rates.size`` steps from ``step`` on, in place; releases the interpreter lock.

    ``weights`` (blocks, p, LANES); ``velocity`` the same, or a single block that stays unused without
    momentum; ``diverged`` (blocks, LANES) holds the step of divergence or -1; ``first`` is the replica of
    the first column.
    """
    work = scratch(net)
    gradient, second = np.empty((net.size, LANES)), np.empty((net.size, LANES))
    normal, total = np.empty((net.size + 1, LANES)), np.empty(LANES)
    replica, batch_replica = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    index = np.empty((rule.batch_size + 3 - (rule.batch_size + 3) % 4, LANES), np.int64)
    n = source.samples.shape[1]
    order = np.empty((n if rule.sampling == EPOCHS else 0, LANES), np.int32)
    for block in range(weights.shape[0]):
        w, u, lost = weights[block], velocity[min(block, velocity.shape[0] - 1)], diverged[block]
        batch_replicas(rule, first + block * LANES, replica, batch_replica)
        for s in range(rates.size):
            k = step + s
            draw_batch(rule, n, key, 0, k, s == 0, batch_replica, order, index)
            batch_gradient(net, rule, source, key, 0, k, batch_replica, index, w, work, gradient)
            if rule.noise == SVAG:
                draw_batch(rule, n, key, SECOND, k, s == 0, batch_replica, order, index)
                batch_gradient(net, rule, source, key, SECOND, k, batch_replica, index, w, work, second)
                _combine(rule, second, gradient)
            _update(rule, key, k, rates[s], replica, gradient, normal, w, u)
            _watch(k + 1, w, total, lost)
