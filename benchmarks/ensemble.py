"""Sample gradients per second of the ensemble trainer and of the usual tools, in one run on one machine.

Every contender trains the same experiment: the linear auto-encoder d = 2, k = 1 on the digits, iid mini-batches
of 8, 100,000 replicas, float64. Contenders take turns, and the best of several turns counts, so that a busy machine
hurts all alike; compilation is reported apart. JAX and PyTorch are used if installed.

Measured on two processors of a shared Intel Xeon (model 167, 2.6 GHz), otherwise idle, with NumPy 2.4.6, numba
0.68.1, JAX 0.10.2, PyTorch 2.13.0, best of 3 turns, sample gradients per second:

    fpsim, linear      9.1e8    (compiling it the first time takes some 13 s, kept on disk)
    fpsim, tanh        2.4e8
    plain numba loop   8.5e8    fpsim is 1.1 times as fast
    vectorised NumPy   1.7e7             54
    jitted JAX         4.5e7             20
    PyTorch            4.1e7             22

With other jobs on the machine (load 4) all are slower and the ratios to the numba loop lie between 1.2 and 1.5. Cost
per sample gradient between 0.95 and 1.24 ns from 10,000 to 1,000,000 replicas, from 8 to 800 steps and from 8 to 128
samples.

Run: ``python benchmarks/ensemble.py [--replicas N] [--steps K] [--turns T]``.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable

import numpy as np
from numba import njit, prange

from fpsim.datasets import digits
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder

RATE, BATCH = 0.05, 8
X = np.array(digits(2).x)
Contender = Callable[[int, int], None]


def fpsim(activation: str) -> Contender:
    experiment = Experiment(
        digits(2), BottleneckAutoEncoder(2, 1, activation), SGD(RATE, BATCH), Start.gaussian(0.4, 0.1)
    )

    def run(replicas: int, steps: int) -> None:
        train(experiment, replicas=replicas, steps=[steps], rng=1)

    return run


@njit(cache=True, parallel=True, fastmath=True)
def _plain(x, a0, a1, b0, b1, steps):
    """What one writes first: a parallel loop over replicas, xorshift64* for the indices."""
    n = np.uint64(x.shape[0])
    for r in prange(a0.size):
        state = np.uint64(88172645463325252) + np.uint64(r) * np.uint64(0x9E3779B97F4A7C15)
        p0, p1, q0, q1 = a0[r], a1[r], b0[r], b1[r]
        for _ in range(steps):
            g0 = g1 = h0 = h1 = 0.0
            for _ in range(BATCH):
                state ^= state >> np.uint64(12)
                state ^= state << np.uint64(25)
                state ^= state >> np.uint64(27)
                word = (state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(32)
                i = (word * n) >> np.uint64(32)
                x0, x1 = x[i, 0], x[i, 1]
                z = p0 * x0 + p1 * x1
                e0, e1 = q0 * z - x0, q1 * z - x1
                h0 += e0 * z
                h1 += e1 * z
                s = q0 * e0 + q1 * e1
                g0 += s * x0
                g1 += s * x1
            p0 -= RATE / BATCH * g0
            p1 -= RATE / BATCH * g1
            q0 -= RATE / BATCH * h0
            q1 -= RATE / BATCH * h1
        a0[r], a1[r], b0[r], b1[r] = p0, p1, q0, q1


def plain_numba(replicas: int, steps: int) -> None:
    rng = np.random.default_rng(1)
    _plain(X, *(rng.normal(0.4, 0.1, (4, replicas))), steps)


def vectorised_numpy(replicas: int, steps: int) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.4, 0.1, (2, replicas, 2))
    for _ in range(steps):
        x = X[rng.integers(len(X), size=(replicas, BATCH))]
        z = np.einsum("ri,rbi->rb", a, x)
        e = z[:, :, None] * b[:, None, :] - x
        ga = np.einsum("rb,rbi->ri", np.einsum("ri,rbi->rb", b, e), x)
        b = b - RATE / BATCH * np.einsum("rb,rbi->ri", z, e)
        a = a - RATE / BATCH * ga


def jitted_jax() -> Contender:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    data = jnp.asarray(X)

    def step(_, carry):
        key, a, b = carry
        key, sub = jax.random.split(key)
        x = data[jax.random.randint(sub, (a.shape[0], BATCH), 0, len(X))]
        z = jnp.einsum("ri,rbi->rb", a, x)
        e = z[:, :, None] * b[:, None, :] - x
        ga = jnp.einsum("rb,rbi->ri", jnp.einsum("ri,rbi->rb", b, e), x)
        gb = jnp.einsum("rb,rbi->ri", z, e)
        return key, a - RATE / BATCH * ga, b - RATE / BATCH * gb

    @jax.jit
    def loop(key, a, b, steps):
        return jax.lax.fori_loop(0, steps, step, (key, a, b))

    def run(replicas: int, steps: int) -> None:
        rng = np.random.default_rng(1)
        a, b = rng.normal(0.4, 0.1, (2, replicas, 2))
        jax.block_until_ready(loop(jax.random.key(1), jnp.asarray(a), jnp.asarray(b), steps))

    return run


def pytorch() -> Contender:
    import torch

    data = torch.from_numpy(X)

    def run(replicas: int, steps: int) -> None:
        generator = torch.Generator().manual_seed(1)
        a, b = torch.from_numpy(np.random.default_rng(1).normal(0.4, 0.1, (2, replicas, 2)))
        with torch.no_grad():
            for _ in range(steps):
                index = torch.randint(len(X), (replicas * BATCH,), generator=generator)
                x = data[index].view(replicas, BATCH, 2)
                z = torch.bmm(x, a[:, :, None])[:, :, 0]
                e = z[:, :, None] * b[:, None, :] - x
                s = torch.bmm(e, b[:, :, None])
                ga = torch.bmm(x.transpose(1, 2), s)[:, :, 0]
                gb = torch.bmm(e.transpose(1, 2), z[:, :, None])[:, :, 0]
                a, b = a - RATE / BATCH * ga, b - RATE / BATCH * gb

    return run


def contenders() -> dict[str, Contender]:
    found = {
        "fpsim, linear": fpsim("linear"),
        "fpsim, tanh": fpsim("tanh"),
        "plain numba loop": plain_numba,
        "vectorised NumPy": vectorised_numpy,
    }
    for name, make in (("jitted JAX", jitted_jax), ("PyTorch", pytorch)):
        try:
            found[name] = make()
        except ImportError:
            print(f"{name}: not installed")
    return found


def seconds(run: Contender, replicas: int, steps: int) -> float:
    start = time.perf_counter()
    run(replicas, steps)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    replicas = options.replicas
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, NumPy {np.__version__}")
    entries = contenders()
    first = {name: seconds(run, replicas, 1) for name, run in entries.items()}
    best = dict.fromkeys(entries, float("inf"))
    for _ in range(options.turns):
        for name, run in entries.items():
            steps = options.steps if "fpsim" not in name and "numba" not in name else 10 * options.steps
            best[name] = min(best[name], seconds(run, replicas, steps) / steps)
    print(f"d = 2, k = 1, B = {BATCH}, {replicas} replicas, float64; best of {options.turns} turns")
    print(f"{'':20s} {'gradients/s':>12s} {'fpsim/this':>11s} {'first call s':>13s}")
    for name, one in best.items():
        ratio = one / best["fpsim, linear"]
        print(f"{name:20s} {replicas * BATCH / one:12.2e} {ratio:11.1f} {first[name]:13.2f}")
    scaling()


def scaling() -> None:
    """Time per sample gradient when replicas, steps or batch grow: constant if cost is linear."""
    print("ns per sample gradient of fpsim, linear:")
    for replicas, steps, batch in (
        (10_000, 400, 8),
        (100_000, 40, 8),
        (1_000_000, 4, 8),
        (10_000, 100, 32),
        (10_000, 25, 128),
    ):
        experiment = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(RATE, batch), Start.gaussian(0.4, 0.1))

        def run(r: int, k: int, experiment: Experiment = experiment) -> None:
            train(experiment, replicas=r, steps=[k], rng=1)

        # start and result cost as much as some steps: the difference of two lengths is the cost of steps
        short, long = (min(seconds(run, replicas, k) for _ in range(3)) for k in (steps, 3 * steps))
        each = (long - short) / (replicas * 2 * steps * batch)
        print(f"  replicas {replicas:8d}  steps {2 * steps:4d}  batch {batch:4d}: {1e9 * each:6.2f}")


if __name__ == "__main__":
    main()
