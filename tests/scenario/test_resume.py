"""A killed run leaves a file that opens; resumed, it ends in the same bits as an uninterrupted one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from fpsim.scenario import available, load_scenario, resume_file, run_to_file
from fpsim.scenario.loading import copy_scenario, scenario_from
from fpsim.storage import load_tree

SMALL = """
name = "small"
scenario = "bottleneck"

[data]
source = "iris"

[sgd]
learning_rate = 0.01
temperature = 0.002

[start.offset]
mean = [0.6, 0.2]
std = 0.1

[time]
end = 6.0
records = 3

[ensemble]
replicas = 200
stored = 200

[theory]
laws = ["mean-field"]
cells = 32
tolerance = 0.2

[comparison]
probes = 1
theory_samples = 200
measured = 0
svag = 2
"""

pytestmark = pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")


def small():
    return scenario_from(tomllib.loads(SMALL))


def run_here(path, checkpoint_seconds=0.0, name=None):
    scenario = load_scenario(name, quick=True) if name else small()
    run_to_file(scenario, path, quiet=True, threads=1, checkpoint_seconds=checkpoint_seconds, overwrite=True)


def begin(path, name=None):
    """A process of its own that runs a scenario; a server that has imported the package forks it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fpsim.studies.comparisons"])
    process = context.Process(target=run_here, args=(path, 0.0, name))
    process.start()
    return process


def assert_same(one, other):
    assert set(one.groups) == set(other.groups)
    assert all(one.attrs[key] == other.attrs[key] for key in ("config", "seed", "complete"))
    for path in one.groups:
        a, b = one[path].to_dataset().drop_attrs(deep=False), other[path].to_dataset().drop_attrs(deep=False)
        assert a.identical(b), path
    for path in set(one.groups) - {"/"}:
        assert one[path].attrs == other[path].attrs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run, without any checkpoint."""
    path = tmp_path_factory.mktemp("whole") / "run.h5"
    run_here(path, checkpoint_seconds=np.inf)
    return load_tree(path)


def beside(path):
    return sorted(p.name for p in path.parent.iterdir() if p != path)


def begun(path, name=None):
    """A run whose file is there."""
    process = begin(path, name)
    while process.is_alive() and not path.exists():
        time.sleep(0.002)
    return process


def kill_and_resume(path, process, seconds, whole, code=None):
    """Kill a run after some seconds, resume it, and say how far it had come."""
    process.join(seconds)
    process.kill()
    process.join()
    if not path.exists():
        return "no file yet"
    left = load_tree(path)
    checkpoints = sum(name.endswith(".checkpoint") for name in beside(path))
    stage = "complete" if left.attrs["complete"] else f"{len(left.groups)} groups, {checkpoints} checkpoints"
    resume_file(path, quiet=True, threads=1, code=code)
    assert_same(load_tree(path), whole)
    assert beside(path) == []  # no checkpoint, no lock, no half-written snapshot stays
    return stage


def campaign(folder, whole, kills, seed, name=None, code=None):
    """Kill at random moments between the first snapshot and the end, every tenth run before its first snapshot."""
    process = begun(folder / "probe.h5", name)
    since = time.perf_counter()
    process.join()
    length = time.perf_counter() - since
    rng, seen = np.random.default_rng(seed), Counter()
    for trial in range(kills):
        (folder / str(trial)).mkdir()
        path = folder / str(trial) / "run.h5"
        early = trial % 10 == 9
        moment = rng.uniform(0.0, 0.2 if early else length)
        process = begin(path, name) if early else begun(path, name)
        seen[kill_and_resume(path, process, moment, whole, code)] += 1
    return seen


def test_killed_runs_resume_to_the_same_bits(tmp_path, whole):
    assert sum(campaign(tmp_path, whole, kills=2, seed=1).values()) == 2


@pytest.mark.slow
def test_two_hundred_kills(tmp_path, whole):
    seen = campaign(tmp_path, whole, kills=200, seed=7)
    assert len(seen) > 5, seen  # the kills fell into different stages, some inside training


@pytest.mark.slow
@pytest.mark.parametrize("name", ["momentum", "double-well", "dimensions", "kpz-surface", "one's own"])
def test_kills_over_five_scenarios(name, tmp_path):
    """Forty each, one of them in a file of the user's, which the run names and never brings."""
    path = copy_scenario("shuffled-epochs", tmp_path / "mine.py") if name == "one's own" else name
    run_here(tmp_path / "whole.h5", np.inf, path)
    code = load_scenario(path) if name == "one's own" else None
    seen = campaign(tmp_path, load_tree(tmp_path / "whole.h5"), kills=40, seed=11, name=path, code=code)
    assert sum(seen.values()) == 40
    assert len(seen) > 1, seen


