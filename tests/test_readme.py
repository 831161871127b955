"""Every Python block of the README runs, in order, as a reader would paste them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson

import fpsim as fp
from fpsim.scenario import available, load_scenario

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def namespace():
    """One namespace for the blocks, as in one session of a reader."""
    return {}


def test_every_scenario_is_listed():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    listed = [name for name, _ in rows]
    assert sorted(listed) == sorted(available())
    assert all(len(line) > 20 for _, line in rows)


def test_every_command_is_listed():
    helped = subprocess.run(
        [sys.executable, "-m", "fpsim", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^  ([a-z]+)  ", helped.split("Commands:")[1], re.MULTILINE)
    assert {"run", "report", "validate"} <= set(commands)
    for command in commands:
        assert re.search(rf"`(fpsim )?{command}\b", TEXT), command


def test_a_scenario_in_python(tmp_path):
    (tmp_path / "my.py").write_text(BLOCKS[0])
    scenario = load_scenario(str(tmp_path / "my.py"))
    assert (scenario.parameters.sgd.momentum, scenario.parameters.time.end) == (0.5, 4.0)


def test_problem_without_network(namespace):
    exec(BLOCKS[1], namespace)
    mean, covariance = namespace["density"].mean, namespace["density"].covariance
    assert np.allclose(mean, [np.exp(-1), -np.exp(-2)], atol=1e-3)
    exact = [0.04 * np.exp(-2) + 0.01 * (1 - np.exp(-2)), 0.04 * np.exp(-4) + 0.005 * (1 - np.exp(-4))]
    assert np.allclose(np.diag(covariance), exact, rtol=0.01)


def test_many_starts(namespace, capsys):
    exec(BLOCKS[1] + BLOCKS[2], namespace)
    assert np.allclose(
        namespace["flow"].evolve(namespace["density"], [1]).final.mean, [np.exp(-2), -np.exp(-4)], atol=1e-3
    )
    assert capsys.readouterr().out.count("[") >= 2


def test_walls_passage_times_and_paths(namespace, capsys):
    exec(BLOCKS[1] + BLOCKS[3], namespace)
    assert "observed order" in capsys.readouterr().out
    gone, sampled = namespace["left"].absorbed[0], namespace["paths"].absorbed[0]
    assert abs(sampled - gone) < 4 * np.sqrt(gone * (1 - gone) / 2_000)
    # T = int_-1^1 e^{V(y)/D} int_-2^y e^{-V(z)/D} dz dy / D (Gardiner, eq. 5.5.18)
    x = np.linspace(-2, 1, 3001)
    weight = np.exp(-10 * (x**4 / 4 - x**2 / 2))
    times = cumulative_simpson(cumulative_simpson(weight, x=x, initial=0) / weight, x=x, initial=0) * 10
    found = fp.with_grid_error(namespace["time_from_the_bottom"], namespace["well"], namespace["line"])
    assert abs(found.value - (times[-1] - times[1000])) < found.error < 0.001 * found.value


def test_network_against_theory(capsys):
    assert BLOCKS[4].count("import") == 1
    namespace = {}
    exec(BLOCKS[4], namespace)
    assert "Comparison(W1" in capsys.readouterr().out
    assert namespace["encoder"].mass == pytest.approx(1.0, abs=1e-12)


def test_the_file(namespace, quick_run, monkeypatch, capsys):
    monkeypatch.chdir(quick_run.file.parent)
    exec((BLOCKS[5] + BLOCKS[6]).replace("digits.h5", quick_run.file.name), namespace)
    assert namespace["ring"].dims == ("time", "W1_1_1", "W1_1_2")
    assert "learning_rate = 0.05" in capsys.readouterr().out
    assert namespace["last"].mass == pytest.approx(1.0, abs=1e-9)
    assert namespace["weights"].shape[2:] == (1, 2)
    namespace["root"].close()
    namespace["everything"].close()
