"""Records, statistics, starts, deep networks, divergence, interrupts and bad input."""

import itertools
import math
import os
import signal
import threading
import tracemalloc

import numpy as np
import pytest

from fpsim.datasets import GaussianPopulation, digits, from_array
from fpsim.ensemble import Statistics, resume, train
from fpsim.experiment import SGD, CosineDecay, Experiment, ExponentialDecay, PiecewiseConstant, Start
from fpsim.network import AutoEncoder, BottleneckAutoEncoder, loss, register_activation
from fpsim.support.errors import DomainError, MemoryLimitError, ValidityWarning

DATA, NETWORK = digits(2), BottleneckAutoEncoder(2, 1)
START = Start.gaussian({"W1": [[0.6, 0.2]], "W2": [[0.6], [0.2]]}, 0.1)


def experiment(sgd=None, network=NETWORK, start=START, data=DATA):
    return Experiment(data, network, SGD(0.05, 8) if sgd is None else sgd, start)


def test_streaming_statistics_are_those_of_the_weights():
    """Against NumPy on the recorded weights; histograms against `numpy.histogram`."""
    spec = Statistics(loss=True, bins=25, low=-0.5, high=1.5)
    run = experiment(network=BottleneckAutoEncoder(2, 1, "tanh"))
    ensemble = train(run, replicas=5000, steps=[0, 5, 20], rng=1, statistics=spec)
    found, w = ensemble.statistics, ensemble.weights
    assert found.names == ("W1[0,0]", "W1[0,1]", "W2[0,0]", "W2[1,0]", "Q[0,0]", "loss")
    for t in range(3):
        matrices = {n: m[t] for n, m in w.items()}
        q = np.sum(w["W1"][t] ** 2, axis=(1, 2)) - np.sum(w["W2"][t] ** 2, axis=(1, 2))
        y = np.column_stack(
            [w["W1"][t].reshape(-1, 2), w["W2"][t].reshape(-1, 2), q, loss(run.network, matrices, DATA.x)]
        )
        centred = y - y.mean(axis=0)
        assert found.mean[t] == pytest.approx(y.mean(axis=0), rel=1e-12, abs=1e-13)
        assert found.covariance[t] == pytest.approx(np.cov(y.T, bias=True), rel=1e-10, abs=1e-14)
        assert found.correlation[t] == pytest.approx(np.corrcoef(y.T), abs=1e-10)
        assert found.third[t] == pytest.approx(np.mean(centred**3, axis=0), rel=1e-7, abs=1e-12)
        assert found.fourth[t] == pytest.approx(np.mean(centred**4, axis=0), rel=1e-8)
        assert found.mean_error[t] == pytest.approx(y.std(axis=0) / math.sqrt(5000))
        for i in range(6):
            inside, _ = np.histogram(y[:, i], bins=found.edges)
            assert np.array_equal(found.histogram[t, i, 1:-1], inside)
        assert np.all(found.histogram[t].sum(axis=1) == 5000)
    with pytest.raises(DomainError, match="no observable 'W3'"):
        found.index("W3")


def test_records_and_tracking():
    run = experiment()
    full = train(run, replicas=70, times=[0.0, 0.25, 1.0], rng=1)
    assert list(full.steps) == [0, 5, 20]
    assert full.times == pytest.approx([0.0, 0.25, 1.0])
    last = train(run, replicas=70, steps=[0, 5, 20], rng=1, record="last", track=["W2"])
    assert set(last.weights) == {"W2"}
    assert np.array_equal(last.weights["W2"][0], full.weights["W2"][-1])
    some = train(run, replicas=70, steps=[0, 5, 20], rng=1, record=[5], statistics=Statistics())
    assert list(some.steps) == [5]
    assert list(some.statistics.steps) == [0, 5, 20]
    assert np.array_equal(some.weights["W1"][0], full.weights["W1"][1])


