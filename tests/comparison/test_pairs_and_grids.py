"""What is not independent sampling: shared random numbers, densities on other grids, two theories."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.stats import norm

from fpsim.comparison import DISTANCES, compare_densities, compare_density, compare_ensembles, compare_samples
from fpsim.datasets import digits
from fpsim.density import Density, Grid, gaussian
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError

# --- shared random numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("ndim", [1, 2])
def test_identical_samples_that_share_random_numbers(distance, ndim):
    x = np.random.default_rng(1).normal(size=(1000, ndim))
    found = compare_samples(x, x.copy(), observable="x", distance=distance, paired=True)
    assert found.z == 0.0
    assert found.excess == pytest.approx(0.0, abs=1e-12)
    assert found.claim().verdict == "holds"


@pytest.mark.parametrize("distance", ["total_variation", "wasserstein", "mean"])
def test_floor_of_pairs_is_that_of_pairs(distance):
    """Pairs of correlation .95 from one law: z is standard; the independent floor is far off."""
    z, apart = [], []
    for seed in range(60):
        common, own = np.random.default_rng(seed).normal(size=(2, 600)), np.random.default_rng(1000 + seed)
        a, b = (np.sqrt(0.95) * common[0] + np.sqrt(0.05) * own.normal(size=600) for _ in range(2))
        z.append(compare_samples(a, b, observable="x", distance=distance, paired=True, rng=seed).z)
        apart.append(compare_samples(a, b, observable="x", distance=distance, rng=seed).z)
    assert abs(np.mean(z)) < 4.0 / 60**0.5
    assert 0.6 < np.std(z) < 1.4
    assert np.mean(apart) < -0.5


def test_pairs_see_a_shift_that_independent_samples_do_not():
    rng = np.random.default_rng(2)
    a = rng.normal(size=2000)
    b = a + 0.03 + 0.02 * rng.normal(size=2000)
    assert compare_samples(a, b, observable="x", distance="mean", paired=True).z > 10.0
    assert compare_samples(a, b, observable="x", distance="mean").z < 3.0


@dataclass
class Trained:
    """An ensemble of one 1 x 2 matrix."""

    w: np.ndarray
    key: int | None = 5
    first_replica: int = 0
    times: np.ndarray = field(default_factory=lambda: np.array([0.0, 1.0]))

    @property
    def weights(self):
        return {"W1": np.stack([0.0 * self.w, self.w])[:, :, None, :]}


def test_ensembles_say_their_key():
    w = np.random.default_rng(3).normal(size=(800, 2))
    same = compare_ensembles(Trained(w), Trained(w), matrix="W1")
    assert same.details["paired"]
    assert (same.z, same.value, same.time) == (0.0, 0.0, 1.0)
    later = compare_ensembles(Trained(w), Trained(w[200:], first_replica=200), matrix="W1")
    assert later.z == 0.0
    assert later.details["replicas"] == (600, 600)
    for other in (Trained(w, key=6), Trained(w, key=None), Trained(w, first_replica=5000)):
        found = compare_ensembles(Trained(w, key=other.key if other.key is None else 5), other, matrix="W1")
        assert not found.details["paired"]
        assert found.floor > 0.0


def test_trained_ensembles_at_two_temperatures():
    """At t = 0 the weights of one key are identical, whatever the temperature; later they differ, as pairs can tell."""
    experiments = [
        Experiment(digits(2), BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=T), Start.gaussian(0.5, 0.2))
        for T in (0.0, 0.02)
    ]
    one, other = (train(e, replicas=1000, times=[0.0, 2.0], rng=7) for e in experiments)
    begin = compare_ensembles(one, other, matrix="W1", time=0.0)
    assert begin.details["paired"]
    assert begin.z == 0.0
    assert compare_ensembles(one, other, matrix="W1", distance="covariance").z > 4.0


def test_diverged_replicas_leave_with_their_partner():
    w = np.random.default_rng(3).normal(size=(800, 2))
    hurt = w.copy()
    hurt[[3, 70]] = np.nan
    found = compare_ensembles(Trained(w), Trained(hurt), matrix="W1")
    assert found.details["diverged"] == 2
    assert found.details["replicas"] == (798, 798)
    assert found.z == 0.0


def test_ensembles_that_cannot_be_compared():
    w = np.random.default_rng(3).normal(size=(100, 2))
    with pytest.raises(DomainError, match=r"a time in common: 0, 1 and 5, 6 are recorded"):
        compare_ensembles(Trained(w), Trained(w, times=np.array([5.0, 6.0])), matrix="W1")
    with pytest.raises(DomainError, match=r"the time 0\.5"):
        compare_ensembles(Trained(w), Trained(w), matrix="W1", time=0.5)
    with pytest.raises(DomainError, match="accepted are W1"):
        compare_ensembles(Trained(w), Trained(w), matrix="W3")
    with pytest.raises(DomainError, match="shapes"):
        compare_ensembles(Trained(w), Trained(w[:, :1]), matrix="W1")
    with pytest.raises(DomainError, match="equally many"):
        compare_samples(w, w[:50], observable="x", paired=True)


# --- two theories ----------------------------------------------------------------------------------------------------


def line(cells, low=-4.0, high=4.0):
    return Grid((low,), (high,), (cells,))


BINNED = ("total_variation", "kullback_leibler", "hellinger")


@pytest.mark.parametrize("distance", BINNED)
def test_two_theories_have_no_sampling_floor(distance):
    p = gaussian(line(200), 0.2, 0.5)
    same = compare_densities(p, p, observable="x", distance=distance)
    assert (same.value, same.floor, same.z) == (0.0, 0.0, 0.0)
    assert same.claim().verdict == "holds"
    other = compare_densities(p, gaussian(line(200), 0.25, 0.5), observable="x", distance=distance)
    assert (other.floor, other.z) == (0.0, math.inf)
    shift = 0.05 / 0.5**0.5
    exact = {
        "total_variation": 2 * norm.cdf(shift / 2) - 1,
        "kullback_leibler": shift**2 / 2,
        "hellinger": math.sqrt(1 - math.exp(-(shift**2) / 8)),
    }
    assert other.value == pytest.approx(exact[distance], rel=5e-3)
    stated = compare_densities(p, gaussian(line(200), 0.25, 0.5), observable="x", distance=distance, errors=(0.01, 0))
    assert stated.z == pytest.approx(other.value / 0.01)


@pytest.mark.parametrize(("cells", "box"), [(400, (-4, 4)), (150, (-4, 4)), (170, (-4.3, 3.9)), (90, (-3.5, 4.5))])
@pytest.mark.parametrize("distance", BINNED)
def test_one_density_on_two_grids_agrees(cells, box, distance):
    """Exact cell averages of one normal law on other cells: what differs is the stated regridding error."""

    def exact(grid):
        return Density(grid, np.diff(norm.cdf(grid.edges[0], 0.2, 0.4)) / grid.cell_volume)

    found = compare_densities(exact(line(200)), exact(line(cells, *box)), observable="x", distance=distance)
    assert found.z <= 1.0
    assert found.value <= 2e-3
    if cells == 400:  # every face is common
        assert found.details["regridding"] < 1e-7
        assert found.value < 1e-7


def test_planes_on_two_grids():
    one = gaussian(Grid((-3, -3), (3, 3), (60, 60)), (0.3, 0.1), 0.4)
    other = gaussian(Grid((-3, -3), (3, 3), (44, 60)), (0.3, 0.1), 0.4)
    away = gaussian(Grid((-3, -3), (3, 3), (44, 60)), (0.6, 0.1), 0.4)
    assert compare_densities(one, other, observable="x").z <= 1.0
    assert compare_densities(one, away, observable="x").z > 10.0


# --- histograms of ensembles -----------------------------------------------------------------------------------------


def histogram(x, grid):
    return Density(grid, np.histogram(x, grid.edges[0])[0] / len(x) / grid.cell_volume)


@pytest.mark.parametrize("cells", [200, 160, 130])
def test_histograms_on_two_grids(cells):
    """Independent ensembles of one law: z stays near zero whatever the grids; identical weights raise no alarm."""
    z = []
    for seed in range(40):
        a, b = np.random.default_rng(seed).normal(0.1, 0.8, size=(2, 2000))
        p, q = histogram(a, line(200)), histogram(b, line(cells))
        z.append(compare_densities(p, q, observable="x", replicas=(2000, 2000)).z)
        same = compare_densities(p, histogram(a, line(cells)), observable="x", replicas=(2000, 2000))
        assert same.z < 0.0
    assert max(z) < 4.0
    assert np.mean(z) < 4.0 / 40**0.5
    if cells == 200:
        assert abs(np.mean(z)) < 4.0 / 40**0.5
    a, b = np.random.default_rng(99).normal(size=(2, 20_000))
    moved = compare_densities(
        histogram(0.8 * a, line(200)), histogram(0.8 * b + 0.2, line(cells)), observable="x", replicas=(20_000, 20_000)
    )
    assert moved.z > 10.0


def test_histogram_against_a_theory():
    theory, z = gaussian(line(200), 0.0, 0.64), []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(0.0, 0.8, size=2000)
        z.append(compare_densities(theory, histogram(x, line(200)), observable="x", replicas=(math.inf, 2000)).z)
    assert abs(np.mean(z)) < 4.0 / 40**0.5
    assert 0.6 < np.std(z) < 1.5


def test_refusals():
    p = gaussian(line(40), 0.0, 0.5)
    with pytest.raises(DomainError, match="total_variation, kullback_leibler, hellinger"):
        compare_densities(p, p, observable="x", distance="wasserstein")
    with pytest.raises(DomainError, match="1 and 2 coordinates"):
        compare_densities(p, gaussian(Grid((0, 0), (1, 1), (4, 4)), (0.5, 0.5), 0.02), observable="x")
    with pytest.raises(DomainError, match="at least 2"):
        compare_densities(p, p, observable="x", replicas=(1, 100))


def test_comparisons_are_records_that_pickle():
    theory, x = gaussian(line(200), 0.0, 0.64), np.random.default_rng(0).normal(0.0, 0.8, size=2000)
    found = compare_density(theory, x, observable="w", time=2.0)
    for twin in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert twin == found
        with pytest.raises(TypeError):
            twin.details["bins"] = 1
    claim = found.claim(tolerance=0.1)
    assert claim.name == "w, t = 2: total variation"
    assert claim.verdict == "holds"
    assert compare_density(theory, x + 0.3, observable="w").claim(expected="fails").met
