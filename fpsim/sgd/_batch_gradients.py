"""Gradient of one mini-batch for a block of replicas: by layers (any network) or by moments (linear).

A linear bottleneck sees a batch through ``M = mean x x^T`` and ``E = mean e x^T`` (label noise ``e``) only:
with ``G = (W2 W1 - 1) M - E`` the gradients are ``W2^T G`` and ``G W1^T``. Both ways also give the Gaussian
gradient with the same mean and covariance, exactly: Gaussian ``M`` and ``E`` in the linear case, and
otherwise a Gaussian combination ``sum_n (g_n - g) normal_n / sqrt(N)`` of all per-sample gradients, which
costs a pass over the training set.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fpsim.network._kernel import lane_kernel
from fpsim.network._layers import LANES, backward, forward
from fpsim.sgd._batches import inputs, normal_rows
from fpsim.sgd._philox import GRADIENT, TARGET
from fpsim.sgd._rule import GAUSSIAN

__all__ = ["batch_gradient", "scratch"]


@njit(error_model="numpy")
def scratch(net):  # type: ignore[no-untyped-def]
    """Work arrays of one worker: units, slopes, delta, extra gradient, normal, moments."""
    d = net.widths[0]
    total = net.units[-1]
    pairs = d * (d + 1) // 2
    return (
        np.empty((total, LANES)),
        np.empty((total, LANES)),
        np.empty((total, LANES)),
        np.empty((net.size, LANES)),
        np.empty((max(d, pairs) + 1, LANES)),
        np.empty((pairs + 3 * d * d, LANES)),
    )


@lane_kernel
def _by_layers(net, rule, source, key, stream, step, replica, index, weights, work, gradient):  # type: ignore[no-untyped-def]
    units, slopes, delta, _, normal, _ = work
    d, outputs = net.widths[0], net.units[-2]
    gradient[:] = 0.0
    for b in range(rule.batch_size):
        inputs(source, key, stream, step, replica, b, index, normal, units)
        forward(net, weights, units, slopes)
        for i in range(d):
            for v in range(LANES):
                delta[outputs + i, v] = units[outputs + i, v] - units[i, v]
        if rule.label_noise > 0.0:
            normal_rows(key, stream | TARGET, step, replica, b * ((d + 1) // 2), d, normal)
            for i in range(d):
                for v in range(LANES):
                    delta[outputs + i, v] -= rule.label_noise * normal[i, v]
        backward(net, weights, units, slopes, delta, gradient)
    for a in range(net.size):
        for v in range(LANES):
            gradient[a, v] /= rule.batch_size


@lane_kernel
def _gaussian_by_layers(net, rule, source, key, step, replica, weights, work, gradient):  # type: ignore[no-untyped-def]
    units, slopes, delta, noise, normal, total = work
    d, outputs, samples = net.widths[0], net.units[-2], source.samples
    n = samples.shape[1]
    scale = np.sqrt(rule.batch_factor * n)
    label = rule.label_noise * np.sqrt(n / rule.batch_size)
    gradient[:], noise[:], total[0] = 0.0, 0.0, 0.0
    for b in range(n):
        for i in range(d):
            for v in range(LANES):
                units[i, v] = samples[i, b]
        forward(net, weights, units, slopes)
        for i in range(d):
            for v in range(LANES):
                delta[outputs + i, v] = units[outputs + i, v] - units[i, v]
        backward(net, weights, units, slopes, delta, gradient)
        normal_rows(key, GRADIENT, step, replica, b, 1, normal)
        for v in range(LANES):
            total[0, v] += normal[0, v]
        for i in range(d):
            for v in range(LANES):
                delta[outputs + i, v] = scale * normal[0, v] * (units[outputs + i, v] - units[i, v])
        if rule.label_noise > 0.0:
            normal_rows(key, TARGET, step, replica, b * ((d + 1) // 2), d, normal)
            for i in range(d):
                for v in range(LANES):
                    delta[outputs + i, v] -= label * normal[i, v]
        backward(net, weights, units, slopes, delta, noise)
    for a in range(net.size):
        for v in range(LANES):
            mean = gradient[a, v] / n
            gradient[a, v] = mean + (noise[a, v] - scale * total[0, v] * mean) / n


@lane_kernel
def _gaussian_moments(rule, source, key, step, replica, normal, moment, cross):  # type: ignore[no-untyped-def]
    pairs, d = moment.shape[0], source.root.shape[0]
    normal_rows(key, GRADIENT, step, replica, 0, pairs, normal)
    for a in range(pairs):
        for v in range(LANES):
            moment[a, v] = source.moment[a]
        for b in range(pairs):
            factor = np.sqrt(rule.batch_factor) * source.moment_root[a, b]
            for v in range(LANES):
                moment[a, v] += factor * normal[b, v]
    if rule.label_noise > 0.0:
        factor = rule.label_noise / np.sqrt(rule.batch_size)
        for i in range(d):
            normal_rows(key, TARGET, step, replica, i * ((d + 1) // 2), d, normal)
            for j in range(d):
                for v in range(LANES):
                    cross[i * d + j, v] = factor * source.root[j, 0] * normal[0, v]
                for m in range(1, d):
                    for v in range(LANES):
                        cross[i * d + j, v] += factor * source.root[j, m] * normal[m, v]


@lane_kernel
def _batch_moments(rule, source, key, stream, step, replica, index, x, normal, moment, cross):  # type: ignore[no-untyped-def]
    d = source.root.shape[0]
    moment[:], cross[:] = 0.0, 0.0
    for b in range(rule.batch_size):
        inputs(source, key, stream, step, replica, b, index, normal, x)
        a = 0
        for i in range(d):
            for j in range(i, d):
                for v in range(LANES):
                    moment[a, v] += x[i, v] * x[j, v]
                a += 1
        if rule.label_noise > 0.0:
            normal_rows(key, stream | TARGET, step, replica, b * ((d + 1) // 2), d, normal)
            for i in range(d):
                for j in range(d):
                    for v in range(LANES):
                        cross[i * d + j, v] += normal[i, v] * x[j, v]
    for a in range(moment.shape[0]):
        for v in range(LANES):
            moment[a, v] /= rule.batch_size
    for a in range(cross.shape[0]):
        for v in range(LANES):
            cross[a, v] *= rule.label_noise / rule.batch_size


@lane_kernel
def _by_moments(net, rule, source, key, stream, step, replica, index, weights, work, gradient):  # type: ignore[no-untyped-def]
    units, _, _, _, normal, moments = work
    d, k = net.widths[0], net.widths[1]
    pairs = d * (d + 1) // 2
    moment, cross = moments[:pairs], moments[pairs : pairs + d * d]
    error, product = moments[pairs + d * d : pairs + 2 * d * d], moments[pairs + 2 * d * d :]
    if rule.noise == GAUSSIAN:
        _gaussian_moments(rule, source, key, step, replica, normal, moment, cross)
    else:
        _batch_moments(rule, source, key, stream, step, replica, index, units, normal, moment, cross)
    w1 = weights if net.trained[0] else net.fixed
    w2 = weights if net.trained[1] else net.fixed
    o1, o2 = net.offsets[0], net.offsets[1]
    for i in range(d):
        for j in range(d):
            for v in range(LANES):
                error[i * d + j, v] = -1.0 if i == j else 0.0
            for m in range(k):
                for v in range(LANES):
                    error[i * d + j, v] += w2[o2 + i * k + m, v] * w1[o1 + m * d + j, v]
    for i in range(d):
        for j in range(d):
            for v in range(LANES):
                product[i * d + j, v] = -cross[i * d + j, v] if rule.label_noise > 0.0 else 0.0
            for m in range(d):
                low, high = min(m, j), max(m, j)
                a = low * d - low * (low - 1) // 2 + high - low
                for v in range(LANES):
                    product[i * d + j, v] += error[i * d + m, v] * moment[a, v]
    gradient[:] = 0.0
    for m in range(k):
        for i in range(d):
            for j in range(d):
                for v in range(LANES):
                    if net.trained[0]:
                        gradient[o1 + m * d + j, v] += w2[o2 + i * k + m, v] * product[i * d + j, v]
                    if net.trained[1]:
                        gradient[o2 + i * k + m, v] += product[i * d + j, v] * w1[o1 + m * d + j, v]


@lane_kernel
def batch_gradient(net, rule, source, key, stream, step, replica, index, weights, work, gradient):  # type: ignore[no-untyped-def]
    """Gradient ``ghat`` (p, LANES) of one batch.

    ``replica`` names the columns' batches; ``stream`` is 0, or 8 for SVAG's second batch.
    """
    if rule.by_moments:
        _by_moments(net, rule, source, key, stream, step, replica, index, weights, work, gradient)
    elif rule.noise == GAUSSIAN:
        _gaussian_by_layers(net, rule, source, key, step, replica, weights, work, gradient)
    else:
        _by_layers(net, rule, source, key, stream, step, replica, index, weights, work, gradient)
