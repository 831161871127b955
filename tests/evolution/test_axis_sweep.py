"""A sweep along one axis: many steps at once against one by one, cliffs, and what the limiter reports."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.evolution.sweeps import axis_sweep
from fpsim.evolution.sweeps.axis_sweep import KEPT, AxisSweep
from fpsim.evolution.sweeps.drift_sweep import DriftSweep
from fpsim.support.threads import Team


def sweep(n, *, boundary="reflecting", diffusion=0.01, drift=True):
    grid = Grid.box((-2, 2, n), boundary=boundary)
    h = grid.spacing[0]
    b = np.sin(np.pi * grid.edges[0] / 2) / h
    return AxisSweep(grid, 0, b if drift else None, np.full(n, diffusion / h**2) if diffusion else None)


def test_steps_in_one_call_are_steps_in_several():
    s = sweep(80)
    one = gaussian(s.grid, 0.5, 0.04).values.copy()
    many = one.copy()
    with Team(1) as team:
        s.apply(one, 0.05, team, steps=6)
        for _ in range(6):  # halves of diffusion are not merged: a difference of higher order in the step
            s.apply(many, 0.05, team)
    assert np.abs(one - many).sum() * s.grid.cell_volume <= 1e-4


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize("step", [1.0, 30.0, 3000.0])
def test_a_cliff_diffuses_without_undershoot(boundary, step):
    """A full cell among empty ones, and a step of up to 3000 jumps per cell."""
    s = sweep(64, boundary=boundary, drift=False)
    u = np.zeros(64)
    u[20] = 1.0
    with Team(1) as team:
        lost = s.apply(u, step / s.rate[0], team)
    assert u.min() >= 0.0
    assert u.sum() + lost.absorbed == pytest.approx(1.0, abs=1e-13)
    if step == 30.0 and boundary == "reflecting":  # variance 2 r, far from the walls
        k = np.arange(64)
        assert u @ (k - 20.0) ** 2 == pytest.approx(2 * step, rel=0.02)


def test_the_limiter_reports_what_it_moved():
    """Nothing where cells resolve the density, much where they do not."""
    limited = []
    for variance in (0.04, 0.0004):
        s = sweep(64, diffusion=0.0)
        u = gaussian(s.grid, 0.5, variance).values.copy()
        with Team(1) as team:
            limited.append(s.apply(u, 0.02, team).limited / u.sum())
    assert limited[0] <= 1e-6
    assert limited[1] >= 1e-2


def test_old_tables_are_not_mistaken_for_new_ones():
    """More steps than there is room for, then the first again."""
    s, fresh = sweep(60), sweep(60)
    steps = [0.01 * (k + 1) for k in range(2 * KEPT)]
    u = gaussian(s.grid, 0.5, 0.04).values.copy()
    with Team(1) as team:
        for dt in steps:
            s.apply(u.copy(), dt, team, steps=2)
        again, first = u.copy(), u.copy()
        s.apply(again, steps[0], team, steps=2)
        fresh.apply(first, steps[0], team, steps=2)
    assert again.tobytes() == first.tobytes()


@pytest.mark.parametrize("before", [(0, 1, 5), (0, 2, 6), (3, 0, 1, 5)])
def test_tables_of_one_programme_do_not_push_each_other_out(before):
    """Steps 2^(-k/4) as a controller probes them: some lengths are halves of others and are found, not made."""
    s, fresh = sweep(60), sweep(60)
    u = gaussian(s.grid, 0.5, 0.04).values.copy()
    with Team(1) as team:
        for k in (*before, 4):
            h, again, first = 0.2 * 2.0 ** (-k / 4), u.copy(), u.copy()
            s.apply(u.copy(), 2.0 * h, team, pieces=2)
            s.apply(again, h, team, steps=2)
        fresh.apply(first, h, team, steps=2)
    assert again.tobytes() == first.tobytes()


def test_tables_whose_making_was_interrupted_are_made_again(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    s, fresh = sweep(60), sweep(60)
    u = gaussian(s.grid, 0.5, 0.04).values.copy()
    again, first = u.copy(), u.copy()
    with Team(1) as team:
        for name in ("_remap_tables", "_diffusion_tables"):
            with monkeypatch.context() as patch:
                patch.setattr(axis_sweep, name, interrupted)
                with pytest.raises(KeyboardInterrupt):
                    s.apply(u.copy(), 0.1, team, steps=2)
        s.apply(again, 0.1, team, steps=2)
        fresh.apply(first, 0.1, team, steps=2)
    assert again.tobytes() == first.tobytes()


def test_weights_of_an_interrupted_sweep_are_not_mistaken_for_those_of_the_last():
    class Interrupted(Team):
        def run(self, work, count, cells):
            work(0, 0, count // 2)
            raise KeyboardInterrupt

    grid = Grid.box((-2, 2, 40), (-2, 2, 36))
    x, y = grid.mesh(faces_of=0)
    s, u = DriftSweep(grid, 0, np.sin(x) + np.cos(y), keep=True), gaussian(grid, 0.3, 0.1).values.ravel()
    first, again = u.copy(), u.copy()
    with Team(1) as team:
        s.apply(first, 0.1, team)
        with pytest.raises(KeyboardInterrupt):
            s.apply(u.copy(), 0.3, Interrupted(1))
        s.apply(again, 0.1, team)
    assert again.tobytes() == first.tobytes()
