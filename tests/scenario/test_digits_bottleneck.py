"""The main job shows the known physics of these digits.

The figures were measured with particles, independently of this package: learning rate 0.05, batch 8, temperature 0.002,
start N((.6, .2), .1^2) for both matrices; and N(0, .5^2).
"""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.scenario import available, load_scenario, report, run, run_shortfalls
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


def test_the_joint_law_is_right_in_weights_and_outputs(tree):
    """Evolved without looking at the ensemble: standard deviations within four errors of both, z within five."""
    for start in ("offset", "symmetric"):
        ensemble, joint = last(tree, f"{start}/ensemble"), last(tree, f"{start}/joint")
        error = np.hypot(ensemble["std_error"], ensemble["std"] / np.sqrt(2 * 2048)) + 2 * joint["error"] * joint["std"]
        assert (np.abs(joint["std"] - ensemble["std"]) < 4 * error).all()
        pair = {"weight": "W1_1_1", "weight_other": "W2_1_1"}
        difference = joint["correlation"].sel(pair) - ensemble["correlation"].sel(pair)
        assert abs(float(difference)) < 4 * np.hypot(1 / np.sqrt(4000), 1 / np.sqrt(2048))
        table = last(tree, f"{start}/comparison").sel(theory="joint")
        excess = table["distance"] - np.hypot(table["floor"], joint["error"])
        assert (excess < 4 * table["spread"]).all()
        assert {"density W1, W2", "pooled outputs", "output at probe 1", "loss"} <= set(table["observable"].values)


def test_closures_claim_no_outputs_unless_asked(tree):
    table = last(tree, "offset/comparison")
    for theory in ("conditional", "mean-field"):
        claimed = table["distance"].sel(theory=theory).dropna("observable")["observable"].values
        assert list(claimed) == ["density W1", "density W2"]
    assert list(tree["offset/outputs"]["law"].values) == ["ensemble", "joint"]


def test_the_budget_names_the_leading_cause(tree):
    for start in ("offset", "symmetric"):
        budget = tree[f"{start}/budget"].to_dataset()
        for matrix in ("density W1", "density W2"):
            one = budget.sel(theory="mean-field", observable=matrix)
            assert one["leading"].item() == "closure"
            assert float(one["share"].sel(cause="closure")) > 0.7
            # batches of eight: neither their skewness nor the order of the equation can be seen by 4 000 replicas
            for cause in ("non-Gaussian mini-batch noise", "order of the modified equation"):
                assert float(one["error"].sel(cause=cause)) < 2 * float(one["floor"].sel(cause=cause))
            order = budget["distance"].sel(theory="joint", observable=matrix, cause="order of the modified equation")
            assert np.isnan(order)  # SGD with Gaussian noise stands for the order that the joint law has


def test_parts_cover_the_total(tree):
    """Triangle inequality, with what the floors add: no distance is longer than its parts."""
    budget = tree["offset/budget"].to_dataset()
    links = budget["distance"].drop_sel(cause=["sampling", "grid", "time step"]).sum("cause")
    assert (budget["total"] <= links + 1e-12).all()


def test_table_of_all_distances(tree):
    table = tree["offset/distances"].to_dataset()
    measures = {"total_variation", "kullback_leibler", "hellinger", "wasserstein", "energy", "kolmogorov_smirnov"}
    assert set(table["measure"].values) == measures | {"mean", "covariance"}
    assert {"density W1", "W1_1_1", "W2_2_1", "Q_1_1", "pooled outputs", "loss"} <= set(table["quantity"].values)
    seen = table["z"].sel(theory="mean-field", quantity="W1_1_1")
    assert float(seen.drop_sel(measure="mean").min()) > 10


def test_own_closures_and_observables_stand_beside_ours(tmp_path):
    """A copy of the file with two more lines: a closure that is mean field by another name, the norm of W1."""
    text = available()["bottleneck"].read_text()
    own = 'CLOSURES_OF_MATRICES["mine"] = CLOSURES["mean-field"]\n'
    own += 'OBSERVABLES["norm of W1"] = lambda network, w1, w2, x: np.sum(w1**2, axis=(1, 2))\n'
    (tmp_path / "mine.py").write_text(text.replace("class Bottleneck(", f"{own}\n\nclass Bottleneck(", 1))
    laws = ["joint", "mine", "mean-field"]
    tree = run(load_scenario(tmp_path / "mine.py", changes={**SMALL, "theory.laws": laws, "theory.components": 256}))
    table = last(tree, "offset/comparison")
    mine, ours = (table["distance"].sel(theory=t).values for t in ("mine", "mean-field"))
    assert np.array_equal(mine, ours, equal_nan=True)
    assert np.isfinite(table["z"].sel(theory="joint", observable="norm of W1"))
    assert "norm of W1" in report(tree)
    assert "mine" in report(tree)


def test_matrices_without_a_grid_leave_the_joint_law():
    tree = run(load_scenario("bottleneck", changes={**SMALL, "data.components": 5}))
    assert set(tree["offset"].children) >= {"ensemble", "joint", "comparison", "outputs"}
    assert "mean-field" not in tree["offset"].children
    assert tree["offset/joint"].sizes["weight"] == 10
    start = tree["offset/ensemble"].to_dataset()["mean"].isel(time=0)
    assert np.allclose(start, [0.6, 0.2, 0, 0, 0, 0.6, 0.2, 0, 0, 0], atol=4 * 0.1 / np.sqrt(500))
    assert "Left out, since matrices of more than 3 entries have no grid" in report(tree)


SMALL = {
    "ensemble.replicas": 500,
    "theory.cells": 32,
    "theory.tolerance": 0.05,
    "theory.components": 256,
    "start": {"offset": {"mean": [0.6, 0.2], "std": 0.1}},
    "time.end": 0.5,
    "time.records": 1,
    "comparison.theory_samples": 500,
    "comparison.measured": 200,
    "comparison.probes": 1,
    "comparison.svag": 2,
}


def test_same_bits_for_one_and_two_threads():
    one, two = (run(load_scenario("digits-bottleneck", changes=SMALL), threads=n) for n in (1, 2))
    for path in set(one.groups) - {"/"}:
        assert one[path].to_dataset().identical(two[path].to_dataset()), path


@pytest.mark.slow
def test_in_full():
    tree = run(load_scenario("digits-bottleneck"))
    check_offset_start(tree, conditional_width=0.05)
    assert run_shortfalls(tree) == ()
    for start in ("offset", "symmetric"):
        widths = last(tree, f"{start}/joint")["std"] / last(tree, f"{start}/ensemble")["std"]
        assert np.abs(widths - 1.0).max() < 0.015
