"""What an ensemble of a million needs: its weights once, measured from outside in a process of its own."""

import subprocess
import sys

import pytest

MEBI = 2**20
SCRIPT = """
import sys

from fpsim.datasets import digits
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.ensemble import Statistics, train


def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


replicas, record, momentum = int(sys.argv[1]), {"none": (), "last": "last"}[sys.argv[2]], float(sys.argv[3])
run = Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, momentum=momentum), Start.gaussian(0.3, 0.2))
options = {"steps": [0, 3, 5], "rng": 1, "record": record, "statistics": Statistics(loss=True, bins=50), "threads": 2}
train(run, replicas=5000, **options)  # kernels are compiled or loaded
base = status("VmRSS")
with open("/proc/self/clear_refs", "w") as refs:
    refs.write("5")  # peak from here on
ensemble = train(run, replicas=replicas, **options)
assert ensemble.statistics.count[-1] == replicas and ensemble.state.weights.shape == (replicas, 4)
print(status("VmHWM") - base)
"""
CONSTANT = 12 * MEBI
"""Threads, tiles and what the allocator keeps; the same for any number of replicas."""


def peak(replicas, record="none", momentum=0.0):
    command = [sys.executable, "-c", SCRIPT, str(replicas), record, str(momentum)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "clear_refs" in done.stderr:
        pytest.skip("this system does not let a process reset its peak of memory")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process from /proc")
def test_a_million_replicas_need_their_weights_and_no_more():
    """d = 2, k = 1: 32 bytes a replica, with statistics, losses and histograms at three steps."""
    weights = 1_000_000 * 4 * 8
    assert 0.9 * weights < peak(1_000_000) < weights + CONSTANT


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process from /proc")
@pytest.mark.parametrize(("record", "momentum", "copies"), [("last", 0.0, 2), ("none", 0.5, 2), ("none", 0.0, 1)])
def test_memory_of_records_and_velocities(record, momentum, copies):
    """Recorded weights and velocities come on top, each once; four million replicas, the same constant."""
    weights = 4_000_000 * 4 * 8
    assert 0.9 * copies * weights < peak(4_000_000, record, momentum) < copies * weights + CONSTANT
