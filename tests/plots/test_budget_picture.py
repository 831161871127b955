"""Budgets, densities of several sources, medians and convergence plots draw the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.plots import plot_budget, plot_sources
from fpsim.plots.convergence import plot_orders
from fpsim.plots.stationary_states import plot_medians, plot_way_to_valley


def test_bars_lie_beneath_each_other_and_totals_are_marked():
    parts = {"sampling": [0.1, 0.2], "closure": [0.5, np.nan], "grid": [0.05, 0.01]}
    resolved = {"sampling": [1, 1], "closure": [1, 0], "grid": [0, 1]}
    ax = plot_budget(["W1", "loss"], parts, total=[0.6, 0.3], floor=[0.1, 0.2], resolved=resolved)
    bars = [list(container) for container in ax.containers]
    assert [b[0].get_width() for b in bars] == pytest.approx([0.1, 0.5, 0.05])
    assert all(bar.get_x() == 0.0 for one in bars for bar in one)
    places = [one[0].get_y() for one in bars]
    assert places == sorted(places, reverse=True)
    assert -np.diff(places) == pytest.approx(bars[0][0].get_height())
    assert bars[1][1].get_width() == 0.0  # a cause that does not apply
    assert bars[2][0].get_alpha() < 1.0 == bars[1][0].get_alpha()
    marks = sorted(float(np.asarray(line.get_xdata())[0]) for line in ax.lines)
    assert marks == pytest.approx([0.1, 0.2, 0.3, 0.6])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["W1", "loss"]
    assert bars[0][0].get_y() > bars[0][1].get_y()  # the first label is on top
    assert {"total distance", "sampling floor", *parts} == set(ax.get_legend_handles_labels()[1])


def test_a_density_that_would_hide_others_is_cut_and_its_height_told():
    x, broad = np.linspace(0.0, 1.0, 5), np.array([0.0, 1.0, 2.0, 1.0, 0.0])
    ax = plot_sources(x, {"ensemble": broad, "mean-field": 10.0 * broad, "joint": broad})
    assert ax.get_ylim() == pytest.approx((0.0, 4.4))
    assert [text.get_text() for text in ax.texts] == ["mean field reaches 20"]
    assert plot_sources(x, {"ensemble": broad, "joint": broad}).get_ylim() == pytest.approx((0.0, 2.2))


def test_medians_and_the_way_to_the_valley():
    rates = np.array([1.0, 2.0, 3.0])
    ax = plot_medians(rates, [1.0, 0.1, 0.01], [0.5, 0.05, 0.005], [2.0, 0.2, 0.02], (rates, [1.0, 0.1, 0.0]))
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), [1.0, 2.0])  # the curve ends where it would vanish
    assert ax.get_yscale() == "log"
    w = np.arange(12.0).reshape(4, 3)
    way = plot_way_to_valley([0.0, 1.0, 2.0, 3.0], w, -w)
    assert [line.get_label() for line in way.lines] == ["t = 0", "t = 3"]  # 15 % of three steps is the start
    np.testing.assert_array_equal(way.lines[-1].get_ydata(), -w[3])


def test_orders_stand_in_the_legend():
    h = np.array([0.1, 0.05, 0.025])
    ax = plot_orders(h, {"sme1": h, "sme2": h**2}, orders={"sme1": 1.0, "sme2": 2.0})
    assert ax.get_legend_handles_labels()[1] == ["sme1, slope 1.00", "sme2, slope 2.00"]
    np.testing.assert_array_equal(np.asarray(ax.lines[1].get_ydata()), h**2)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
