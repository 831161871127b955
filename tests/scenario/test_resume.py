"""A killed run leaves a file that opens; resumed, it ends in the same bits as an uninterrupted one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fpsim.scenario import load_scenario, resume, run_to_file
from fpsim.storage import load

SMALL = {
    "ensemble.replicas": 400,
    "theory.cells": 24,
    "theory.tolerance": 0.05,
    "time.records": 4,
    "time.end": 1.0,
    "comparison.theory_samples": 400,
    "comparison.probes": 1,
}


def assert_same(one, other):
    assert set(one.groups) == set(other.groups)
    assert all(one.attrs[key] == other.attrs[key] for key in ("config", "seed", "complete"))
    for path in set(one.groups) - {"/"}:
        a, b = one[path].to_dataset(), other[path].to_dataset()
        assert a.identical(b), path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.h5"
    run_to_file(load_scenario("digits-bottleneck", changes=SMALL), path, quiet=True)
    return load(path)


def start(path):
    changes = [f"--set={key}={value}" for key, value in SMALL.items()]
    command = [sys.executable, "-m", "fpsim", "run", "digits-bottleneck", "--out", str(path), "--quiet", *changes]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_and_resume(path, seconds, whole):
    process = start(path)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not path.exists():
        return 0  # killed before the first snapshot: nothing was lost
    stages = len(load(path).groups)
    resume(path, quiet=True)
    finished = load(path)
    assert finished.attrs["complete"] == 1
    assert_same(finished, whole)
    return stages


@pytest.mark.parametrize("trial", range(2))
def test_killed_run_resumes_to_the_same_bits(trial, tmp_path, whole):
    seconds = np.random.default_rng(trial).uniform(4.0, 9.0)
    kill_and_resume(tmp_path / "run.h5", seconds, whole)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path, whole):
    begun = time.perf_counter()
    probe = start(tmp_path / "probe.h5")
    probe.wait()
    length = time.perf_counter() - begun
    rng = np.random.default_rng(7)
    seen = set()
    for trial in range(200):
        seen.add(kill_and_resume(tmp_path / f"run{trial}.h5", rng.uniform(0.0, length), whole))
    assert len(seen) > 3  # the kills fell into different stages


def test_a_complete_run_resumes_to_itself(tmp_path, whole):
    path = tmp_path / "run.h5"
    run_to_file(load_scenario("digits-bottleneck", changes=SMALL), path, quiet=True)
    resume(path, quiet=True)
    assert_same(load(path), whole)


def test_stopped_between_any_two_stages_resumes_to_the_same_bits(tmp_path, whole, monkeypatch):
    from fpsim.scenario import running

    class Killed(BaseException):
        pass

    stages = len(whole.groups)
    for stop_after in range(1, 6):
        path = tmp_path / f"{stop_after}.h5"
        count = 0
        original = running.save

        def counted(tree, target, original=original, stop_after=stop_after):
            nonlocal count
            original(tree, target)
            count += 1
            if count == stop_after:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(running, "save", counted)
            with pytest.raises(Killed):
                run_to_file(load_scenario("digits-bottleneck", changes=SMALL), path, quiet=True)
        part = load(path)
        assert part.attrs["complete"] == 0
        assert len(part.groups) < stages
        resume(path, quiet=True)
        assert_same(load(path), whole)
