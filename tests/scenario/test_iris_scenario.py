"""Irises through a linear bottleneck: widths along and across the valley, the conserved balance, the budget."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.plots.network_figures import study_figures
from fpsim.scenario import Results, load_scenario, report, run

SMALL = {
    "ensemble.replicas": 4000,
    "time.records": 6,
    "theory.cells": 56,
    "theory.components": 4096,
    "comparison.theory_samples": 4000,
    "comparison.measured": 400,
    "comparison.probes": 1,
}


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario("iris-bottleneck", changes=SMALL))


def std(tree, source, weight):
    return float(tree[f"offset/{source}"].to_dataset()["std"].isel(time=-1).sel(weight=weight))


def test_valley_of_the_data(tree):
    """The ensemble ends on the valley W2 W1 = 1 of the first component; the product of means is one to O(width^2)."""
    mean = tree["offset/ensemble"].to_dataset()["mean"].isel(time=-1)
    product = float(mean.sel(weight="W1_1_1") * mean.sel(weight="W2_1_1"))
    assert product == pytest.approx(1.0, abs=0.03)
    correlation = tree["offset/ensemble"].to_dataset()["correlation"].isel(time=-1)
    assert float(correlation.sel(weight="W1_1_1", weight_other="W2_1_1")) < -0.9


def test_mean_field_is_narrow_along_the_first_component_only(tree):
    for weight in ("W1_1_1", "W2_1_1"):
        assert std(tree, "mean-field", weight) < 0.5 * std(tree, "ensemble", weight)
    for weight in ("W1_1_2", "W2_2_1"):
        assert std(tree, "mean-field", weight) == pytest.approx(std(tree, "ensemble", weight), rel=0.12)


def test_conditional_closure_is_right_in_both(tree):
    """4 000 replicas know a width to 1.1 %; four times that, and the grid's part."""
    for weight in ("W1_1_1", "W1_1_2", "W2_1_1", "W2_2_1"):
        assert std(tree, "conditional", weight) == pytest.approx(std(tree, "ensemble", weight), rel=0.06)


def test_the_budget_names_the_closure(tree):
    budget = tree["offset/budget"].to_dataset()
    for matrix in ("density W1", "density W2"):
        field = budget.sel(theory="mean-field", observable=matrix)
        assert field["leading"].item() == "closure"
        assert "leading cause is closure" in field["sentence"].item()
        assert float(field["error"].sel(cause="grid")) < 0.2 * float(field["total"])
        assert float(budget["share"].sel(theory="mean-field", observable=matrix).sum()) == pytest.approx(1.0)


def test_balance_is_that_of_the_joint_law(tree):
    """Q of the linear network is conserved up to the noise's work: its law is that of the ensemble."""
    z = tree["offset/distances"].to_dataset()["z"].sel(quantity="Q_1_1", theory="joint")
    assert np.isfinite(z).all()
    assert float(z.sel(measure="total_variation")) < 5
    assert "where it comes from" in report(tree)


def test_table_names_the_floor_of_every_theory(tree):
    """z can be recomputed from each row."""
    lines = report(tree).splitlines()
    row = next(line for line in lines if line.startswith("density W1 ")).split()[2:]
    table = tree["offset/comparison"].to_dataset().isel(time=-1).sel(observable="density W1")
    for i, theory in enumerate(table["theory"].values):
        distance, floor, z = (float(x) for x in row[3 * i : 3 * i + 3])
        one = table.sel(theory=theory)
        assert floor == pytest.approx(float(one["floor"]), abs=1e-4)
        assert distance == pytest.approx(float(one["distance"]), abs=1e-4)
        assert z == pytest.approx(float((one["distance"] - one["floor"]) / one["spread"]), abs=0.06)


def test_pictures_say_what_lies_beyond_and_whose_floor(tree):
    figures = dict(study_figures(Results(tree), ["offset"], ["joint", "conditional", "mean-field"]))
    axes = figures["distances"].axes[0]
    floors = [c for c in axes.collections if "floor" in str(c.get_label())]
    table = tree["offset/comparison"].to_dataset().sel(observable="density W1")
    assert len(floors) == 3
    for band, theory in zip(floors, table["theory"].values, strict=True):
        one = table.sel(theory=theory)
        top = band.get_paths()[0].vertices[:, 1].max()
        assert top == pytest.approx(float((one["floor"] + 4 * one["spread"]).max()))
    assert "± 4 standard errors" in figures["widths"].axes[0].get_legend_handles_labels()[1]
    for ax in figures["budget"].axes:
        assert max(bar.get_width() for bar in ax.patches) <= 1.0
        assert max(ax.get_xticks()) <= 1.0
