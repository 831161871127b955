"""Pooled outputs are blind to mean field, weights, probes and losses are not; the joint law agrees everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.errors import ConfigError
from fpsim.scenario import load_scenario, report, run, shortfalls

WEIGHTS_AND_MORE = ("density W1", "density W2", "output at the probe", "loss")


@pytest.fixture(scope="module")
def tree():
    return run(load_scenario("blind-spot", quick=True))


def z(tree):
    return tree["comparison"].to_dataset()["z"]


def test_pooled_outputs_are_blind(tree):
    """By no distance: eight of them, z = 4 allows for their skewness."""
    assert float(z(tree).sel(law="mean-field", quantity="pooled outputs").max()) < 4


def test_everything_else_sees(tree):
    for quantity in WEIGHTS_AND_MORE:
        assert float(z(tree).sel(law="mean-field", quantity=quantity, measure="total_variation")) > 10
    for quantity in ("output at the probe", "loss"):
        assert float(z(tree).sel(law="paired at random", quantity=quantity, measure="total_variation")) > 10


def test_the_equation_without_closure_agrees(tree):
    assert float(z(tree).sel(law="joint").max()) < 5
    assert shortfalls(tree) == ()


def test_widths_against_known_ones(tree):
    """Known for such a network: true width .06, mean field .009, correlation -.97 (starts and noise alike)."""
    laws = tree["laws"].to_dataset()
    std = laws["std"].sel(weight="W1_1_1")
    assert 0.05 < float(std.sel(source="ensemble")) < 0.08
    assert float(std.sel(source="ensemble") / std.sel(source="mean-field")) > 4
    assert float(laws["correlation"].sel(source="ensemble")) == pytest.approx(-0.97, abs=0.02)


def test_pooled_density_against_moments(tree):
    """``E y^2 = E b_1^2 a^T C a`` under pairing at random: products of the moments of either matrix."""
    laws = tree["laws"].to_dataset()
    y, p = laws["output"].values, laws["pooled"].sel(source="paired at random").values
    step = y[1] - y[0]
    assert p.sum() * step == pytest.approx(1.0, abs=1e-6)
    std = laws["std"].sel(source="paired at random")
    assert (p * y**2).sum() * step == pytest.approx(2.0, rel=0.1)  # variances 2 and .8, weights near the optimum (1, 0)
    assert np.isfinite(std).all()


def test_table_and_refusals(tree):
    assert "independent outputs would be needed" in report(tree)
    for key, value in (("sgd.sampling", "iid"), ("start.mean", [0.1, 0.2, 0.3]), ("population.variances", [1.0])):
        with pytest.raises(ConfigError, match=key):
            load_scenario("blind-spot", changes={key: value})
