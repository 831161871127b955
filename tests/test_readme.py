"""Every Python block of the README runs, in order, as a reader would paste them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def namespace():
    """One namespace for the blocks, as in one session of a reader."""
    return {}


def test_problem_without_network(namespace):
    exec(BLOCKS[0], namespace)
    mean, covariance = namespace["density"].mean, namespace["density"].covariance
    assert np.allclose(mean, [np.exp(-1), -np.exp(-2)], atol=1e-3)
    exact = [0.04 * np.exp(-2) + 0.01 * (1 - np.exp(-2)), 0.04 * np.exp(-4) + 0.005 * (1 - np.exp(-4))]
    assert np.allclose(np.diag(covariance), exact, rtol=0.01)


def test_network_against_theory(namespace, capsys):
    exec(BLOCKS[0] + BLOCKS[1], namespace)
    assert "Comparison(W1" in capsys.readouterr().out
    assert namespace["encoder"].mass == pytest.approx(1.0, abs=1e-12)


def test_the_file(namespace, quick_run, monkeypatch, capsys):
    monkeypatch.chdir(quick_run.file.parent)
    exec(BLOCKS[2].replace("digits.h5", quick_run.file.name), namespace)
    assert namespace["ring"].dims == ("time", "W1_1_1", "W1_1_2")
    assert "learning_rate = 0.05" in capsys.readouterr().out
