"""Steps of SGD for blocks of replicas.

Numba's disk cache watches only the file of a cached function: after an edit of a kernel in another file,
remove ``__pycache__`` or touch this one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpsim.ensemble.batch_gradients import (
    add_gaussian,
    add_gradients,
    add_moments,
    gaussian_moments,
    linear_gradient,
)
from fpsim.ensemble.batches import PIECE, batch_replicas, draw_batch, inputs, normal_rows
from fpsim.ensemble.kernel_settings import EPOCHS, GAUSSIAN, GRADIENT, SECOND, SVAG, TARGET, TEMPERATURE
from fpsim.ensemble.plane import plane_gradient
from fpsim.network.layers import LANES
from fpsim.support.compilation import lane_kernel, njit

__all__ = ["LIMIT", "advance"]

LIMIT = 1e10
"""A replica has diverged when the sum of its weights' magnitudes is not below this."""


class Work(NamedTuple):
    """Arrays that one call works in, (rows, LANES) unless noted."""

    chosen: np.ndarray
    order: np.ndarray
    x: np.ndarray  # (PIECE, d, LANES)
    normal: np.ndarray
    factor: np.ndarray
    units: np.ndarray
    slopes: np.ndarray
    delta: np.ndarray
    second: np.ndarray
    moment: np.ndarray
    cross: np.ndarray
    error: np.ndarray
    product: np.ndarray
    gradient: np.ndarray
    other: np.ndarray  # gradient of SVAG's second batch
    total: np.ndarray  # (LANES,)
    replica: np.ndarray  # (LANES,), numbers of the replicas
    shared: np.ndarray  # (LANES,), numbers that name their batches


@njit(error_model="numpy")
def _work(net, settings, source):  # type: ignore[no-untyped-def]
    d, n, total = net.widths[0], source.samples.shape[1], net.units[-1]
    pairs = d * (d + 1) // 2 if settings.by_moments else 0
    square = d * d if settings.by_moments else 0
    return Work(
        np.empty((max(n if settings.noise == GAUSSIAN else 0, settings.batch_size + 3), LANES), np.int64),
        np.empty((n if settings.sampling == EPOCHS else 0, LANES), np.int32),
        np.empty((PIECE, d, LANES)),
        np.empty((max(PIECE * d, square, net.size) + 1, LANES)),
        np.empty((max(PIECE, pairs) + 1, LANES)),
        np.empty((total, LANES)),
        np.empty((total, LANES)),
        np.empty((total, LANES)),
        np.empty((net.size, LANES)),
        np.empty((pairs, LANES)),
        np.empty((square, LANES)),
        np.empty((square, LANES)),
        np.empty((square, LANES)),
        np.empty((net.size, LANES)),
        np.empty((net.size, LANES)),
        np.empty(LANES),
        np.empty(LANES, np.uint64),
        np.empty(LANES, np.uint64),
    )


@lane_kernel
def _clear(rows):  # type: ignore[no-untyped-def]
    for a in range(rows.shape[0]):
        for v in range(LANES):
            rows[a, v] = 0.0


