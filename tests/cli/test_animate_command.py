"""Moving pictures: as many frames as times, the same colours for theory and experiment, a clear line otherwise."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from test_compare_command import made, normal

import fpsim
from fpsim.cli import main
from fpsim.runs.animation import animate
from fpsim.support.errors import FileError


def frames(path):
    with Image.open(path) as picture:
        for index in range(picture.n_frames):
            picture.seek(index)
            yield np.asarray(picture.convert("RGB")).astype(int)


def test_a_gif_has_a_frame_for_every_time(quick_run, tmp_path, capsys):
    target = tmp_path / "ring.gif"
    assert main(["animate", str(quick_run.file), "--variable", "density_W2", "--out", str(target), "--rate", "4"]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    found = list(frames(target))
    assert len(found) == 11
    assert all(np.abs(a - b).max() > 50 for a, b in pairwise(found))  # it moves
    with Image.open(target) as picture:
        assert picture.info["duration"] == 250
    assert [p.name for p in tmp_path.iterdir()] == ["ring.gif"]


def test_equal_densities_are_drawn_equal(tmp_path):
    """Side by side, theory and experiment in the same colours: the two halves of the picture are the same."""
    from fpsim.density import Grid, gaussian

    density = gaussian(Grid.box((-1, 1, 40), (-1, 1, 40), names=("x", "y")), 0.2, 0.05)
    run = made({"a/ensemble": density, "a/theory": density})
    run.tree.attrs.update(title="two", kind="problem")
    (first, _) = frames(animate(run, tmp_path / "two.gif"))
    bright = (first[..., 1] > 200) & (first[..., 2] < 120)  # the yellow of the peak: both panels, then the bar
    columns = np.flatnonzero(bright.any(axis=0))
    left, right, _ = np.split(columns, np.flatnonzero(np.diff(columns) > 20)[:2] + 1)
    assert left.size == right.size > 20
    one, other = (first[:, part][bright[:, part]] for part in (left, right))  # pixels, up to their rounding to a grid
    assert len(one) == pytest.approx(len(other), rel=0.02)
    assert np.abs(one.mean(axis=0) - other.mean(axis=0)).max() < 1.0


def test_one_coordinate_is_drawn_as_curves(tmp_path):
    run = made({"a/ensemble": normal(0.0), "a/theory": normal(0.5)})
    run.tree.attrs.update(title="curves", kind="problem")
    assert len(list(frames(animate(run, tmp_path / "curves.gif")))) == 2


def test_what_cannot_be_animated(quick_run, tmp_path, capsys, monkeypatch):
    file = str(quick_run.file)
    for arguments, expected in {
        ("--variable", "density_W3"): "accepted are density_W1, density_W2",
        ("--out", str(tmp_path / "x.avi")): ".gif or .mp4",
        ("--out", str(tmp_path / "absent" / "x.gif")): "cannot write",
        ("--rate", "0"): "greater than or equal to 1",
    }.items():
        assert main(["animate", file, *arguments]) == 2
        assert expected in capsys.readouterr().err
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(FileError, match="needs ffmpeg"):
        animate(fpsim.load(file), tmp_path / "x.mp4")


def test_a_kind_without_densities_says_so(tmp_path, capsys):
    run = made({"a/theory": normal(0.0)})
    run.tree["a/theory"] = run.tree["a/theory"].isel(time=[0])
    run.tree.attrs.update(kind="ranking")
    from fpsim.support.errors import DomainError

    with pytest.raises(DomainError, match="kind ranking keeps no densities through time"):
        animate(run, tmp_path / "x.gif")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_an_mp4_has_a_frame_for_every_time(tmp_path):
    run = made({"a/ensemble": normal(0.0), "a/theory": normal(0.5)})
    run.tree.attrs.update(title="curves", kind="problem")
    target = animate(run, tmp_path / "curves.mp4")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    assert int(subprocess.run([*command, str(target)], capture_output=True, text=True, check=True).stdout) == 2
