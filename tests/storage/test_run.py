"""``fpsim.load`` gives back what was computed: the scenario, densities, weights and arrays of a run."""

from __future__ import annotations

import copy
import pickle
import tomllib

import numpy as np
import pytest
import xarray as xr

import fpsim
from fpsim import SGD, BottleneckAutoEncoder, Experiment, Start
from fpsim.datasets import digits
from fpsim.density import Grid, gaussian
from fpsim.ensemble import train
from fpsim.runs.run import Run, density_variables
from fpsim.scenario.records import density_variable, grid_coordinates
from fpsim.support.errors import DomainError, FileError


@pytest.fixture(scope="module")
def run(quick_run):
    return fpsim.load(quick_run.file)


def test_the_scenario_is_the_resolved_one(run):
    assert run.scenario.parameters.ensemble.replicas == 4000
    assert run.scenario.parameters.sgd.learning_rate == 0.05
    assert run.complete
    assert tomllib.loads(run.attributes["config"])["seed"] == run.seed == run.attributes["seed"]


def test_weights_are_those_of_the_trainer(run):
    """Trained again, at the last recorded time."""
    p = run.scenario.parameters
    experiment = Experiment(
        digits(2),
        BottleneckAutoEncoder(2, 1),
        SGD(**p.sgd.model_dump()),
        Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1),
    )
    stored = p.ensemble.stored
    ensemble = train(experiment, replicas=stored, steps=[round(p.time.end / p.sgd.learning_rate)], rng=p.seed)
    weights = run.weights["offset/ensemble"]
    assert weights["W1"].shape == (11, stored, 1, 2)
    assert weights["W2"].shape == (11, stored, 2, 1)
    for matrix in ("W1", "W2"):
        assert np.array_equal(weights[matrix][-1], ensemble.weights[matrix][0])


def test_densities_have_the_moments_of_the_file(run):
    for group in ("offset/mean-field", "symmetric/conditional"):
        series = run.densities[group]["density_W1"]
        assert len(series) == len(run.times(group)) == 11
        table = run.tree[group]
        for density, mean, std in zip(series, table["mean"].values, table["std"].values, strict=True):
            assert density.mass == pytest.approx(1.0, abs=1e-9)
            assert np.allclose(density.mean, mean[:2], atol=1e-12)
            assert np.allclose(density.std, std[:2], rtol=1e-9)


def test_groups_and_times(run):
    assert set(run.groups) >= {"offset/ensemble", "symmetric/comparison"}
    assert np.allclose(run.times("offset/ensemble"), np.linspace(0, 10, 11))
    with pytest.raises(DomainError, match=r"offset/ensemble"):
        run.times("offset")


def test_values_cannot_be_changed_by_accident(run):
    with pytest.raises(AttributeError):
        run.path = "x"
    with pytest.raises(TypeError):
        run.densities["x"] = {}
    with pytest.raises(ValueError, match="read-only"):
        run.weights["offset/ensemble"]["W1"][0] = 0.0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_run_can_be_copied_and_sent_to_another_process(copied, run):
    assert run.densities  # what was made of the tree does not stand in the way
    again = copied(run)
    assert (again.path, again.scenario) == (run.path, run.scenario)
    assert again.tree.identical(run.tree)
    with pytest.raises(AttributeError):
        again.path = "x"


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", ("absorbing", "reflecting")])
def test_a_grid_comes_back_as_it_was(boundary, run):
    grid = Grid((-1.0,), (2.0,), (50,), (boundary,), ("angle",))
    densities = [gaussian(grid, mean, 0.04) for mean in (0.0, 0.3)]
    data = xr.Dataset(
        {"density": density_variable(densities, "density"), "other": ("time", [0.0, 1.0])},
        {"time": [0.0, 1.0], **grid_coordinates(grid)},
    )
    assert density_variables(data) == ("density",)
    tree = xr.DataTree.from_dict({"/a/theory": data})
    found = Run(run.path, run.scenario, tree).densities["a/theory"]["density"]
    assert [p.grid for p in found] == [grid, grid]
    assert all(np.array_equal(p.values, q.values) for p, q in zip(found, densities, strict=True))


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        fpsim.load(tmp_path / "absent.h5")
    with pytest.raises(FileError, match="is a folder"):
        fpsim.load(tmp_path)
