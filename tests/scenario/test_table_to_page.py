"""A table of 500 x 6 numbers to a page with joint law against SGD, by the two commands of the README."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import fpsim
from fpsim.cli import main

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SMALL = ["theory.components=1024", "ensemble.replicas=2000", "time.records=2", "comparison.measured=0"]


@pytest.mark.filterwarnings("ignore::fpsim.support.errors.ValidityWarning")
def test_a_table_to_a_page(tmp_path, monkeypatch):
    """Six weights; every claim of the joint law holds on data that nobody has seen before."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    values = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + rng.exponential(size=(500, 1))
    np.savetxt("mine.csv", values, delimiter=",", header="a,b,c,d,e,f", comments="")
    run, page = (
        shlex.split(line, comments=True)[1:] for line in re.findall(r"^fpsim .*mine\.h5.*$", README, re.MULTILINE)
    )
    sizes = [part for change in [*SMALL, 'theory.laws=["joint"]'] for part in ("--set", change)]
    assert main([*run, *sizes, "--quick", "--quiet", "--strict"]) == 0
    assert main(page) == 0
    found = fpsim.load("mine.h5")
    assert found.tree["offset/joint"].sizes["weight"] == 6
    assert "500 rows of a, b, c, d, e, f" in found.attributes["data"]
    table = found.tree["symmetric/comparison"].to_dataset().isel(time=-1).sel(theory="joint")
    for observable in ("density W1", "output at probe 1", "loss", "test loss", "generalisation gap"):
        one = table.sel(observable=observable)
        assert float(one["distance"]) < 2.0 * float(one["floor"])
    text = Path("mine.html").read_text(encoding="utf-8")
    assert "generalisation gap" in text
    assert "data.source = mine.csv (was: digits)" in text
