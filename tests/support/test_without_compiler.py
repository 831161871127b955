"""Kernels run as plain Python (NUMBA_DISABLE_JIT=1), for debugging, and give the same bits."""

import os
import subprocess
import sys

SCRIPT = """
from fpsim.datasets import digits
from fpsim.diagnostics.random_environment.random_walk import simulate_walks
from fpsim.diagnostics.surface_growth.surface import simulate_surface
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder

for network, sgd in (
    (BottleneckAutoEncoder(2, 1), SGD(0.05, 2, temperature=0.1)),
    (BottleneckAutoEncoder(2, 1, "tanh"), SGD(0.05, 2, label_noise=0.1)),
):
    run = Experiment(digits(2), network, sgd, Start.gaussian(0.3, 0.1))
    print(train(run, replicas=2, steps=[2], rng=1, threads=1).weights["W1"].tobytes().hex())
print(simulate_surface(4, [0.2], replicas=2, lam=1.0, rng=1).heights.tobytes().hex())
print(simulate_walks(4, environments=2, rng=1).tobytes().hex())
"""


def output(**environment):
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_same_bits_without_the_compiler():
    assert output(NUMBA_DISABLE_JIT="1") == output()
