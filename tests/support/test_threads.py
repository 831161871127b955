"""Teams of threads: every part once, forked children, several callers at once."""

import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fpsim.datasets import digits
from fpsim.diagnostics.random_environment.random_walk import simulate_walks
from fpsim.diagnostics.surface_growth.surface import simulate_surface
from fpsim.ensemble import train
from fpsim.experiment import SGD, Experiment, Start
from fpsim.network import BottleneckAutoEncoder, mean_loss
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team

RUN = Experiment(digits(2), BottleneckAutoEncoder(2, 1, "tanh"), SGD(0.05, 4), Start.gaussian(0.3, 0.1))
W = {"W1": np.full((300, 1, 2), 0.3), "W2": np.full((300, 2, 1), 0.4)}
WORK = {
    "surface": lambda: simulate_surface(32, [1.0, 2.0], lam=3.0, replicas=64, rng=1, threads=2).heights,
    "walks": lambda: simulate_walks(40, [0, 8], environments=64, rng=1, threads=2),
    "training": lambda: train(RUN, replicas=300, steps=[5], rng=1, threads=2).weights["W1"],
    "losses": lambda: mean_loss(RUN.network, W, RUN.data.x, threads=2),
}


def in_child(name, pipe):
    pipe.send(WORK[name]())


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WORK)
def test_a_forked_child_works_on(name):
    """The parent has used its threads before; a child that waited for them would never end."""
    expected = WORK[name]()
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    child = fork.Process(target=in_child, args=(name, there))
    child.start()
    try:
        assert here.poll(60), "the child hangs"
        assert np.array_equal(here.recv(), expected)
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("name", WORK)
def test_several_threads_may_call_at_once(name):
    expected = WORK[name]()
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(lambda _: WORK[name](), range(8)))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_team_that_has_worked_before_the_fork():
    def total(team):
        parts = []
        team.share(lambda begin, end: parts.append(sum(range(begin, end))), 1000)
        return sum(parts)

    with Team(2) as team:
        assert total(team) == 499_500
        fork = multiprocessing.get_context("fork")
        here, there = fork.Pipe()
        child = fork.Process(target=lambda: there.send(total(team)))
        child.start()
        try:
            assert here.poll(30), "the child hangs"
            assert here.recv() == 499_500
        finally:
            child.kill()
            child.join()


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 1000])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_index_is_worked_on_once(threads, count):
    seen = np.zeros(count, int)

    def work(begin, end):
        seen[begin:end] += 1

    with Team(threads) as team:
        team.share(work, count)
    assert (seen == 1).all()


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", [2]])
def test_wrong_numbers_of_threads(threads):
    with pytest.raises(DomainError, match=r"threads is .*: a whole number >= 1 is accepted"):
        Team(threads)