def test_a_complete_run_stays_as_it_is(tmp_path, whole):
    path = tmp_path / "run.h5"
    run_here(path)
    before = path.read_bytes()
    resume_file(path, quiet=True)
    assert path.read_bytes() == before


class Killed(BaseException):
    pass


def stop_at(monkeypatch, target, attribute, count):
    """Make the n-th call of a function the last thing the process does."""
    original, calls = getattr(target, attribute), Counter()

    def counted(*arguments, **options):
        result = original(*arguments, **options)
        calls["made"] += 1
        if calls["made"] == count:
            raise Killed
        return result

    monkeypatch.setattr(target, attribute, counted)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_stopped_after_any_snapshot_resumes_to_the_same_bits(count, tmp_path, whole, monkeypatch):
    from fpsim.scenario import files

    path = tmp_path / "run.h5"
    with monkeypatch.context() as patch:
        stop_at(patch, files, "save_tree", count)
        with pytest.raises(Killed):
            run_here(path, checkpoint_seconds=np.inf)
    assert load_tree(path).attrs["complete"] == 0
    resume_file(path, quiet=True, threads=1)
    assert_same(load_tree(path), whole)


def stopped_in_training(path, monkeypatch, count=4):
    """Stop a run right after its n-th checkpoint; answers the checkpoints that it left."""
    from fpsim.storage import Checkpoint

    with monkeypatch.context() as patch:
        stop_at(patch, Checkpoint, "save", count)
        with pytest.raises(Killed):
            run_here(path)
    return sorted(path.parent.glob(".*.checkpoint"))


def steps_trained(path, monkeypatch):
    """Resume, and count the steps of training that this took."""
    from fpsim.scenario import training

    trained, original = [], training.train

    def counted(*arguments, **options):
        start = 0 if options["state"] is None else options["state"].step
        trained.append(options["steps"][-1] - start)
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", counted)
        resume_file(path, quiet=True, threads=1)
    return sum(trained)


