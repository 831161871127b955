"""Gaussian mixtures in run files: written, loaded, and refused where a file was tampered with."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import fpsim
from fpsim.density import GaussianMixture
from fpsim.scenario import load_scenario, mixture_dataset, run_to_file
from fpsim.scenario.records import mixture_series
from fpsim.storage import load_tree, save_tree
from fpsim.support.errors import DomainError, FileError

NAMES = ("W1[0,0]", "W1[0,1]", "W2[0,0]", "W2[1,0]")


def some(seed, count=300, narrow=0.02):
    rng = np.random.default_rng(seed)
    roots = rng.normal(0.0, 0.15, (count, 4, 2))  # long and thin: two directions are narrow
    weights = rng.random(count) ** 4
    covariances = roots @ roots.swapaxes(1, 2) + narrow**2 * np.eye(4)
    return GaussianMixture(weights / weights.sum(), rng.normal(0.0, 0.7, (count, 4)), covariances, NAMES)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A run's file, with a group of mixtures added."""
    path = tmp_path_factory.mktemp("mixtures") / "run.h5"
    run_to_file(load_scenario("momentum", quick=True, changes={"ensemble.replicas": 100}), path, quiet=True)
    tree = load_tree(path)
    tree["/law"] = xr.DataTree(mixture_dataset([0.5, 2.0], [some(1), some(2)]))
    save_tree(tree, path)
    return path


def test_what_comes_back(file):
    run = fpsim.load(file)
    found = run.mixtures["law"]["joint"]
    assert np.array_equal(run.times("law"), [0.5, 2.0])
    stated = float(run.tree["/law"]["joint_roots"].attrs["relative_error"])
    assert 0.0 < stated < 1e-6
    x = some(1).sample(500, rng=3)
    for before, after in zip((some(1), some(2)), found, strict=True):
        assert after.names == NAMES
        assert np.abs(after.weights / before.weights - 1.0).max() < 1e-6
        size = np.linalg.norm(before.covariances, axis=(1, 2))
        assert (np.linalg.norm(after.covariances - before.covariances, axis=(1, 2)) <= stated * size * (1 + 1e-9)).all()
        assert np.linalg.eigvalsh(after.covariances).min() > 0.0
        assert np.abs(after.log_density(x) - before.log_density(x)).max() < 1e-3
        assert not after.means.flags.writeable
    assert run.densities.get("law") is None


def test_it_takes_half_the_bytes(file):
    arrays = [fpsim.load(file).tree["/law"][f"joint_{part}"] for part in ("weights", "means", "roots")]
    assert all(a.dtype == np.float32 for a in arrays)
    assert sum(a.nbytes for a in arrays) == 4 * 2 * 300 * (1 + 4 + 10)


def test_thin_components_stay_positive():
    """Rounded covariances themselves would have negative eigenvalues."""
    thin = some(4, narrow=1e-5)
    data = mixture_dataset([0.0], [thin])
    assert np.linalg.eigvalsh(thin.covariances.astype(np.float32).astype(float)).min() < 0.0
    (again,) = mixture_series(data, "joint")
    assert np.linalg.eigvalsh(again.covariances).min() > 0.0


def test_a_point_is_a_point():
    point = GaussianMixture.gaussian([1.0, 2.0], 0.0)
    (again,) = mixture_series(mixture_dataset([0.0], [point], name="start"), "start")
    assert not again.covariances.any()
    assert np.array_equal(again.means, [[1.0, 2.0]])


def spoilt(part, change):
    data = mixture_dataset([0.5, 2.0], [some(1), some(2)])
    values = data[f"joint_{part}"].values.copy()
    data[f"joint_{part}"] = (data[f"joint_{part}"].dims, change(values))
    return data


def put(values, value, *place):
    values[place] = value
    return values


def without_coordinate(data):
    return data.drop_vars("joint_coordinate")


TAMPERED = {
    "a number that is none": (spoilt("means", lambda v: put(v, np.nan, 1, 7, 2)), "place 1 of time.*finite"),
    "an infinite root": (spoilt("roots", lambda v: put(v, np.inf, 0, 0, 0)), "finite"),
    "a negative weight": (spoilt("weights", lambda v: put(v, -0.5, 0, 3)), "weights add up to"),
    "weights of another sum": (spoilt("weights", lambda v: 2.0 * v), "weights add up to 2"),
    "a negative diagonal": (spoilt("roots", lambda v: put(v, -0.1, 0, 5, 2)), "root 5 has a negative diagonal"),
    "whole numbers": (spoilt("means", lambda v: v.astype(np.int32)), "floating-point"),
    "another number of entries": (
        mixture_dataset([0.5], [some(1)]).isel(joint_entry=slice(0, 9)),
        r"roots \(300, 9\)",
    ),
    "coordinates twice": (
        mixture_dataset([0.5], [some(1)]).assign_coords(joint_coordinate=["a", "a", "b", "c"]),
        "names",
    ),
    "no coordinates": (without_coordinate(mixture_dataset([0.5], [some(1)])), "does not name its coordinates"),
    "other axes": (mixture_dataset([0.5], [some(1)]).transpose("joint_component", ...), "has the axes"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_tampered_with(case, file, tmp_path):
    data, message = TAMPERED[case]
    tree = load_tree(file)
    tree["/law"] = xr.DataTree(data)
    save_tree(tree, tmp_path / "run.h5")
    run = fpsim.load(tmp_path / "run.h5")
    with pytest.raises(FileError, match=message) as caught:
        _ = run.mixtures
    assert "law" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_stored():
    with pytest.raises(DomainError, match="at 2 times"):
        mixture_dataset([0.0, 1.0], [some(1)])
    with pytest.raises(DomainError, match="2 shapes"):
        mixture_dataset([0.0, 1.0], [some(1), some(1, count=10)])
    with pytest.raises(DomainError, match="beyond 3e38"):
        mixture_dataset([0.0], [GaussianMixture.gaussian([1e39], 1.0)])
