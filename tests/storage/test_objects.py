"""Objects of the Python interface in a run file: they come back as they were, and all commands read the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fpsim
from fpsim.cli import main
from fpsim.comparison import compare_density
from fpsim.datasets import from_array
from fpsim.density import Density, GaussianMixture, Grid, from_samples, gaussian
from fpsim.network import BottleneckAutoEncoder
from fpsim.storage import load_tree
from fpsim.support.errors import DomainError, FileError
from fpsim.uncertainty.verdict import Claim, Identity

PAGE = (Path(__file__).parents[2] / "docs" / "writing-scenarios.md").read_text(encoding="utf-8")
(OWN_DRIFT,) = re.findall(r"```python\n(import numpy as np\n\nimport fpsim\n\ngrid = .*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The file of the page's example, and what its lines made."""
    folder, before = tmp_path_factory.mktemp("own"), Path.cwd()
    made = {}
    os.chdir(folder)
    try:
        exec(compile(OWN_DRIFT, "page", "exec"), made)
    finally:
        os.chdir(before)
    return folder / "own.h5", made


def test_an_own_drift_takes_at_most_25_lines():
    assert len(OWN_DRIFT.splitlines()) + 2 <= 25


def test_densities_and_paths_come_back_as_they_were(own):
    path, made = own
    run = fpsim.load(path)
    theory, paths = made["theory"], made["paths"]
    assert run.complete
    assert run.scenario is None
    assert np.array_equal(run.times("theory"), theory.times)
    for stored, density in zip(run.densities["theory"]["density"], theory.densities, strict=True):
        assert stored.grid == density.grid
        assert np.array_equal(stored.values, density.values)
    assert np.array_equal(run.tree["ensemble"]["positions"].values, paths.positions)
    for stored, points in zip(run.densities["ensemble"]["density"], paths.positions, strict=True):
        assert np.array_equal(stored.values, from_samples(made["grid"], points).values)


def test_all_commands_read_it(own, tmp_path, capsys):
    path, _ = own
    page, film = tmp_path / "own.html", tmp_path / "own.gif"
    assert main(["info", str(path)]) == 0
    assert main(["compare", str(path), "--all-times", "--strict"]) == 0, capsys.readouterr()
    assert main(["compare", str(path), str(path)]) == 0
    assert main(["report", str(path), "--out", str(page)]) == 0
    assert main(["animate", str(path), "--out", str(film)]) == 0
    assert main(["plot", str(path), "--out", str(tmp_path / "pictures")]) == 0
    assert film.stat().st_size > 10_000
    assert [p.name for p in (tmp_path / "pictures").iterdir()] == ["density.png"]
    assert "A drift of my own" in page.read_text()
    assert page.read_text().count("data:image/png") == 1
    said = capsys.readouterr().out
    assert "total variation from the ensemble" in said
    assert "densities at their last time" in said


def test_an_ensemble_is_held_against_a_density_of_its_weights(tmp_path, capsys):
    """Weights at the start are normal: their density is exact, its distance from the histogram within its floor."""
    data = from_array(np.random.default_rng(1).normal(size=(64, 2)), normalise=True)
    experiment = fpsim.Experiment(data, BottleneckAutoEncoder(2, 1), fpsim.SGD(0.05, 8), fpsim.Start.gaussian(0.2, 0.1))
    ensemble = fpsim.train(experiment, replicas=3000, steps=[0, 10], rng=4)
    grid = Grid.box((-0.6, 1.0, 64), (-0.6, 1.0, 64), names=("W1_1_1", "W1_1_2"))
    fpsim.save(tmp_path / "e.h5", ensemble=ensemble, start=gaussian(grid, (0.2, 0.2), 0.01))
    run = fpsim.load(tmp_path / "e.h5")
    for matrix in ("W1", "W2"):
        assert np.array_equal(run.weights["ensemble"][matrix], ensemble.weights[matrix])
    assert (run.seed, run.tree["ensemble"].attrs["replicas"]) == (ensemble.key % 2**63, 3000)
    assert main(["compare", str(tmp_path / "e.h5"), "--strict"]) == 0
    assert "density_W1" in capsys.readouterr().out
    wrong = gaussian(grid, (0.25, 0.2), 0.01)
    fpsim.save(tmp_path / "e.h5", ensemble=ensemble, start=wrong, overwrite=True)
    assert main(["compare", str(tmp_path / "e.h5"), "--strict"]) == 1


def test_mixtures_comparisons_verdicts_and_arrays(tmp_path, capsys):
    mixture = GaussianMixture.gaussian(np.array([0.3, -0.1]), np.diag([0.5, 0.2]), names=("a", "b"))
    grid = Grid.box((-4.0, 4.0, 80), names=("x",))
    points = np.random.default_rng(2).normal(size=(2000, 1))
    compared = compare_density(gaussian(grid, 0.0, 1.0), points, observable="x", distance="total_variation")
    table = xr.Dataset({"rate": ("case", [1.0, 2.0])}, {"case": ["one", "two"]})
    records = [Identity("mass", 1e-12, 1e-12), Claim("slope is two", 0.5, 0.01, 0.0)]
    fpsim.save(tmp_path / "o.h5", law=mixture, distances=[compared], rates=table, judged=records)
    run = fpsim.load(tmp_path / "o.h5")
    (stored,) = run.mixtures["law"]["mixture"]
    np.testing.assert_allclose(stored.means, mixture.means, rtol=1e-6)
    np.testing.assert_allclose(stored.covariances, mixture.covariances, rtol=1e-6)
    assert run.tree["rates"].to_dataset()["rate"].equals(table["rate"])
    assert float(run.tree["distances"]["compared_value"][0]) == compared.value
    assert main(["report", str(tmp_path / "o.h5")]) == 0
    page = (tmp_path / "o.html").read_text()
    for part in ("slope is two", "comparisons", "Did not hold in this run: 1"):
        assert part in page


def test_what_cannot_be_saved_is_told_and_nothing_is_lost(tmp_path):
    grid = Grid.box((-1.0, 1.0, 16), names=("x",))
    density, target = gaussian(grid, 0.0, 0.04), tmp_path / "o.h5"
    with pytest.raises(DomainError, match="nothing to save"):
        fpsim.save(target)
    with pytest.raises(DomainError, match=r"x is 3: a Density, an Evolution"):
        fpsim.save(target, x=3)
    with pytest.raises(DomainError, match="path is 3"):
        fpsim.save(3, x=density)
    assert not target.exists()
    fpsim.save(target, x=density)
    before = target.read_bytes()
    with pytest.raises(FileError, match="exists already"):
        fpsim.save(target, x=Density(grid, 2.0 * density.values))
    assert target.read_bytes() == before
    assert int(load_tree(target).attrs["complete"]) == 1
