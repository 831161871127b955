"""Irises through a linear bottleneck: widths along and across the valley, the conserved balance, the budget."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.scenario import load_scenario, report, run
from fpsim.scenario.kinds.bottleneck.figures import bottleneck_figures

SMALL = {
    "ensemble.replicas": 4000,
    "time.records": 6,
    "theory.cells": 56,
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
        field = budget.sel(closure="mean-field", observable=matrix)
        assert field["leading"].item() == "closure"
        assert "leading cause is closure" in field["sentence"].item()
        assert float(field["error"].sel(cause="grid")) < 0.2 * float(field["total"])
        assert float(budget["share"].sel(closure="mean-field", observable=matrix).sum()) == pytest.approx(1.0)
    loss = budget.sel(closure="conditional", observable="loss")
    assert loss["leading"].item() == "correlation of the matrices"


def test_balance_is_kept_by_the_ensemble(tree):
    """Q of the linear network is conserved up to the noise's work: the wrong closure is seen in its law."""
    z = tree["offset/distances"].to_dataset()["z"].isel(time=-1).sel(quantity="Q_1_1")
    assert float(z.sel(closure="mean-field", measure="covariance")) > 4
    assert np.isfinite(z).all()
    assert "where it comes from" in report(tree)


def test_table_names_the_floor_of_every_closure(tree):
    """z can be recomputed from each row; parts that cancel are called so."""
    lines = report(tree).splitlines()
    row = next(line for line in lines if line.startswith("density W1")).replace("±", "").split()[2:]
    table = tree["offset/comparison"].to_dataset().isel(time=-1).sel(observable="density W1")
    for i, closure in enumerate(table["closure"].values):
        distance, floor, spread, z = (float(x) for x in row[4 * i : 4 * i + 4])
        one = table.sel(closure=closure)
        assert floor == pytest.approx(float(one["floor"]), abs=1e-4)
        assert spread == pytest.approx(float(one["spread"]), abs=1e-4)
        assert distance == pytest.approx(float(one["distance"]), abs=1e-4)
        assert z == pytest.approx(float(one["z"]), abs=0.06)
    assert any(line.startswith("mean field, loss: parts cancel") for line in lines)
    assert not any(line.startswith("mean field, density") and "cancel" in line for line in lines)


def test_pictures_say_what_lies_beyond_and_whose_floor(tree):
    figures = dict(bottleneck_figures(tree))
    axes = figures["distances"].axes[0]
    floors = [c for c in axes.collections if "floor" in str(c.get_label())]
    assert len(floors) == 2
    table = tree["offset/comparison"].to_dataset().sel(observable="density W1")
    for band, closure in zip(floors, table["closure"].values, strict=True):
        one = table.sel(closure=closure)
        top = band.get_paths()[0].vertices[:, 1].max()
        assert top == pytest.approx(float((one["floor"] + 4 * one["spread"]).max()))
    outputs = tree["offset/outputs"].to_dataset()
    width = float(outputs["loss"][1] - outputs["loss"][0])
    beyond = 1 - width * float(outputs["loss_density"].sel(source="conditional").sum())
    losses = next(ax for ax in figures["outputs"].axes if ax.get_xlabel() == "loss")
    assert [t.get_text() for t in losses.texts] == [f"conditional closure: {100 * beyond:.0f} % beyond the axis"]
    assert "± 4 standard errors" in figures["widths"].axes[0].get_legend_handles_labels()[1]
