"""Independent ways to gradients and their covariance: complex steps and plain enumeration."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np

PHI = {"linear": lambda z: z, "tanh": np.tanh, "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z))}


def complex_step_gradients(w, x, y, d, k, activation):
    """Gradient (N, n) of every sample's loss at flat weights ``w`` by complex steps."""
    out = np.empty((len(x), w.size))
    for i in range(w.size):
        z = w.astype(complex)
        z[i] += 1e-40j
        w1, w2 = z[: k * d].reshape(k, d), z[k * d :].reshape(d, k)
        residual = PHI[activation](x @ w1.T) @ w2.T - y
        out[:, i] = (0.5 * (residual * residual).sum(axis=1)).imag / 1e-40
    return out


def enumerated(gradients, batch_size, *, replacement):
    """Mean and covariance of the mini-batch gradient over all batches, one by one."""
    n = len(gradients)
    batches = product(range(n), repeat=batch_size) if replacement else combinations(range(n), batch_size)
    means = np.array([gradients[list(batch)].mean(axis=0) for batch in batches])
    centred = means - means.mean(axis=0)
    return means.mean(axis=0), centred.T @ centred / len(means)


def normal_pair(u0, v0, std):
    """Density of two independent normal weights."""
    return lambda u, v: np.exp(-0.5 * ((u - u0) ** 2 + (v - v0) ** 2) / std**2) / (2 * np.pi * std**2)