@lane_kernel
def _batch_gradient(net, settings, source, key, stream, step, replica, weights, work, gradient):  # type: ignore[no-untyped-def]
    """Gradient of one batch whose indices are drawn."""
    d = net.widths[0]
    _clear(gradient)
    _clear(work.moment)
    _clear(work.cross)
    for first in range(0, settings.batch_size, PIECE):
        count = min(PIECE, settings.batch_size - first)
        inputs(source, key, stream, step, replica, first, count, work.chosen, work.normal, work.x)
        if settings.label_noise > 0.0:
            normal_rows(key, stream | TARGET, step, replica, first * d // 2, count * d, work.normal)
        if settings.by_moments:
            add_moments(work, count, settings.label_noise)
        else:
            add_gradients(net, weights, work, count, settings.label_noise, gradient)
    scale = 1.0 / settings.batch_size
    if settings.by_moments:
        linear_gradient(net, weights, work, scale, gradient)
    else:
        for a in range(net.size):
            for v in range(LANES):
                gradient[a, v] *= scale


@lane_kernel
def _gaussian_gradient(net, settings, source, key, step, replica, weights, work, gradient):  # type: ignore[no-untyped-def]
    """Gaussian gradient with the mean and covariance of a batch's."""
    d, n = net.widths[0], source.samples.shape[1]
    spread, label = np.sqrt(settings.batch_factor), settings.label_noise / np.sqrt(settings.batch_size)
    if settings.by_moments:
        normal_rows(key, GRADIENT, step, replica, 0, work.moment.shape[0], work.factor)
        if label > 0.0:
            normal_rows(key, TARGET, step, replica, 0, d * d, work.normal)
        gaussian_moments(source, work, spread, label)
        linear_gradient(net, weights, work, 1.0, gradient)
        return
    _clear(gradient)
    _clear(work.second)
    total = work.factor[PIECE]
    for v in range(LANES):
        total[v] = 0.0
    for b in range(n):
        for v in range(LANES):
            work.chosen[b, v] = b
    for first in range(0, n, PIECE):
        count = min(PIECE, n - first)
        inputs(source, key, 0, step, replica, first, count, work.chosen, work.normal, work.x)
        for b in range(count):
            normal_rows(key, GRADIENT, step, replica, first + b, 1, work.normal)
            root = spread * np.sqrt(source.share[first + b])
            for v in range(LANES):
                work.factor[b, v] = root * work.normal[0, v]
                total[v] += work.factor[b, v]
        if label > 0.0:
            normal_rows(key, TARGET, step, replica, first * d // 2, count * d, work.normal)
        add_gaussian(net, weights, work, source.share[first : first + count], label, gradient)
    for a in range(net.size):
        for v in range(LANES):
            gradient[a, v] += work.second[a, v] - total[v] * gradient[a, v]


@lane_kernel
def _update(settings, key, step, rate, replica, gradient, normal, weights, velocity):  # type: ignore[no-untyped-def]
    kick = np.sqrt(2.0 * rate * (1.0 - settings.momentum) * settings.temperature)
    if kick > 0.0:
        normal_rows(key, TEMPERATURE, step, replica, 0, weights.shape[0], normal)
    for a in range(weights.shape[0]):
        for v in range(LANES):
            change = -rate * (gradient[a, v] + settings.weight_decay * weights[a, v])
            if kick > 0.0:
                change += kick * normal[a, v]
            if settings.momentum > 0.0:
                change += settings.momentum * velocity[a, v]
                velocity[a, v] = change
            weights[a, v] += change


@lane_kernel
def _watch(step, weights, total, diverged):  # type: ignore[no-untyped-def]
    for v in range(LANES):
        total[v] = 0.0
    for a in range(weights.shape[0]):
        for v in range(LANES):
            total[v] += abs(weights[a, v])
    lost = False
    for v in range(LANES):
        lost |= not (total[v] <= LIMIT)
    if lost:  # pages of zeros that nobody writes to need no memory
        for v in range(LANES):
            if not (total[v] <= LIMIT) and diverged[v] == 0:
                diverged[v] = step


@lane_kernel
def _run(net, settings, source, work, key, step, rates, w, u, lost):  # type: ignore[no-untyped-def]
    """All steps of one block."""
    n = source.samples.shape[1]
    gradient, other, replica, shared = work.gradient, work.other, work.replica, work.shared
    for s in range(rates.size):
        k = step + s
        for batch in range(2 if settings.noise == SVAG else 1):
            stream = SECOND * batch
            target = other if batch == 1 else gradient
            if settings.noise == GAUSSIAN:
                _gaussian_gradient(net, settings, source, key, k, shared, w, work, target)
            else:
                draw_batch(settings, n, key, stream, k, s == 0, shared, work.order, work.chosen)
                if settings.plane:
                    plane_gradient(source.products, work.chosen, settings.batch_size, w, work.moment, target)
                else:
                    _batch_gradient(net, settings, source, key, stream, k, shared, w, work, target)
        if settings.noise == SVAG:
            for a in range(net.size):
                for v in range(LANES):
                    gradient[a, v] = settings.first * gradient[a, v] + settings.second * other[a, v]
        _update(settings, key, k, rates[s], replica, gradient, work.normal, w, u)
        _watch(k + 1, w, work.total, lost)


@njit(cache=True, nogil=True, error_model="numpy")
def advance(net, settings, source, key, first, step, rates, weights, velocity, diverged):  # type: ignore[no-untyped-def]
    """Advance blocks by ``rates.size`` steps from ``step`` on, in place; releases the interpreter lock.

    ``weights`` (blocks, p, LANES); ``velocity`` the same, or one block that stays unused without momentum;
    ``diverged`` (blocks, LANES) holds the step of divergence or 0; ``first`` is the first column's replica.
    """
    work = _work(net, settings, source)
    for b in range(weights.shape[0]):
        batch_replicas(settings, first + b * LANES, work.replica, work.shared)
        w, u, lost = weights[b], velocity[min(b, velocity.shape[0] - 1)], diverged[b]
        _run(net, settings, source, work, key, step, rates, w, u, lost)
