"""Coefficients evaluated in parts of a grid are those of the whole grid, or are not evaluated in parts."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid, gaussian
from fpsim.equation import FokkerPlanck
from fpsim.evolution import evolve, held
from fpsim.evolution import stepper as stepper_module
from fpsim.evolution.held import too_large
from fpsim.evolution.late import _bases
from fpsim.evolution.parts import Parts
from fpsim.evolution.stepper import Stepper
from fpsim.evolution.survey import survey
from fpsim.lattice import boxes
from fpsim.lattice.boxes import boxes as boxes_of
from fpsim.support.errors import DomainError
from fpsim.support.threads import Team

PLANE = Grid.box((-2, 2, 40), (-2, 2, 40))
START = gaussian(PLANE, (0.4, 0.1), 0.1)


@pytest.fixture
def in_parts(monkeypatch):
    monkeypatch.setattr(held, "allowance", lambda *_: 0.0)
    monkeypatch.setattr(boxes, "LEAST", 64)


def after(equation, start=START, *, steps=3, h=0.01, t=0.0):
    u = start.values.ravel().copy()
    with Team(1) as team:
        Stepper((equation,), (start.grid,), False, team).advance((u,), t, h, steps)
    return u


def check_the_same(equation, monkeypatch, start=START, bound=1e-9):
    """Whole and in parts, with the same order of sweeps."""
    parts = after(equation, start)
    assert too_large(equation, start.grid, p=start) is not None
    monkeypatch.setattr(held, "allowance", lambda *_: 1e12)
    monkeypatch.setattr(stepper_module, "too_large", lambda *_, **__: True)
    kept = after(equation, start)
    assert np.abs(kept - parts).sum() <= bound * parts.sum()
    monkeypatch.undo()
    assert np.abs(after(equation, start) - parts).sum() <= 2e-3 * parts.sum()  # whatever the order of sweeps


@pytest.mark.parametrize("kind", ["potential", "phi"])
def test_slopes_that_are_constant_in_every_box_but_not_everywhere(kind, in_parts, monkeypatch):
    """Exactly: a drift of -1 below y = 0 and of -3 above."""
    slope = lambda x, y: np.where(y < 0.0, 1.0, 3.0) * x  # noqa: E731
    given = {kind: slope if kind == "potential" else lambda x, y: slope(x, y) / 0.01}
    diffusion = 0.01 if kind == "phi" else lambda x, y: 0.01 * (1 + 0.1 * np.sin(x * y))
    equation = FokkerPlanck(**given, diffusion=diffusion)
    start = gaussian(PLANE, (0.5, 0.0), 0.05)
    u = after(equation, start, steps=10).reshape(PLANE.shape)
    x, y = PLANE.mesh()
    for half, speed in ((y < -0.2, 1.0), (y > 0.2, 3.0)):
        moved = (x * u * half).sum() / (u * half).sum() - (x * start.values * half).sum() / (start.values * half).sum()
        assert moved == pytest.approx(-0.1 * speed, rel=0.02)
    check_the_same(equation, monkeypatch, start)


@pytest.mark.parametrize("calculus", ["ito", "klimontovich"])
def test_slopes_that_vary_in_some_boxes_only(calculus, in_parts, monkeypatch):
    """A trap above y = 0, nothing below: no box knows what the others lost."""
    equation = FokkerPlanck(
        potential=lambda x, y: np.where(y > 0.0, 0.5 * x**2, 0.0 * x),
        diffusion=lambda x, y: (0.02 * (1 + 0.1 * np.sin(x) * np.cos(y)), 0.0 * x * y),
        calculus=calculus,
    )
    for above, kept in ((False, 1.0), (True, np.exp(-0.3))):
        start = gaussian(PLANE, (1.0, 1.0 if above else -1.0), 0.02)
        u = after(equation, start, steps=3, h=0.1).reshape(PLANE.shape)
        assert (PLANE.mesh()[0] * u).sum() / u.sum() == pytest.approx(kept, abs=0.02)
        check_the_same(equation, monkeypatch, start)
        monkeypatch.setattr(held, "allowance", lambda *_: 0.0)
        monkeypatch.setattr(boxes, "LEAST", 64)


def test_a_tensor_that_jumps_at_the_centre_of_a_cell(in_parts):
    """There are no two opinions of where a cell is: the tensor of every cell is the one that was given."""
    for n in range(35, 48, 2):
        grid = Grid.box((-1, 1, n), (-1.1, 0.7, n))

        def diffusion(x, y):
            c = 0.01 * np.where(x > 0.0, 0.9, -0.9) + 0.0 * y
            return [[0.01 + 0.0 * x * y, c], [c, 0.01 * (1 + 0.1 * np.sin(y)) + 0.0 * x]]

        known = Parts(FokkerPlanck(diffusion=diffusion), grid, 0.0, None)
        bases, found = _bases(known), np.zeros((*grid.shape, 2, 2))
        for use in bases.used():
            e = np.array(use.offset) * grid.spacing
            rates = bases.rate(known.entries(tuple(slice(0, m) for m in grid.shape), grid), use.offset)
            found += np.broadcast_to(rates, grid.shape)[..., None, None] * np.outer(e, e)
        x, y = grid.mesh()
        for i, row in enumerate(diffusion(x, y)):
            for j, entry in enumerate(row):
                np.testing.assert_allclose(found[..., i, j], np.broadcast_to(entry, grid.shape), rtol=1e-9, atol=1e-14)


def test_entries_that_vanish_with_full_shape_or_are_none(in_parts, monkeypatch):
    grid = Grid((-2.0,) * 3, (2.0,) * 3, (10, 11, 12))
    start = gaussian(grid, 0.2, 0.3)

    def tensor(x, y, z):
        none = 0 * (x + y + z)
        return [[0.1 + 0.01 * x * y * z, 0.02 + none, none], [0.02 + none, 0.1, 0.01], [none, 0.01, 0.1]]

    check_the_same(FokkerPlanck(diffusion=tensor), monkeypatch, start)
    x, y = PLANE.mesh()
    given = [[0.1 + 0.02 * x * y, 0.03 * np.cos(x - y)], [0.03 * np.cos(x - y), 0.1 + 0 * x]]
    monkeypatch.setattr(held, "allowance", lambda *_: 0.0)
    monkeypatch.setattr(boxes, "LEAST", 64)
    check_the_same(FokkerPlanck(diffusion=given), monkeypatch)


def test_a_tensor_that_is_correlated_in_a_corner_only(in_parts, monkeypatch):
    def tensor(x, y):
        off = 0.05 * np.maximum(x, 0) * np.maximum(y, 0)
        return [[0.3 + 0 * x * y, off], [off, 0.3 + 0 * x * y]]

    check_the_same(FokkerPlanck(drift=lambda x, y: (-x * y, x), diffusion=tensor), monkeypatch)
    known = Parts(FokkerPlanck(diffusion=tensor), PLANE, 0.0, None).thinned()
    assert known is not None
    assert not known.diffusion.diagonal


@pytest.mark.parametrize(
    "diffusion",
    [
        lambda x, y: [[np.full((x.size, y.size), 0.1), 0.02 * np.cos(x - y)], [0.02 * np.cos(x - y), 0.1 + 0 * x * y]],
        lambda x, y: [[0.1 + 0 * x[:, :1] * y[:1], 0.02 * x[:, :1] * y[:1]], [0.02 * x[:, :1] * y[:1], 0.1 + 0 * y]],
        lambda x, y: 0.1 * np.ones(PLANE.shape) * (1 + 0.1 * x**2),
        lambda x, y, p: 0.1 * p.values * (1 + x**2),
        lambda x, y, p: [0.1 + 0.1 * p.marginal(1).values[None, :] * (1 + x**2), 0.1 + 0 * x * y],
    ],
    ids=["sizes", "mesh", "table", "values", "marginal"],
)
def test_what_only_the_whole_mesh_is_answered_for_is_asked_there(diffusion, in_parts, monkeypatch):
    equation = FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=diffusion)
    assert too_large(equation, PLANE, p=START) is None
    found = after(equation)
    monkeypatch.undo()
    np.testing.assert_array_equal(found, after(equation))


def test_boxes_end_where_the_grid_ends(in_parts, monkeypatch):
    """A coefficient that is defined up to the wall."""
    grid = Grid.box((-0.7, 0.9, 199), (-0.7, 0.9, 30))
    assert max(box.upper[0] for _, box in boxes_of(grid)) == 0.9
    drift = lambda x, y: (np.sqrt(0.9 - x) * (1 + y**2), -np.sqrt(0.9 - y) * (1 + x**2))  # noqa: E731
    equation = FokkerPlanck(drift=drift, diffusion=lambda x, y: 0.01 * (1 + x * y))
    check_the_same(equation, monkeypatch, gaussian(grid, 0.1, 0.01), bound=1e-5)  # limiters are at work


def test_errors_say_which_part_they_mean(in_parts):
    x = PLANE.centers[0]
    drift = lambda a, b: (np.where((a > x[36]) & (b > x[36]), np.nan, a) * b, b)  # noqa: E731
    equation = FokkerPlanck(drift=drift, diffusion=lambda a, b: [1.0 + 0 * a * b, 1.0])
    where, box = list(boxes_of(PLANE, uncut=(1,)))[-1]
    with pytest.raises(DomainError, match=r"nan at \(0, 37\).*relative to cell \(3\d, 0\)"):
        Parts(equation, PLANE, 0.0, None).drift(where, box, 1 - 1)
    with pytest.raises(DomainError, match=r"nan at \(37, 37\)"):  # seen at once
        evolve(equation, START, [0.1], method="sweeps")


def test_drift_that_presses_on_a_wall_is_seen_in_parts(in_parts, monkeypatch):
    for sign in (1.0, -1.0):
        drift = lambda x, y, s=sign: (s * (1 + 0.1 * x * y), 0 * x * y)  # noqa: E731
        equation = FokkerPlanck(drift=drift, diffusion=lambda x, y: 0.1 * (1 + 0.1 * x * y))
        found = survey(equation, PLANE)
        assert (found.in_parts, found.walls.pressed) == (True, True)
        ring = Grid.box((-2, 2, 40), (-2, 2, 40), boundary=["absorbing", "reflecting"])
        assert not survey(equation, ring).walls.pressed


def test_a_density_among_its_own_coefficients_is_a_copy():
    """The array that a coefficient is given is used again; what it answers is not."""
    plain, copied = (FokkerPlanck(diffusion=f) for f in (lambda x, y, p: p.values, lambda x, y, p: 1.0 * p.values))
    np.testing.assert_array_equal(after(plain, steps=6, h=0.02), after(copied, steps=6, h=0.02))
