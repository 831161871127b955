"""Gradients of mini-batches: sums over samples by layers (any network) or by moments (a linear bottleneck).

A linear bottleneck sees a batch through ``M = mean x x^T`` and ``E = mean e x^T`` (label noise ``e``) only:
with ``G = (W2 W1 - 1) M - E`` the gradients are ``W2^T G`` and ``G W1^T``. Both ways also give the Gaussian
gradient with the same mean and covariance, exactly: Gaussian ``M`` and ``E`` in the linear case, and
otherwise a Gaussian combination ``sum_n sqrt(p_n) normal_n (g_n - g)`` of the gradients of all samples, with
``p_n = 1 / N`` or the weights of a quadrature over the population, which costs a pass over all of them.

Kernels here draw no numbers: ``work.x`` (count, d, LANES) and ``work.normal`` (count * d, LANES) hold inputs and label
noise; see `fpsim.ensemble.steps.Work`.
"""

from __future__ import annotations

import numpy as np

from fpsim.network.layers import LANES, backward_pass, forward_pass
from fpsim.support.compilation import lane_kernel

__all__ = ["add_gaussian", "add_gradients", "add_moments", "gaussian_moments", "linear_gradient"]


@lane_kernel
def add_gradients(net, weights, work, count, label, gradient):  # type: ignore[no-untyped-def]
    """Add the gradients of ``count`` samples with label noise ``label * normal``."""
    d, outputs = net.widths[0], net.units[-2]
    x, noise, units, slopes, delta = work.x, work.normal, work.units, work.slopes, work.delta
    for b in range(count):
        for i in range(d):
            for v in range(LANES):
                units[i, v] = x[b, i, v]
        forward_pass(net, weights, units, slopes)
        for i in range(d):
            for v in range(LANES):
                delta[outputs + i, v] = units[outputs + i, v] - units[i, v]
            if label > 0.0:
                for v in range(LANES):
                    delta[outputs + i, v] -= label * noise[b * d + i, v]
        backward_pass(net, weights, units, slopes, delta, gradient)


@lane_kernel
def add_gaussian(net, weights, work, share, label, gradient):  # type: ignore[no-untyped-def]
    """Add gradients of samples times their ``share``, and to ``second`` those times ``factor``, less label noise."""
    d, outputs = net.widths[0], net.units[-2]
    x, noise, factor, kick = work.x, work.normal, work.factor, work.second
    units, slopes, delta = work.units, work.slopes, work.delta
    for b in range(share.size):
        root = np.sqrt(share[b])
        for i in range(d):
            for v in range(LANES):
                units[i, v] = x[b, i, v]
        forward_pass(net, weights, units, slopes)
        for i in range(d):
            for v in range(LANES):
                delta[outputs + i, v] = share[b] * (units[outputs + i, v] - units[i, v])
        backward_pass(net, weights, units, slopes, delta, gradient)
        for i in range(d):
            for v in range(LANES):
                delta[outputs + i, v] = factor[b, v] * (units[outputs + i, v] - units[i, v])
            if label > 0.0:
                for v in range(LANES):
                    delta[outputs + i, v] -= root * label * noise[b * d + i, v]
        backward_pass(net, weights, units, slopes, delta, kick)


@lane_kernel
def add_moments(work, count, label):  # type: ignore[no-untyped-def]
    """Add ``x x^T`` (upper triangle) to ``moment`` and ``label * normal x^T`` to ``cross``."""
    x, noise, moment, cross = work.x, work.normal, work.moment, work.cross
    d = x.shape[1]
    for b in range(count):
        row = 0
        for i in range(d):
            for j in range(i, d):
                for v in range(LANES):
                    moment[row, v] += x[b, i, v] * x[b, j, v]
                row += 1
        if label > 0.0:
            for i in range(d):
                for j in range(d):
                    for v in range(LANES):
                        cross[i * d + j, v] += label * noise[b * d + i, v] * x[b, j, v]


@lane_kernel
def gaussian_moments(source, work, spread, label):  # type: ignore[no-untyped-def]
    """Fill ``moment``, ``cross`` with Gaussian ``M``, ``E`` (``spread = sqrt(c_B)``, ``label`` by sqrt B)."""
    normal, noise, moment, cross = work.factor, work.normal, work.moment, work.cross
    d, pairs = source.root.shape[0], moment.shape[0]
    for a in range(pairs):
        for v in range(LANES):
            moment[a, v] = source.moment[a]
        for b in range(pairs):
            for v in range(LANES):
                moment[a, v] += spread * source.moment_root[a, b] * normal[b, v]
    for i in range(d):
        for j in range(d):
            for v in range(LANES):
                cross[i * d + j, v] = 0.0
            for m in range(d if label > 0.0 else 0):
                for v in range(LANES):
                    cross[i * d + j, v] += label * source.root[j, m] * noise[i * d + m, v]


@lane_kernel
def linear_gradient(net, weights, work, scale, gradient):  # type: ignore[no-untyped-def]
    """Gradient of a linear bottleneck from ``M = scale * moment`` and ``E = scale * cross``."""
    moment, cross, error, product = work.moment, work.cross, work.error, work.product
    d, k = net.widths[0], net.widths[1]
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
                product[i * d + j, v] = -cross[i * d + j, v]
            for m in range(d):
                low, high = min(m, j), max(m, j)
                row = low * d - low * (low - 1) // 2 + high - low
                for v in range(LANES):
                    product[i * d + j, v] += error[i * d + m, v] * moment[row, v]
            for v in range(LANES):
                product[i * d + j, v] *= scale
    for a in range(net.size):
        for v in range(LANES):
            gradient[a, v] = 0.0
    for m in range(k):
        for i in range(d):
            for j in range(d):
                if net.trained[0]:
                    for v in range(LANES):
                        gradient[o1 + m * d + j, v] += w2[o2 + i * k + m, v] * product[i * d + j, v]
                if net.trained[1]:
                    for v in range(LANES):
                        gradient[o2 + i * k + m, v] += product[i * d + j, v] * w1[o1 + m * d + j, v]