@pytest.mark.parametrize("phi", ["linear", "tanh"])
def test_frozen_outer_layers_reduce_to_principal_components(phi):
    """64-2-1-2-64 on pixels, outer layers frozen at principal directions, trains as 2-1-2 on coordinates."""
    pixels, reduced = digits(None), digits(2)
    outer = reduced.basis
    deep = AutoEncoder((64, 2, 1, 2, 64), ("linear", phi, "linear", "linear"), {"W1": outer.T, "W4": outer})
    sgd = SGD(0.05, 8, momentum=0.5, weight_decay=0.01)
    steps = [0, 20, 60]
    start = {"W2": [[0.6, 0.2]], "W3": [[0.6], [0.2]]}
    big = train(experiment(sgd, deep, Start.gaussian(start, 0.1), pixels), replicas=100, steps=steps, rng=2)
    small = train(experiment(sgd, BottleneckAutoEncoder(2, 1, phi)), replicas=100, steps=steps, rng=2)
    assert np.abs(big.weights["W2"] - small.weights["W1"]).max() < 1e-11
    assert np.abs(big.weights["W3"] - small.weights["W2"]).max() < 1e-11


def test_registered_activation_trains_like_its_built_in_twin():
    register_activation("own tanh", np.tanh, lambda z: 1 / np.cosh(z) ** 2)
    runs = [experiment(network=BottleneckAutoEncoder(2, 1, phi)) for phi in ("tanh", "own tanh")]
    one, two = (train(run, replicas=50, steps=[40], rng=3).weights["W1"] for run in runs)
    assert np.abs(one - two).max() < 1e-12


@pytest.mark.parametrize(
    ("start", "mean", "variance", "fourth"),
    [
        (Start.gaussian(0.3, 0.5), 0.3, 0.25, 3 * 0.25**2),
        (Start.uniform(-1.0, 2.0), 0.5, 0.75, 1.5**4 / 5),
        (Start.glorot(), 0.0, 2 / 3, (6 / 3) ** 2 / 5),
        (Start.he(), 0.0, 1.0, 3.0),
        (Start.point({"W1": [[0.1, 0.1]], "W2": [[0.1], [0.1]]}), 0.1, 0.0, 0.0),
    ],
)
def test_starts_have_their_moments(start, mean, variance, fourth):
    """First entry of W1 (fan-in 2, fan-out 1) at step 0."""
    n = 100_000
    w = train(experiment(start=start), replicas=n, steps=[0], rng=4).weights["W1"][0, :, 0, 0]
    assert abs(w.mean() - mean) <= 4 * math.sqrt(variance / n) + 1e-14
    assert abs(w.var() - variance) <= 4 * math.sqrt((fourth - variance**2) / n) + 1e-14


def test_balanced_start_is_balanced_and_keeps_the_product():
    """``W1 W1^T = W2^T W2`` to rounding, for every shape; the product is that of normal matrices."""
    for d, k in ((2, 1), (3, 2), (2, 3)):
        run = experiment(network=BottleneckAutoEncoder(d, k), start=Start.balanced(0.5), data=digits(d))
        w = train(run, replicas=5000, steps=[0], rng=4).weights
        w1, w2 = w["W1"][0], w["W2"][0]
        assert np.abs(w1 @ w1.transpose(0, 2, 1) - w2.transpose(0, 2, 1) @ w2).max() < 1e-13
        square = np.sum((w2 @ w1) ** 2, axis=(1, 2))
        assert abs(square.mean() - d * d * k * 0.5**4) < 4 * square.std() / math.sqrt(5000)


def test_activation_that_numba_cannot_compile_is_refused():
    def helper(z):
        return 2.0 * z

    register_activation("uncompilable", lambda z: helper(z), lambda z: 0.0 * z + 2.0)
    run = experiment(network=BottleneckAutoEncoder(2, 1, "uncompilable"))
    with pytest.raises(DomainError, match="'uncompilable' cannot be compiled"):
        train(run, replicas=1, steps=[1])


def test_divergence_is_reported_and_survivors_stay_usable():
    """Beyond ``eta lambda |w|^2 = 2`` the cubic gradient explodes; the rest of the ensemble is untouched."""
    sgd = SGD(0.2, 8)
    wide = experiment(sgd, start=Start.gaussian(0.0, 1.6))
    with pytest.warns(ValidityWarning, match="of 2000 replicas diverged, the first at step"):
        ensemble = train(wide, replicas=2000, steps=[0, 2, 50], rng=5, statistics=Statistics())
    lost = ensemble.divergence
    assert 0 < lost.count < 1500
    assert lost.count == np.count_nonzero(lost.mask)
    w = ensemble.weights["W1"]
    assert np.isfinite(w[0]).all()
    for t, step in enumerate(ensemble.steps):
        gone = lost.mask & (lost.steps <= step)
        assert np.isnan(w[t, gone]).all()
        assert np.isfinite(w[t, ~gone]).all()
        assert ensemble.statistics.count[t] == 2000 - np.count_nonzero(gone)
    assert ensemble.statistics.mean[-1, :2] == pytest.approx(np.nanmean(w[-1, :, 0], axis=0), abs=1e-12)
    assert lost.first_step == lost.steps[lost.mask].min()
    survivor = int(np.flatnonzero(~lost.mask)[0])
    alone = train(wide, replicas=1, first_replica=survivor, steps=[0, 2, 50], rng=5)
    assert np.array_equal(alone.weights["W1"][:, 0], w[:, survivor])
    with pytest.warns(ValidityWarning, match="diverged"):
        later = resume(ensemble, steps=[51])
    assert np.array_equal(later.divergence.mask, lost.mask)


