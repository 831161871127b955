"""Files of version 0.1: read, or refused in words that name the version that wrote them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import fpsim
from fpsim.cli import main
from fpsim.scenario.running import figures_of
from fpsim.storage import load_tree
from fpsim.support.errors import FileError

CONFIG = """
name = "double-well"
kind = "{kind}"
title = "Double well"
[problem]
system = "double-well"
diffusion = 0.1
[time]
end = 1.0
records = 1
"""


def write(path, kind="problem"):
    """A run as version 0.1 laid it out: attributes of the root, dimension scales with their boxes, one density."""
    x = (np.arange(16) + 0.5) / 4 - 2
    density = np.exp(-(x[:, None] ** 2) - x**2)
    density /= density.sum() / 16
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {
                "title": "Double well",
                "scenario": "double-well",
                "kind": kind,
                "complete": np.array([1]),
                "fpsim_schema": np.array([1]),
                "fpsim_version": "0.1.0",
                "libraries": "python 3.11.7, numpy 2.4.6",
                "created": "2026-11-22T00:00:00+00:00",
                "machine": "Linux x86_64",
                "config": CONFIG.format(kind=kind),
                "seed": np.array([20250116]),
                "command": "fpsim run double-well --quick",
            }
        )
        group = file.create_group("problem/theory")
        for name, values in (("time", [0.0, 1.0]), ("x", x), ("y", x)):
            scale = group.create_dataset(name, data=values)
            scale.make_scale(name)
            if name != "time":
                scale.attrs.update({"spacing": 0.25, "lower": -2.0, "upper": 2.0, "boundary": "reflecting"})
        variable = group.create_dataset("density", data=np.stack([density, density]))
        for axis, name in enumerate(("time", "x", "y")):
            variable.dims[axis].attach_scale(group[name])
    return density


def test_a_run_of_version_0_1_is_read(tmp_path, capsys):
    density = write(tmp_path / "old.h5")
    run = fpsim.load(tmp_path / "old.h5")
    assert run.complete
    assert run.seed == 20250116
    found = run.densities["problem/theory"]["density"][-1]
    assert np.array_equal(found.values, density)
    assert (found.grid.lower, found.grid.upper) == ((-2.0, -2.0), (2.0, 2.0))
    assert main(["info", str(tmp_path / "old.h5")]) == 0
    assert "made by     fpsim 0.1.0" in capsys.readouterr().out


def test_a_kind_that_is_gone_is_refused_by_name(tmp_path, capsys):
    """What still can be said of such a file is said; what needs its kind names the version that has it."""
    path = tmp_path / "old.h5"
    write(path, kind="bygone")
    assert fpsim.load(path).scenario is None
    with pytest.raises(FileError, match=r"kind = 'bygone'.*written by fpsim 0\.1\.0.*xarray\.open_datatree"):
        list(figures_of(load_tree(path)))
    before = path.read_bytes()
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "/problem/theory" in said
    assert "no table: " in said
    assert "kind = 'bygone'" in said
    for command in ("plot", "report", "resume"):
        assert main([command, str(path)]) == 2
        error = capsys.readouterr().err
        assert "fpsim 0.1.0" in error
        assert error.count("\n") == 1
    assert path.read_bytes() == before