def test_training_goes_on_from_the_newest_intact_checkpoint(tmp_path, whole, monkeypatch):
    """Two generations: with the newer one damaged the older is used, with both damaged training begins again."""
    total = 600
    needed = []
    for damaged in (0, 1, 2):
        folder = tmp_path / str(damaged)
        folder.mkdir()
        path = folder / "run.h5"
        checkpoints = sorted(stopped_in_training(path, monkeypatch), key=lambda p: p.stat().st_mtime_ns)
        assert len(checkpoints) == 2
        for checkpoint in checkpoints[2 - damaged :]:
            content = bytearray(checkpoint.read_bytes())
            content[len(content) // 2] ^= 1
            checkpoint.write_bytes(bytes(content))
        needed.append(steps_trained(path, monkeypatch))
        assert_same(load_tree(path), whole)
    assert 0 < needed[0] < needed[1] < needed[2] == total


def test_a_checkpoint_of_another_configuration_is_not_used(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    stopped_in_training(path, monkeypatch)
    other = small().with_values({"seed": 5})
    run_to_file(other, path, quiet=True, threads=1, overwrite=True)
    run_to_file(other, tmp_path / "fresh.h5", quiet=True, threads=1)
    assert_same(load_tree(path), load_tree(tmp_path / "fresh.h5"))


def test_interrupt_keeps_a_checkpoint_and_resumes(tmp_path, whole, monkeypatch):
    """An interrupt inside the trainer, which answers it with a shorter ensemble, is an interrupt of the run."""
    from fpsim.scenario import training

    original, calls = training.train, Counter()

    def interrupting(*arguments, **options):
        calls["made"] += 1
        if calls["made"] == 3:
            options["progress"] = lambda _share: os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **options)

    path = tmp_path / "run.h5"
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", interrupting)
        with pytest.raises(KeyboardInterrupt):
            run_here(path, checkpoint_seconds=np.inf)
    assert load_tree(path).attrs["complete"] == 0
    assert beside(path)  # a checkpoint
    assert 0 < steps_trained(path, monkeypatch) < 600
    assert_same(load_tree(path), whole)


def test_another_process_reads_while_a_run_writes(tmp_path, whole):
    """Whole snapshots only: the recorded times grow, every one is a prefix of the final ensemble."""
    path = tmp_path / "run.h5"
    process = begin(path)
    seen, opened = [], 0
    while process.is_alive():
        if path.exists():
            tree = load_tree(path)
            with xr.open_datatree(path, engine="h5netcdf") as again:
                assert "config" in again.attrs
            opened += 1
            if "/offset/ensemble" in tree.groups:
                ensemble = tree["offset/ensemble"]
                seen.append(ensemble.sizes["time"])
                first = whole["offset/ensemble"]["weights"].isel(time=slice(0, seen[-1]))
                assert np.array_equal(ensemble["weights"], first)
    process.join()
    assert process.exitcode == 0
    assert opened > 3
    assert seen == sorted(seen)
    assert min(seen) < 4  # it was read while it grew


def test_ctrl_c_is_one_line_and_status_130(tmp_path, whole):
    (tmp_path / "small.toml").write_text(SMALL)
    path = tmp_path / "run.h5"
    command = [sys.executable, "-m", "fpsim", "run", "small.toml", "--out", "run.h5", "--quiet", "--checkpoint", "0"]
    process = subprocess.Popen(
        [*command, "--threads", "1"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while (
        process.poll() is None
        and time.monotonic() < deadline
        and not any(name.endswith(".checkpoint") for name in beside(path))
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert output == ""
    (line,) = errors.strip().splitlines()
    assert line.startswith("fpsim: interrupted; run.h5 keeps")
    assert line.endswith("go on with: fpsim resume run.h5")
    resume_file(path, quiet=True, threads=1)
    assert_same(load_tree(path), whole)


FULL_DISK = """
import os, resource, sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
import test_resume
from fpsim.cli import main
from pathlib import Path
test_resume.run_here(Path("warm.h5"))  # compiled code is cached on the same disk
room = os.path.getsize("warm.h5") // 2 if sys.argv[2] == "half" else int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
raise SystemExit(main(["run", "small.toml", "--out", "run.h5", "--quiet", "--threads", "1", "--checkpoint", "0"]))
"""


@pytest.mark.parametrize("room", ["1000", "half"])
def test_a_full_disk_is_one_line_and_the_run_can_be_resumed(room, tmp_path, whole):
    """In a process that may not write files beyond a size: too small for anything, or for the whole run."""
    (tmp_path / "small.toml").write_text(SMALL)
    path = tmp_path / "run.h5"
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), room]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = [row for row in done.stderr.splitlines() if not row.startswith("warning: ")]
    assert line.startswith("fpsim: ")
    assert line.endswith("(File too large)")
    assert path.exists() == (room == "half")
    if path.exists():
        assert load_tree(path).attrs["complete"] == 0
        resume_file(path, quiet=True, threads=1)
        assert_same(load_tree(path), whole)


def test_a_second_writer_is_refused_while_a_run_writes(tmp_path, whole, capsys):
    from fpsim.cli import main

    (tmp_path / "small.toml").write_text(SMALL)
    path = tmp_path / "run.h5"
    process = begun(path)
    for command in (["resume", str(path)], ["run", str(tmp_path / "small.toml"), "--out", str(path), "--force"]):
        assert main(command) == 2
        assert "another run is writing this file" in capsys.readouterr().err
    process.join()
    assert process.exitcode == 0
    assert_same(load_tree(path), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", available())
def test_every_scenario_resumes_to_the_same_bits(name, tmp_path, monkeypatch):
    """Stopped after the middle one of its snapshots, at quick size; with another number of threads."""
    from fpsim.scenario import files

    scenario, saves, original = load_scenario(name, quick=True), Counter(), files.save_tree

    def counted(*arguments, **options):
        saves["made"] += 1
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(files, "save_tree", counted)
        run_to_file(scenario, tmp_path / "whole.h5", quiet=True, threads=1)
    assert saves["made"] >= 3
    with monkeypatch.context() as patch:
        stop_at(patch, files, "save_tree", (saves["made"] + 1) // 2)
        with pytest.raises(Killed):
            run_to_file(scenario, tmp_path / "run.h5", quiet=True, threads=2)
    resume_file(tmp_path / "run.h5", quiet=True, threads=2)
    assert_same(load_tree(tmp_path / "run.h5"), load_tree(tmp_path / "whole.h5"))