def test_divergence_begins_at_the_step_it_begins():
    """Deterministic blow-up: ``|w - 1|`` doubles at every step of ``eta lambda = 3``; 2^34 > 1e10."""
    network = BottleneckAutoEncoder(1, 1, "linear", {"W1": [[1.0]]})
    run = Experiment(from_array([[1.0]]), network, SGD(3.0, 1), Start.point({"W2": [[2.0]]}))
    with pytest.warns(ValidityWarning, match="3 of 3 replicas diverged, the first at step 34"):
        weights = train(run, replicas=3, steps=[0, 1, 2, 50], rng=0).weights["W2"]
    assert list(weights[:3, 1, 0, 0]) == [2.0, -1.0, 5.0]


@pytest.mark.parametrize("by_signal", [True, False])
def test_interrupt_keeps_what_is_done(by_signal):
    """An interrupt (Ctrl-C, or raised by the progress bar) ends training after a complete step."""
    run, handler = experiment(), signal.getsignal(signal.SIGINT)
    whole = train(run, replicas=100, steps=[0, 10, 20, 30], rng=1)

    def progress(share):
        if share == 2 / 3 and by_signal:
            signal.raise_signal(signal.SIGINT)
        elif share == 2 / 3:
            raise KeyboardInterrupt

    part = train(run, replicas=100, steps=[0, 10, 20, 30], rng=1, progress=progress)
    assert part.interrupted
    assert list(part.steps) == [0, 10, 20]
    assert np.array_equal(part.weights["W1"], whole.weights["W1"][:3])
    assert np.array_equal(resume(part, steps=[30]).weights["W1"], whole.weights["W1"][3:])
    assert signal.getsignal(signal.SIGINT) is handler


def test_interrupt_from_outside_in_the_middle_of_a_kernel():
    """A real signal while threads train: the recorded part is whole, and going on gives the uninterrupted bits."""
    run, steps, options = experiment(), list(range(0, 4001, 50)), {"replicas": 30_000, "rng": 2, "record": "last"}
    spec = Statistics()
    train(run, replicas=10, steps=[1], rng=2, statistics=spec)  # compiled before the clock starts
    timer = threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    part = train(run, steps=steps, statistics=spec, **options)
    timer.join()
    assert part.interrupted
    recorded = len(part.statistics.steps)
    assert 0 < recorded < len(steps)
    assert list(part.statistics.steps) == steps[:recorded]
    assert part.state.step >= steps[recorded - 1]
    until = steps[min(recorded + 3, len(steps) - 1)]
    whole = train(run, steps=[k for k in steps if k <= until], statistics=spec, **options)
    rest = resume(part, steps=[k for k in steps if part.state.step <= k <= until], statistics=spec, record="last")
    assert np.array_equal(part.statistics.covariance, whole.statistics.covariance[:recorded])
    assert np.array_equal(rest.statistics.covariance[-1], whole.statistics.covariance[-1])
    assert np.array_equal(rest.weights["W1"], whole.weights["W1"])


