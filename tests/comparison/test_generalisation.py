"""Training loss, test loss and gap: every sequence of batches, closed moments, both roads of one experiment."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
from scipy.stats import norm

from fpsim.closures import joint, joint_start
from fpsim.comparison import Observable, draw_weights, generalisation
from fpsim.datasets import GaussianPopulation, digits, from_array
from fpsim.density import GaussianMixture
from fpsim.ensemble import train
from fpsim.evolution import evolve_mixture
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder
from fpsim.support.errors import DomainError

SEEN = np.array([[1.0, 0.3], [-0.4, 0.9], [0.2, -1.1], [1.3, 0.8]])
UNSEEN = np.array([[0.7, -0.2], [-1.0, 0.1], [0.5, 1.2]])
BEGIN = {"W1": np.array([[0.6, 0.1]]), "W2": np.array([[0.3], [0.5]])}


def mean_loss(w1, w2, x):
    return np.mean([0.5 * np.sum((w2 @ (w1 @ row) - row) ** 2) for row in x])


def sgd_by_hand(rows, eta):
    w1, w2 = BEGIN["W1"].copy(), BEGIN["W2"].copy()
    for x in rows:
        h = w1 @ x
        r = w2 @ h - x
        w1, w2 = w1 - eta * np.outer(w2.T @ r, x), w2 - eta * np.outer(r, h)
    return mean_loss(w1, w2, SEEN), mean_loss(w1, w2, UNSEEN)


def test_an_ensemble_against_every_sequence_of_batches():
    experiment = Experiment(
        from_array(SEEN), BottleneckAutoEncoder(2, 1), SGD(0.2, 1), Start.point(BEGIN), test=from_array(UNSEEN)
    )
    ensemble = train(experiment, replicas=40_000, steps=[3], rng=1)
    w1, w2 = ensemble.weights["W1"][0], ensemble.weights["W2"][0]
    found = generalisation(experiment.network, w1, w2, train=experiment.data.x, test=experiment.test.x)
    every = np.array([sgd_by_hand(SEEN[list(order)], 0.2) for order in itertools.product(range(4), repeat=3)])
    truth = np.column_stack([every, every[:, 1] - every[:, 0]])
    for observable, values in zip((found.train, found.test, found.gap), truth.T, strict=True):
        assert abs(observable.mean.value - values.mean()) < 4.0 * observable.mean.error
        assert abs(observable.std.value - values.std()) < 4.0 * observable.std.error
        share = np.mean(observable.values < np.median(values) + 1e-9)
        exact = np.mean(values < np.median(values) + 1e-9)
        assert abs(share - exact) < 4.0 * np.sqrt(exact * (1.0 - exact) / 40_000)
    assert "test loss" in str(found)


def test_draws_from_a_mixture_against_its_moments():
    """d = k = 1, linear: ``L = c (a b - 1)^2 / 2`` is a polynomial, whose mean the mixture knows without drawing."""
    rng = np.random.default_rng(2)
    roots = 0.2 * rng.normal(size=(30, 2, 2))
    mixture = GaussianMixture(
        np.full(30, 1 / 30), rng.normal(0.8, 0.4, (30, 2)), roots @ roots.swapaxes(1, 2) + 0.01 * np.eye(2)
    )
    seen, unseen = rng.normal(size=(20, 1)), 1.3 * rng.normal(size=(10, 1))
    network = BottleneckAutoEncoder(1, 1)
    w1, w2 = draw_weights(mixture, 100_000, network=network, rng=3)
    found = generalisation(network, w1, w2, train=seen, test=unseen)
    square = mixture.moment(0, 0, 1, 1) - 2.0 * mixture.moment(0, 1) + 1.0
    for observable, c in ((found.train, np.mean(seen**2)), (found.test, np.mean(unseen**2))):
        assert abs(observable.mean.value - 0.5 * c * square) < 4.0 * observable.mean.error
    gap = 0.5 * (np.mean(unseen**2) - np.mean(seen**2)) * square
    assert abs(found.gap.mean.value - gap) < 4.0 * found.gap.mean.error


def test_joint_law_and_ensemble_have_one_gap():
    seen, unseen = digits(2).split(0.3, rng=4)
    experiment = Experiment(
        seen, BottleneckAutoEncoder(2, 1), SGD(0.05, 8, temperature=0.002), Start.gaussian(0.0, 0.5), test=unseen
    )
    law = evolve_mixture(joint(experiment, order="sme2"), joint_start(experiment), [2.0], components=4096, width=0.15,
                         rng=5, estimate_errors=False)  # fmt: skip
    ensemble = train(experiment, replicas=100_000, times=[2.0], rng=6)
    pairs = (
        draw_weights(law.final, 50_000, network=experiment.network, rng=7),
        (ensemble.weights["W1"][0], ensemble.weights["W2"][0]),
    )
    theory, sgd = (
        generalisation(experiment.network, *pair, train=seen.x, test=unseen.x, independent=n)
        for pair, n in zip(pairs, (law.components, None), strict=True)
    )
    for key in ("train", "test", "gap"):
        one, other = getattr(theory, key), getattr(sgd, key)
        assert abs(one.mean.value - other.mean.value) < 4.0 * np.hypot(one.mean.error, other.mean.error)
        levels = [0.1, 0.5, 0.9]
        low, high = one.quantiles(levels), other.quantiles(levels)
        assert (np.abs(low.value - high.value) < 4.0 * np.hypot(low.error, high.error)).all()
    apart = np.hypot(sgd.train.mean.error, sgd.test.mean.error)
    assert sgd.gap.mean.error < 0.5 * apart  # network by network: what is common cancels


def test_stated_errors_cover_normal_draws():
    """4 sigma over 200 repetitions of mean, standard deviation and quantiles of 500 normal numbers."""
    x = np.random.default_rng(8).normal(size=(500, 200))
    observable = Observable(x)
    q = observable.quantiles([0.1, 0.5])
    for found, truth in ((observable.mean, 0.0), (observable.std, 1.0)):
        ratio = (found.value - truth) / found.error
        assert abs(ratio.std() - 1.0) < 4.0 / np.sqrt(2 * 200) + 0.05
    for value, error, truth in zip(q.value, q.error, norm.ppf([0.1, 0.5]), strict=True):
        spread = np.std(value - truth)
        assert abs(spread / error.mean() - 1.0) < 4.0 / np.sqrt(2 * 200) + 0.1
    fewer = Observable(x, 125)
    assert np.allclose(fewer.mean.error, 2.0 * observable.mean.error)


def test_split_is_a_partition():
    data = digits(3)
    seen, unseen = data.split(0.25, rng=9)
    again = data.split(0.25, rng=9)
    assert unseen.size == round(0.25 * 1797)
    assert np.array_equal(again[0].x, seen.x)
    both = np.concatenate([seen.x, unseen.x])
    assert np.array_equal(np.sort(both, axis=0), np.sort(data.x, axis=0))
    assert np.allclose(unseen.reconstruct(unseen.x), data.reconstruct(unseen.x))


def test_held_out_data_change_neither_ensemble_nor_theory():
    seen, unseen = digits(2).split(0.5, rng=10)
    parts = (seen, BottleneckAutoEncoder(2, 1), SGD(0.05, 8), Start.gaussian(0.0, 0.5))
    plain, holding = Experiment(*parts), Experiment(*parts, test=unseen)
    weights = [train(e, replicas=10, steps=[5], rng=11).weights["W1"] for e in (plain, holding)]
    assert np.array_equal(*weights)
    for other in (pickle.loads(pickle.dumps(holding)), copy.deepcopy(holding)):
        assert np.array_equal(other.test.x, unseen.x)
        assert not other.test.x.flags.writeable


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1e-6, 0.9999])
def test_shares_that_leave_nothing(share):
    with pytest.raises(DomainError, match="test_share"):
        digits(2).split(share)


def test_what_cannot_be_held_out():
    network, start = BottleneckAutoEncoder(2, 1), Start.gaussian(0.0, 0.5)
    with pytest.raises(DomainError, match="test set of 3 components"):
        Experiment(digits(2), network, SGD(0.05, 8), start, test=digits(3))
    with pytest.raises(DomainError, match="test"):
        Experiment(digits(2), network, SGD(0.05, 8), start, test=digits(2).x)
    sgd = SGD(0.05, 8, sampling="fresh")
    with pytest.raises(DomainError, match="gaussian population"):
        Experiment(GaussianPopulation([1.0, 0.5]), network, sgd, start, test=digits(2))
    with pytest.raises(DomainError, match="observable"):
        Observable([1.0])
    with pytest.raises(DomainError, match="levels"):
        Observable([1.0, 2.0]).quantiles([0.0])
    with pytest.raises(DomainError, match="mixture of 3 coordinates"):
        draw_weights(GaussianMixture.gaussian(np.zeros(3), 1.0), 10, network=network)
