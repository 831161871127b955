"""The main job shows the known physics of these digits.

The figures were measured with particles, independently of this package: learning rate 0.05, batch 8, temperature 0.002,
start N((.6, .2), .1^2) for both matrices; and N(0, .5^2).
"""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.scenario import load_scenario, run
from fpsim.storage import load_tree

ENSEMBLE = {"W1_1_1": 0.143, "W1_1_2": 0.167, "W2_1_1": 0.146, "W2_2_1": 0.169}
MEAN_FIELD = {"W1_1_1": 0.044, "W1_1_2": 0.046, "W2_1_1": 0.045, "W2_2_1": 0.062}


@pytest.fixture(scope="module")
def tree(quick_run):
    return load_tree(quick_run.file)


def last(tree, group):
    return tree[group].to_dataset().isel(time=-1)


def check_offset_start(tree, *, conditional_width):
    ensemble, mean_field = last(tree, "offset/ensemble"), last(tree, "offset/mean-field")
    conditional = last(tree, "offset/conditional")
    for name, std in ENSEMBLE.items():
        one = ensemble.sel(weight=name)
        assert abs(float(one["std"]) - std) < 0.02 * std + 4 * float(one["std_error"])
        narrow = float(mean_field["std"].sel(weight=name))
        assert abs(narrow - MEAN_FIELD[name]) < 0.05 * MEAN_FIELD[name]
        assert float(one["std"]) > 2 * narrow
        assert abs(float(conditional["std"].sel(weight=name) / one["std"]) - 1) < conditional_width
    scale = np.abs(ensemble["mean"]).max()
    for closure in (mean_field, conditional):
        assert np.abs(closure["mean"] - ensemble["mean"]).max() < 0.03 * scale + 4 * ensemble["mean_error"].max()
    correlation = float(ensemble["correlation"].sel(weight="W1_1_1", weight_other="W2_1_1"))
    assert correlation == pytest.approx(-0.77, abs=0.03)


def test_offset_start(tree):
    check_offset_start(tree, conditional_width=0.08)


def test_pooled_outputs_are_nearly_blind(tree):
    table = last(tree, "offset/comparison").sel(closure="mean-field")
    pooled, weights = (float(table["distance"].sel(observable=o)) for o in ("pooled outputs", "density W1"))
    assert pooled < 0.06 < 0.5 < weights


def test_symmetric_start_becomes_a_ring(tree):
    ensemble = tree["symmetric/ensemble"].to_dataset()
    two = ensemble.sel(time=2.0)
    for name, std in {"W1_1_1": 0.69, "W1_1_2": 0.65}.items():
        one = two.sel(weight=name)
        assert abs(float(one["std"]) - std) < 0.01 + 4 * float(one["std_error"])
    final = ensemble.isel(time=-1)
    radius = np.hypot(final["W1_1_1"], final["W1_1_2"])
    density = final["density_W1"]
    assert float(density.where(radius < 0.3).mean()) < 0.2 * float(density.where(abs(radius - 0.9) < 0.1).mean())
    mean_field = last(tree, "symmetric/mean-field")
    assert float(mean_field["std"].max()) < 0.3
    centre = mean_field["density_W1"].where(np.hypot(mean_field["W1_1_1"], mean_field["W1_1_2"]) < 0.3).mean()
    assert float(centre) > 10 * float(density.where(radius < 0.3).mean())


def test_densities_are_positive_and_keep_their_mass(tree):
    for start in ("offset", "symmetric"):
        for closure in ("mean-field", "conditional"):
            attributes = tree[f"{start}/{closure}"].attrs
            assert attributes["lowest_density"] >= 0.0
            assert attributes["mass_defect"] <= 1e-12


def test_the_budget_names_the_leading_cause(tree):
    """Mean field: the closure itself; conditional outputs: that a closure pairs its matrices at random."""
    for start in ("offset", "symmetric"):
        budget = tree[f"{start}/budget"].to_dataset()
        for matrix in ("density W1", "density W2"):
            one = budget.sel(closure="mean-field", observable=matrix)
            assert one["leading"].item() == "closure"
            assert float(one["share"].sel(cause="closure")) > 0.7
            # batches of eight: neither their skewness nor the order of the equation can be seen by 4 000 replicas
            for cause in ("non-Gaussian mini-batch noise", "order of the modified equation"):
                assert float(one["error"].sel(cause=cause)) < 2 * float(one["floor"].sel(cause=cause))
        assert budget["leading"].sel(closure="conditional", observable="loss").item() == "correlation of the matrices"
        assert np.isnan(budget["error"].sel(observable="loss", cause=["grid", "time step"])).all()


def test_parts_cover_the_total(tree):
    """Triangle inequality, with what the floors add: no distance is longer than its parts."""
    budget = tree["offset/budget"].to_dataset()
    links = budget["distance"].drop_sel(cause=["sampling", "grid", "time step"]).sum("cause")
    assert (budget["total"] <= links + 1e-12).all()


def test_table_of_all_distances(tree):
    table = tree["offset/distances"].to_dataset()
    measures = ["total_variation", "kullback_leibler", "hellinger", "wasserstein", "energy", "kolmogorov_smirnov"]
    assert list(table["measure"].values) == [*measures, "mean", "covariance"]
    assert {"density W1", "W1_1_1", "W2_2_1", "Q_1_1", "all weights", "pooled outputs", "loss"} <= set(
        table["quantity"].values
    )
    start, end = table["z"].isel(time=0), table["z"].isel(time=-1)
    # both closures start from the truth; z is skewed for some distances, so 6 is allowed among a hundred
    weights = ["density W1", "density W2", "W1_1_1", "W1_1_2", "W2_1_1", "W2_2_1", "all weights"]
    assert float(start.sel(quantity=weights).max()) < 6
    seen = end.sel(closure="mean-field", quantity="W1_1_1")
    assert float(seen.drop_sel(measure="mean").min()) > 10
    joint = end.sel(quantity="all weights", measure="covariance")
    assert float(joint.sel(closure="conditional")) > 10  # right marginals, no correlation


def test_same_bits_for_one_and_two_threads():
    small = {
        "ensemble.replicas": 500,
        "theory.cells": 32,
        "theory.tolerance": 0.05,
        "start": {"offset": {"mean": [0.6, 0.2], "std": 0.1}},
        "time.end": 0.5,
        "time.records": 1,
        "comparison.theory_samples": 500,
        "comparison.measured": 200,
        "comparison.probes": 1,
        "comparison.svag": 2,
    }
    one, two = (run(load_scenario("digits-bottleneck", changes=small), threads=n) for n in (1, 2))
    for path in set(one.groups) - {"/"}:
        assert one[path].to_dataset().identical(two[path].to_dataset()), path


@pytest.mark.slow
def test_in_full():
    tree = run(load_scenario("digits-bottleneck"))
    check_offset_start(tree, conditional_width=0.05)
    table = last(tree, "offset/comparison").sel(closure="mean-field")
    assert float(table["distance"].sel(observable="pooled outputs")) == pytest.approx(0.03, abs=0.015)