def test_progress_is_a_share_that_grows_to_one():
    calls = []
    train(experiment(), replicas=10, steps=[0, 10, 30], rng=1, progress=calls.append)
    assert calls[-1] == 1.0
    assert all(0.0 < a < b for a, b in itertools.pairwise(calls))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1, 8), "learning_rate = -0.1; a positive number"),
        (lambda: SGD(float("nan"), 8), "learning_rate = nan"),
        (lambda: SGD(0.1, 0), "batch_size = 0; a positive integer"),
        (lambda: SGD(0.1, 2.5), "batch_size = 2.5"),
        (lambda: SGD(0.1, 8, "idd"), "sampling = 'idd'; accepted: iid"),
        (lambda: SGD(0.1, 8, noise="gausian"), "noise = 'gausian'; accepted: minibatch"),
        (lambda: SGD(0.1, 8, temperature=-1.0), "temperature = -1.0"),
        (lambda: SGD(0.1, 8, momentum=1.0), r"momentum = 1.0; a number in \[0, 1\)"),
        (lambda: SGD(0.1, 8, svag_l=4), "needs noise = 'svag'"),
        (lambda: SGD(0.1, 8, "epochs", noise="gaussian"), "independent batches"),
        (lambda: PiecewiseConstant((0.1, 0.2), (5, 9)), "one rate more"),
        (lambda: experiment(SGD(0.1, 1798, "without_replacement")), "batch_size = 1798 .* 1 to 1797"),
        (lambda: experiment(SGD(0.1, 1798, "epochs")), "batch_size = 1798"),
        (lambda: experiment(SGD(0.1, 8, "fresh")), "'fresh' needs a population"),
        (lambda: experiment(data=GaussianPopulation([1.0, 1.0])), "'iid' needs a training set"),
        (lambda: experiment(data=digits(3)), "network d = 2, data have 3"),
        (lambda: experiment(start=Start.gaussian({"W1": 0.0}, 0.1)), "'W2' is missing"),
        (lambda: experiment(start=Start.gaussian({"W1": 0, "W2": 0, "W3": 0}, 0.1)), "W3 not trained"),
        (lambda: experiment(start=Start.point({"W1": np.ones((2, 2)), "W2": 0.0})), r"shape \(2, 2\)"),
        (lambda: experiment(start=Start.gaussian(0.0, -1.0)), "spread is negative"),
        (lambda: experiment(start=Start.gaussian(np.nan, 1.0)), "start location is nan"),
        (lambda: Start.uniform(1.0, 0.0), "low <= high"),
        (lambda: Statistics(bins=-1), "bins is -1"),
        (lambda: train(experiment(), replicas=0, steps=[1]), "replicas is 0"),
        (lambda: train(experiment(), replicas=5), "either times or steps"),
        (lambda: train(experiment(), replicas=5, steps=[3, 1]), "increasing"),
        (lambda: train(experiment(), replicas=5, steps=[0.5]), "integers"),
        (lambda: train(experiment(), replicas=5, times=[0.01, 0.05]), r"times has 0.01, .*: 0 or 0.05 is accepted"),
        (lambda: train(experiment(), replicas=5, steps=[2**32]), r"below 2\^32"),
        (lambda: train(experiment(), replicas=5, steps=[1], record="all"), "record = 'all'"),
        (lambda: train(experiment(), replicas=5, steps=[1], track=["W7"]), "track"),
        (lambda: train(experiment(), replicas=5, steps=[1], threads=0), "threads is 0"),
        (
            lambda: train(experiment(SGD(ExponentialDecay(0.1, 1.0), 8)), replicas=5, times=[9.0]),
            "schedule ends",
        ),
        (lambda: train(experiment(SGD(lambda k: -1.0 * k, 8)), replicas=5, steps=[2]), "nonnegative rates"),
    ],
)
def test_bad_input_names_the_key_and_what_is_accepted(make, message):
    with pytest.raises(DomainError, match=message):
        make()


def test_memory_is_estimated_before_it_is_used():
    with pytest.raises(MemoryLimitError, match="GB"):
        train(experiment(), replicas=1_000_000, steps=range(100_000))


def test_memory_does_not_grow_with_the_recorded_times():
    """Streaming statistics need the weights of one time, however many are recorded."""
    replicas = 40_000
    weights = replicas * 4 * 8
    peaks = []
    for count in (2, 30):
        tracemalloc.start()
        train(
            experiment(),
            replicas=replicas,
            steps=range(count),
            rng=1,
            record="last",
            statistics=Statistics(bins=50),
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]
    assert peaks[1] < 2 * weights + 3e6  # the recorded ones are a copy; tiles, whatever the number of replicas


def test_cosine_schedule_ends_where_it_should():
    schedule = CosineDecay(0.1, 0.01, 100)
    assert schedule(np.array([0, 50, 100, 500])) == pytest.approx([0.1, 0.055, 0.01, 0.01])
