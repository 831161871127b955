"""Runs whose numbers do not allow a result end, keep what there is, and say what is missing and under which keys."""

from __future__ import annotations

import pytest

import fpsim
from fpsim.cli import main
from fpsim.storage import load_tree

SMALL = {
    "ensemble.replicas": 200,
    "theory.cells": 24,
    "theory.components": 64,
    "time.records": 2,
    "time.end": 4,
    "comparison.measured": 0,
}
SURFACE = {
    "growth.size": 256,
    "growth.replicas": 64,
    "growth.times": 4,
    "growth.first": 64.0,
    "roughness.replicas": 64,
    "roughness.sizes": "[8, 16]",
    "schemes.replicas": 64,
}
CASES = {
    "all replicas diverge": ("digits-bottleneck", {**SMALL, "sgd.temperature": 1e12}, "sgd.temperature = 1e+12"),
    "no growth beyond its errors": ("kpz-surface", SURFACE, "growth.replicas"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_the_run_ends_and_says_what_is_missing(case, tmp_path, capsys):
    scenario, changes, key = CASES[case]
    file = tmp_path / "run.h5"
    options = [f"--set={name}={value}" for name, value in changes.items()]
    assert main(["run", scenario, "--quick", "--quiet", "--strict", "--out", str(file), *options]) == 1
    said = capsys.readouterr().err
    assert "missing: " in said
    assert key in said
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["run.h5"]  # no checkpoint or lock stays
    tree = load_tree(file)
    assert tree.attrs["complete"] == 1
    for command in ("info", "report", "plot"):
        assert main([command, str(file)]) == 0, capsys.readouterr().err
    assert "missing: " in capsys.readouterr().out
    before = file.read_bytes()
    assert main(["resume", str(file)]) == 0
    assert file.read_bytes() == before
    assert fpsim.load(file).complete


@pytest.mark.filterwarnings("ignore")
def test_what_was_computed_stays(tmp_path):
    """A closure that is no equation costs what needs it, and nothing else."""
    own = (
        "from fpsim.scenario import extended\n"
        "from fpsim.support.errors import DomainError\n\n\n"
        "def broken(experiment, matrix, ensemble):\n    raise DomainError('diffusion entry -2e49')\n\n\n"
        "scenario = extended('bottleneck', CLOSURES_OF_MATRICES={'broken': broken})\n"
    )
    (tmp_path / "own.py").write_text(own)
    file = tmp_path / "run.h5"
    changes = {**SMALL, "theory.laws": '["joint", "broken"]'}
    options = [f"--set={name}={value}" for name, value in changes.items()]
    assert main(["run", str(tmp_path / "own.py"), "--quick", "--quiet", "--out", str(file), *options]) == 0
    run = fpsim.load(file)
    assert run.weights["offset/ensemble"]["W1"].shape[0] == 3
    assert "offset/joint" in run.groups
    assert "offset/broken" not in run.groups
    assert "diffusion entry -2e49" in run.tree.attrs["missing"]
