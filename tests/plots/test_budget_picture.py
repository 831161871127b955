"""Stacked budgets and convergence plots draw the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.plots import plot_budget
from fpsim.plots.convergence import plot_orders


def test_bars_are_stacked_and_totals_marked():
    parts = {"sampling": [0.1, 0.2], "closure": [0.5, np.nan], "grid": [0.05, 0.01]}
    resolved = {"sampling": [1, 1], "closure": [1, 0], "grid": [0, 1]}
    ax = plot_budget(["W1", "loss"], parts, total=[0.6, 0.3], floor=[0.1, 0.2], resolved=resolved)
    bars = [list(container) for container in ax.containers]
    assert [b[0].get_width() for b in bars] == pytest.approx([0.1, 0.5, 0.05])
    assert [b[0].get_x() for b in bars] == pytest.approx([0.0, 0.1, 0.6])
    assert bars[1][1].get_width() == 0.0  # a cause that does not apply
    assert bars[2][1].get_x() == pytest.approx(0.2)
    assert bars[2][0].get_alpha() < 1.0 == bars[1][0].get_alpha()
    marks = sorted(float(np.asarray(line.get_xdata())[0]) for line in ax.lines)
    assert marks == pytest.approx([0.1, 0.2, 0.3, 0.6])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["W1", "loss"]
    assert bars[0][0].get_y() > bars[0][1].get_y()  # the first label is on top
    assert {"total distance", "sampling floor", *parts} == set(ax.get_legend_handles_labels()[1])


def test_orders_stand_in_the_legend():
    h = np.array([0.1, 0.05, 0.025])
    ax = plot_orders(h, {"sme1": h, "sme2": h**2}, orders={"sme1": 1.0, "sme2": 2.0})
    assert ax.get_legend_handles_labels()[1] == ["sme1, slope 1.00", "sme2, slope 2.00"]
    np.testing.assert_array_equal(np.asarray(ax.lines[1].get_ydata()), h**2)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
