"""The error budget on chains of normal laws whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from fpsim.comparison import DISTANCES, Refinement, Stage, error_budget
from fpsim.density import Grid, gaussian
from fpsim.support.errors import DomainError

GRID = Grid.box((-6.0, 6.0, 240))
COUNT = 40000


def replicas(mean, seed):
    return np.random.default_rng(seed).normal(mean, 1.0, COUNT)


def chain(shifts=(0.0, 0.3, 0.3, 0.45)):
    names = ("SGD", "Gaussian noise", "sme2c", "mean field")
    sources = ("", "non-Gaussian noise", "order", "closure")
    laws = [replicas(m, i) for i, m in enumerate(shifts[:-1])] + [gaussian(GRID, shifts[-1], 1.0)]
    return [Stage(n, law, s) for n, law, s in zip(names, laws, sources, strict=True)]


def total_variation(shift):
    return 2 * norm.cdf(abs(shift) / 2) - 1


def test_links_have_their_exact_lengths():
    budget = error_budget(chain(), observable="w", time=1.5)
    rows = {row.source: row for row in budget.rows}
    assert list(rows) == ["sampling", "non-Gaussian noise", "order", "closure"]
    assert budget.total == pytest.approx(total_variation(0.45), abs=0.01)
    assert rows["non-Gaussian noise"].error == pytest.approx(total_variation(0.3), abs=0.01)
    assert rows["closure"].error == pytest.approx(total_variation(0.15), abs=0.01)
    assert not rows["order"].resolved
    assert rows["order"].error < rows["order"].floor
    assert rows["sampling"].distance == budget.floor
    assert sum(row.share for row in budget.rows) == pytest.approx(1.0)


def test_the_sentence_names_the_leading_cause_and_what_is_hidden():
    budget = error_budget(chain(), observable="w", time=1.5)
    assert budget.leading == "non-Gaussian noise"
    assert not budget.cancels
    assert budget.sentence.startswith("w at t = 1.5: SGD and mean field differ by 0.18 in total variation")
    assert "the leading cause is non-Gaussian noise" in budget.sentence
    assert budget.sentence.endswith("within their own floor: order.")
    assert "within its floor" in str(budget)
    assert len(str(budget).splitlines()) == 6


@pytest.mark.parametrize("name", DISTANCES)
def test_every_distance_finds_the_largest_shift(name):
    """The covariances of shifted laws are equal, so that distance rightly sees nothing."""
    budget = error_budget(chain(), observable="w", distance=name)
    assert budget.leading == ("sampling" if name == "covariance" else "non-Gaussian noise")


def test_theory_that_holds_is_said_to_hold():
    budget = error_budget(chain((0.0, 0.0, 0.0, 0.0)), observable="w")
    assert budget.leading == "sampling"
    assert "agree within sampling" in budget.sentence


def test_what_is_seen_is_never_laid_on_sampling():
    # many small shifts: the total is far beyond its floor although each part is within or near its own
    shifts = np.linspace(0.0, 0.06, 7)
    laws = [replicas(m, i) for i, m in enumerate(shifts[:-1])] + [gaussian(GRID, shifts[-1], 1.0)]
    stages = [Stage(f"law {i}", law, f"cause {i}" if i else "") for i, law in enumerate(laws)]
    budget = error_budget(stages, observable="w", distance="kolmogorov_smirnov")
    assert budget.z > 3.0
    assert budget.leading != "sampling"
    assert budget.leading in budget.sentence


def test_opposite_errors_are_seen_to_cancel():
    """A wrong noise and a wrong closure that undo each other: the total agrees, the links do not."""
    budget = error_budget(chain((0.0, 0.4, 0.4, 0.06)), observable="w")
    assert budget.cancels
    assert budget.total < 0.06
    assert "opposite sign" in budget.sentence


def test_a_coarse_solution_far_off_cancels_nothing():
    # the only link is the total itself; the coarse grid is further off, which is not an error of the fine one
    stages = [Stage("SGD", replicas(0.1, 0)), Stage("joint", gaussian(GRID, 0.02, 1.0), "closure")]
    coarse = gaussian(GRID.with_shape((120,)), 0.3, 1.0)
    budget = error_budget(stages, observable="w", refinements=[Refinement("grid", coarse, order=4.0)])
    assert budget.rows[-1].distance > 2.0 * budget.total > 5.0 * budget.rows[-1].error
    assert not budget.cancels


@pytest.mark.parametrize(("name", "exact"), [("wasserstein", 0.02), ("total_variation", total_variation(0.02))])
def test_grid_error_by_richardson(name, exact):
    """A scheme of second order: the mean is off by 0.02 at h, by 0.08 at 2h."""
    stages = [Stage("SGD", replicas(0.5, 0)), Stage("joint", gaussian(GRID, 0.02, 1.0), "closure")]
    coarse = gaussian(GRID.with_shape((120,)), 0.08, 1.0)
    budget = error_budget(stages, observable="w", distance=name, refinements=[Refinement("grid", coarse)])
    row = budget.rows[-1]
    assert row.source == "grid"
    assert row.floor == 0.0
    assert row.error == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("name", ["total_variation", "wasserstein"])
def test_a_density_in_the_middle_of_the_chain(name):
    """Between samples bins come from the samples, and the density is seen through them."""
    stages = [
        Stage("SGD", replicas(0.0, 0)),
        Stage("joint", gaussian(GRID, 0.4, 1.0), "order"),
        Stage("leaf", replicas(0.4, 1), "closure"),
    ]
    budget = error_budget(stages, observable="w", distance=name)
    rows = {row.source: row for row in budget.rows}
    exact = {"total_variation": total_variation(0.4), "wasserstein": 0.4}[name]
    assert rows["order"].distance == pytest.approx(exact, abs=0.02)
    assert not rows["closure"].resolved


def test_planes_and_bins():
    rng = np.random.default_rng(0)
    a, b = (rng.multivariate_normal((m, 0.0), np.eye(2), 5000) for m in (0.0, 0.5))
    plane = gaussian(Grid.box((-5.0, 5.0, 60), (-5.0, 5.0, 60)), (0.5, 0.5), 1.0)
    stages = [Stage("SGD", a), Stage("sme1", b, "order"), Stage("mean field", plane, "closure")]
    coarse, fine = (error_budget(stages, observable="W1", bins=n) for n in (32, 256))
    assert coarse.total == pytest.approx(total_variation(0.5 * np.sqrt(2.0)), abs=0.06)
    assert coarse.floor < 0.5 * fine.floor


def test_a_narrow_theory_and_a_wide_experiment_are_both_resolved():
    """Exact: N(0, 1) against N(0, 0.05^2) have total variation 0.9035; a shift of the wide law by 0.3 is still seen."""
    rng = np.random.default_rng(3)
    wide, moved = rng.normal(0.0, 1.0, COUNT), rng.normal(0.3, 1.0, COUNT)
    narrow = gaussian(Grid.box((-6.0, 6.0, 1600)), 0.0, 0.05**2)
    stages = [Stage("SGD", wide), Stage("shifted", moved, "noise"), Stage("mean field", narrow, "closure")]
    rows = {row.source: row for row in error_budget(stages, observable="w").rows}
    cross = 0.05 * np.sqrt(2 * np.log(1 / 0.05) / (1 - 0.05**2))  # the densities are equal at +- this
    exact = (2 * norm.cdf(cross / 0.05) - 1) - (2 * norm.cdf(cross) - 1)
    assert error_budget(stages, observable="w").total == pytest.approx(exact, abs=0.02)
    assert rows["noise"].error == pytest.approx(total_variation(0.3), abs=0.015)


def test_replicas_with_several_points_are_resampled_whole():
    """Six outputs with half their variance in common: floors are those of replicas, far above those of points."""
    rng = np.random.default_rng(1)

    def outputs(shift):
        return shift + (rng.normal(size=(1500, 1, 1)) + rng.normal(size=(1500, 6, 1))) / np.sqrt(2.0)

    same, moved = outputs(0.0), outputs(0.4)
    stages = [Stage("SGD", outputs(0.0)), Stage("Gaussian noise", same, "noise"), Stage("theory", moved, "closure")]
    budget = error_budget(stages, observable="y", bins=16)
    rows = {row.source: row for row in budget.rows}
    assert not rows["noise"].resolved
    assert rows["closure"].error == pytest.approx(total_variation(0.4), abs=0.03)
    flat = [Stage(s.name, np.asarray(s.distribution)[..., 0].ravel(), s.source) for s in stages]
    of_means = [error_budget(chain, observable="y", distance="mean").floor for chain in (stages, flat)]
    # 256 resamples know a floor to 5 %; the shift between the pooled samples adds 3 % to the replicas' spread
    assert of_means[0] / of_means[1] == pytest.approx(np.sqrt(1 + 5 / 2), rel=0.2)
    with pytest.raises(DomainError, match="several points for each replica"):
        error_budget([stages[0], Stage("theory", gaussian(GRID, 0.0, 1.0), "closure")], observable="y")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (chain()[:1], "at least two"),
        ([chain()[0], Stage("b", replicas(0, 1), "")], "a different name for every link"),
        ([chain()[0], Stage("b", replicas(0, 1), "sampling")], "'sampling' is taken"),
        ([chain()[3], Stage("b", gaussian(GRID, 0.0, 1.0), "grid")], "at least one sample"),
        ([chain()[0], Stage("b", np.zeros((9, 2)), "x")], "equal numbers"),
        ([chain()[0], Stage("b", np.array([0.0, np.nan, 1.0]), "x")], "1 of 3 points of b are not finite"),
    ],
)
def test_bad_chains_are_refused_in_words(stages, message):
    with pytest.raises(DomainError, match=message):
        error_budget(stages, observable="w")


def test_a_refinement_needs_a_density():
    stages = [Stage("SGD", replicas(0, 0)), Stage("sme1", replicas(0, 1), "order")]
    with pytest.raises(DomainError, match="the last stage is a sample"):
        error_budget(stages, observable="w", refinements=[Refinement("grid", gaussian(GRID, 0.0, 1.0))])
