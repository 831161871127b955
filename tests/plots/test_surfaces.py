"""What the pictures of surfaces draw: reference slopes, bars of four errors, laws on their histogram."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.plots import plot_measured
from fpsim.plots.surfaces import plot_against_limit, plot_estimates, plot_growth, plot_power


def test_reference_lines_have_the_slope_that_they_are_said_to_have():
    x = np.array([64.0, 128.0, 256.0])
    ax = plot_power(x, {"residual": 3.0 * x**-1.5}, slope=-2.0, label="slope -2")
    reference = ax.lines[1]
    assert np.polyfit(np.log(x), np.log(reference.get_ydata()), 1)[0] == pytest.approx(-2.0)
    assert reference.get_ydata()[0] == pytest.approx(3.0 * 64.0**-1.5)
    ax = plot_growth(x, {"KPZ": x**0.7}, {"KPZ": 2 / 3})
    assert np.polyfit(np.log(x), np.log(ax.lines[1].get_ydata()), 1)[0] == pytest.approx(2 / 3)
    assert ax.lines[1].get_label() == "β = 0.333: slope 0.667"


def test_bars_are_four_standard_errors():
    ax = plot_measured([1.0, 2.0], [5.0, 6.0], [0.1, 0.2], label="w")
    bars = np.array(ax.containers[0].lines[2][0].get_segments())[:, :, 1]
    assert np.allclose(bars, [[4.6, 5.4], [5.2, 6.8]])
    ax = plot_estimates(["a", "b"], [2.0, 2.1], [0.01, 0.02], truth=2.0)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]


def test_histogram_is_a_density():
    draws = np.random.default_rng(1).standard_normal(100_000)
    counts, edges = np.histogram(draws, np.linspace(-6, 6, 61))
    s = np.linspace(-5, 5, 101)
    ax = plot_against_limit(edges, counts, s, {"Gaussian": np.exp(-s * s / 2) / np.sqrt(2 * np.pi)})
    values = ax.patches[0].get_data().values
    middle = 0.5 * (edges[1:] + edges[:-1])
    near = np.abs(middle) < 2
    assert np.allclose(values[near], np.exp(-(middle[near] ** 2) / 2) / np.sqrt(2 * np.pi), rtol=0.1)
    assert np.nansum(values) * 0.2 == pytest.approx(1.0)
