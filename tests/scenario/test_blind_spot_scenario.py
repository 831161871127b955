"""Pooled outputs are blind to mean field, weights, probes and losses are not; the joint law agrees everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.stats import norm

from fpsim.scenario import Results, load_scenario, report, run, run_shortfalls
from fpsim.studies.output_mixtures import mixture_blocks, mixture_distance, outputs_needed
from fpsim.support.errors import ConfigError
from fpsim.uncertainty.verdict import judged_together, shortfalls

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
    assert run_shortfalls(tree) == ()


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


def test_a_mixture_is_the_mean_of_its_replicas():
    y = np.linspace(-1.0, 1.0, 5)
    for count in (3, 64, 128):
        widths = np.linspace(0.5, 2.0, count)
        exact = np.mean([norm.pdf(y, scale=w) for w in widths], axis=0)
        np.testing.assert_allclose(mixture_blocks(widths, y).mean(axis=0), exact, rtol=1e-12)


def distances_of_mixtures(other, repeats, replicas=2_048):
    """Between samples of widths uniform on (.8, 1.2) and of widths uniform on another interval."""
    rng, y = np.random.default_rng(5), np.linspace(-6.0, 6.0, 121)
    found = []
    for _ in range(repeats):
        pair = (mixture_blocks(rng.uniform(*ends, replicas), y) for ends in ((0.8, 1.2), other))
        found.append(mixture_distance(*pair, y[1] - y[0], rng))
    return (np.array([one[key] for one in found]) for key in ("distance", "floor", "spread", "error"))


def test_floor_of_equal_mixtures_is_their_distance():
    distance, floor, spread, _ = distances_of_mixtures((0.8, 1.2), 60)
    assert abs(distance.mean() - floor.mean()) < 4.0 * distance.std() / np.sqrt(60)
    assert distance.std() == pytest.approx(spread.mean(), rel=0.4)


def test_distance_of_other_mixtures_freed_of_its_floor_is_the_exact_one():
    """Total variation by quadrature; the distance itself is too large, since widths are sampled."""
    other = (0.803, 1.203)

    def gap(y):
        density = [quad(lambda w, y=y: norm.pdf(y, scale=w), *ends)[0] / 0.4 for ends in ((0.8, 1.2), other)]
        return density[1] - density[0]

    y = np.linspace(0.0, 8.0, 161)
    exact = float(np.trapezoid([abs(gap(one)) for one in y], y))
    distance, floor, spread, _ = distances_of_mixtures(other, 200)
    square = distance**2 - floor**2 - spread**2
    assert abs(square.mean() - exact**2) < 4.0 * square.std() / np.sqrt(200)
    assert (distance**2).mean() - exact**2 > 4.0 * square.std() / np.sqrt(200)


def test_error_of_the_distance_of_other_mixtures():
    distance, _, _, error = distances_of_mixtures((0.82, 1.22), 60)
    assert error.mean() == pytest.approx(distance.std(), rel=0.4)


def test_outputs_that_are_needed():
    """n grows as 1 / e^2 with the excess e; within the floor there is only a bound."""
    known = {"floor": 8e-2, "spread": 1e-3, "error": 2e-3, "of": (0.03, 0.01), "outputs": 1_000}
    found = outputs_needed(9e-2, **known)
    excess = (9e-2**2 - 8e-2**2 - 1e-3**2) ** 0.5
    assert found.excess == pytest.approx(excess)
    assert found.error == pytest.approx(9e-2 * 2e-3 / excess)
    # at n outputs, floor and spread as n^(-1/2), the excess in quadrature stands three spreads above the floor
    for count, e in ((found.fewest, excess + found.error), (found.most, excess - found.error)):
        floor, spread = (x * (1_000 / count) ** 0.5 for x in known["of"])
        assert np.hypot(e, floor) == pytest.approx(floor + 3.0 * spread)
    within = outputs_needed(8.2e-2, **known)
    assert within.most == np.inf
    assert within.excess == pytest.approx((8.8e-2**2 - 8e-2**2) ** 0.5)


def test_sentences_say_what_the_numbers_are(tree):
    """A difference that is resolved is told with its error; a claim that fails is told as well."""
    laws = tree["laws"].to_dataset().copy(deep=True)
    for key, value in {"distance": 9e-2, "floor": 8e-2, "spread": 1e-3, "error": 2e-3}.items():
        laws[f"pooled_{key}"].loc["mean-field"] = value
    comparison = tree["comparison"].to_dataset().copy(deep=True)
    comparison["value"].loc["joint", "loss", "total_variation"] += 0.1
    again = Results(xr.DataTree.from_dict({"/laws": laws, "/comparison": comparison}))
    scenario = load_scenario("blind-spot", quick=True)
    assert "differ by 0.041 ± 0.004" in " ".join(scenario.conclusions(scenario.parameters, again))
    (line,) = shortfalls(judged_together(scenario.claims(scenario.parameters, again)))
    assert line.startswith("claim joint: loss")


def test_what_is_done_is_not_done_again(tree):
    """A run that ended after its first stage goes on to the same bits, with one thread."""
    part = xr.DataTree.from_dict({"/laws": tree["laws"].to_dataset()})
    found = run(load_scenario("blind-spot", quick=True), threads=1, done=part)
    xr.testing.assert_identical(found["comparison"].to_dataset(), tree["comparison"].to_dataset())


def test_table_and_refusals(tree):
    assert "independent outputs would be needed" in report(tree)
    for key, value in (("sgd.sampling", "iid"), ("start.mean", [0.1, 0.2, 0.3]), ("population.variances", [1.0])):
        with pytest.raises(ConfigError, match=key):
            load_scenario("blind-spot", changes={key: value})
