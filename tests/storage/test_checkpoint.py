"""Checkpoints: what was kept comes back, the older generation when the newer is damaged, nothing that is not ours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fpsim.storage import Checkpoint
from fpsim.support.errors import FileError


def arrays(value):
    return {"w": np.full((3, 2), float(value)), "step": np.asarray(7), "empty": np.empty((0, 4))}


def beside(folder):
    return sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns)


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "run.h5", config="a")


def test_what_was_kept_comes_back_with_shape_and_type(checkpoint):
    assert checkpoint.load("train") is None
    checkpoint.save("train", arrays(1))
    back = checkpoint.load("train")
    for name, array in arrays(1).items():
        assert np.array_equal(back[name], array)
        assert (back[name].shape, back[name].dtype) == (array.shape, array.dtype)


def test_two_generations_and_no_more(checkpoint, tmp_path):
    for value in range(5):
        checkpoint.save("train", arrays(value))
    assert checkpoint.load("train")["w"][0, 0] == 4
    assert len(beside(tmp_path)) == 2


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:50] + b"?" + b[51:]])
def test_older_generation_when_the_newer_is_damaged(checkpoint, tmp_path, damage):
    for value in (1, 2):
        checkpoint.save("train", arrays(value))
    older, newer = beside(tmp_path)
    newer.write_bytes(damage(newer.read_bytes()))
    assert checkpoint.load("train")["w"][0, 0] == 1
    checkpoint.save("train", arrays(3))  # takes the place of the damaged one
    assert checkpoint.load("train")["w"][0, 0] == 3
    older.write_bytes(damage(older.read_bytes()))
    assert checkpoint.load("train")["w"][0, 0] == 3
    for path in beside(tmp_path):
        path.write_bytes(damage(path.read_bytes()))
    assert checkpoint.load("train") is None


def test_stages_and_configurations_do_not_mix(checkpoint, tmp_path):
    checkpoint.save("train", arrays(1))
    checkpoint.save("train-", arrays(2))
    assert checkpoint.load("train")["w"][0, 0] == 1
    assert checkpoint.load("other") is None
    assert Checkpoint(tmp_path / "run.h5", config="b").load("train") is None
    assert Checkpoint(tmp_path / "run2.h5", config="a").load("train") is None


def test_removed_at_the_end(checkpoint, tmp_path):
    (tmp_path / "run.h5").write_text("x")
    other = Checkpoint(tmp_path / "run.h5.h5", config="a")
    other.save("train", arrays(1))
    checkpoint.save("train", arrays(1))
    checkpoint.remove()
    assert other.load("train") is not None
    assert checkpoint.load("train") is None


def test_due_after_its_interval(tmp_path):
    assert Checkpoint(tmp_path / "run.h5", config="a", every=0.0).due()
    assert not Checkpoint(tmp_path / "run.h5", config="a", every=1e9).due()


FULL = """
import resource, sys
import numpy as np
from pathlib import Path
from fpsim.support.errors import FileError
from fpsim.storage import Checkpoint
checkpoint = Checkpoint(Path(sys.argv[1]), config="a")
checkpoint.save("train", {"w": np.ones(10)})
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
try:
    checkpoint.save("train", {"w": np.ones(10_000)})
except FileError as error:
    print(error)
assert checkpoint.load("train")["w"].size == 10
"""


def test_full_disk_keeps_what_was_kept(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "run.h5")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot write a checkpoint (File too large)" in done.stdout
    with pytest.raises(FileError, match="cannot write"):
        Checkpoint(tmp_path / "absent" / "run.h5", config="a").save("train", arrays(1))
