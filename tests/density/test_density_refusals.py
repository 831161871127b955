"""Grids, densities and their makers name what they refuse, and where."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsim.density import (
    Density,
    Grid,
    fitted_grid,
    from_function,
    from_samples,
    gaussian,
    mixture,
    place_points,
    regrid,
)
from fpsim.support.errors import DomainError, MemoryLimitError

LINE = Grid.box((-1, 1, 20))
PLANE = Grid.box((-1, 1, 8), (-1, 1, 6))
BELL = gaussian(PLANE, 0.0, 0.05)
NAN, INF = np.nan, np.inf
HUGE = Grid.box(*[(0, 1, 100_000)] * 3)

CASES = {
    "no axis": (lambda: Grid.box(), r"box of \(\)"),
    "axis of two numbers": (lambda: Grid.box((0, 1)), "lower, upper, cells"),
    "box without tuples": (lambda: Grid.box(0, 1, 10), r"\(lower, upper, cells\) per axis .* Grid.box\(\(0, 1, 10\)\)"),  # type: ignore[arg-type]
    "box of nothing": (lambda: Grid.box(None), r"box of \(None,\): one \(lower, upper, cells\)"),  # type: ignore[arg-type]
    "box of words": (lambda: Grid.box("abc"), "end of an axis is"),  # type: ignore[arg-type]
    "nested ends": (lambda: Grid.box(((0, 1), 2, 10)), "one entry per axis"),  # type: ignore[arg-type]
    "grid without tuples": (lambda: Grid(0, 1, 10), r"from 0 to 1 of 10 cells: one entry per axis"),  # type: ignore[arg-type]
    "cells without a tuple": (lambda: Grid((0,), (1,), 10), "of 10 cells: one entry per axis"),  # type: ignore[arg-type]
    "names are a number": (lambda: Grid.box((0, 1, 4), names=5), "names 5: 1 different names"),  # type: ignore[arg-type]
    "a name is a number": (lambda: Grid.box((0, 1, 4), names=(5,)), r"names \(5,\)"),  # type: ignore[arg-type]
    "a name is a list": (lambda: Grid.box((0, 1, 4), names=([1],)), r"names \(\[1\],\)"),  # type: ignore[arg-type]
    "a name is empty": (
        lambda: Grid.box((0, 1, 4), names=("",)),
        r"names \('',\): 1 different names \(strings, none empty\)",
    ),
    "cells narrower than rounding": (lambda: Grid.box((1, 1 + 1e-15, 100)), "axis 0 .* cells of width 1.11e-17"),
    "axis wider than numbers": (lambda: Grid.box((0, 1, 4), (-1.7e308, 1.7e308, 2)), "axis 1 .* cells of width inf"),
    "end is nan": (lambda: Grid.box((NAN, 1, 4)), "axis 0 goes from nan"),
    "half a cell": (lambda: Grid.box((0, 1, 4), (0, 1, 4.5)), "cells of axis 1 is 4.5: a whole number"),
    "cells in words": (lambda: Grid.box((0, 1, "a")), "cells of axis 0 is 'a'"),
    "boundary is a number": (lambda: Grid.box((0, 1, 4), boundary=3), "boundary is 3: one name"),
    "boundary of an axis is a number": (lambda: Grid.box((0, 1, 4), boundary=[3]), "boundary of axis 0 is 3"),
    "too many boundaries": (lambda: Grid.box((0, 1, 4), boundary=["periodic"] * 3), "3 entries"),
    "density on a number": (lambda: Density(3, np.ones(3)), "grid is a int"),  # type: ignore[arg-type]
    "density in words": (lambda: Density(LINE, ["a"] * 20), "density is .*real numbers"),
    "density complex": (lambda: Density(LINE, np.full(20, 1j)), "complex128: real numbers"),
    "density negative": (lambda: Density(LINE, np.where(np.arange(20) == 7, -1, 1)), r"-1.0 at cell \(7,\) \(1 such"),
    "density infinite": (lambda: Density(LINE, np.where(np.arange(20) == 7, INF, 1)), r"inf at cell \(7,\)"),
    "density is nan": (
        lambda: Density(LINE, np.where(np.arange(20) > 17, NAN, 1)),
        r"nan at cell \(18,\) \(2 such",
    ),
    "density infinite and negative": (
        lambda: Density(LINE, np.where(np.arange(20) == 3, INF, np.where(np.arange(20) == 5, -INF, 0))),
        r"inf at cell \(3,\) \(2 such",
    ),
    "density of infinite mass": (lambda: Density(LINE, np.full(20, 1e308)), "up to 1e[+]308, of infinite mass"),
    "density of infinite mass by the volume": (
        lambda: Density(Grid.box((0, 1e10, 2)), [1e300, 0.0]),
        "up to 1e[+]300, of infinite mass",
    ),
    "gaussian on a word": (lambda: gaussian("g", 0, 1), "grid is a str: a Grid"),  # type: ignore[arg-type]
    "mixture on a word": (lambda: mixture("g", [1], [0], [1]), "grid is a str: a Grid"),  # type: ignore[arg-type]
    "function on a word": (lambda: from_function("g", np.exp), "grid is a str: a Grid"),  # type: ignore[arg-type]
    "samples on a word": (lambda: from_samples("g", [0.5]), "grid is a str: a Grid"),  # type: ignore[arg-type]
    "density minus zero": (lambda: Density(LINE, np.full(20, -0.0)), "zero everywhere"),
    "density empty": (lambda: Density(LINE, np.zeros(20)), "zero everywhere"),
    "mean is nan": (lambda: gaussian(LINE, NAN, 0.1), "mean is nan"),
    "mean of another shape": (lambda: gaussian(PLANE, (0, 0, 0), 0.1), r"mean is \[0.0, 0.0, 0.0\]"),
    "covariance infinite": (lambda: gaussian(LINE, 0, INF), "covariance is not finite"),
    "covariance asymmetric": (lambda: gaussian(PLANE, 0, [[1, 0.5], [0.2, 1]]), "not symmetric positive definite"),
    "covariance asymmetric in small units": (
        lambda: gaussian(PLANE, 0, [[1e-9, 5e-10], [2e-10, 1e-9]]),
        "not symmetric positive definite",
    ),
    "covariance indefinite": (lambda: gaussian(PLANE, 0, [[1, 2], [2, 1]]), "not symmetric positive definite"),
    "covariance of another shape": (lambda: gaussian(PLANE, 0, np.eye(3)), r"shape \(3, 3\)"),
    "no mixture": (lambda: mixture(LINE, [], [], []), "mixture of 0 weights"),
    "negative weight": (lambda: mixture(LINE, [-1, 2], [0, 0], [0.1, 0.1]), "weights >= 0"),
    "weights that cancel in a mixture": (
        lambda: mixture(LINE, [1, -1], [0, 0], [0.1, 0.1]),
        r"weights are \[1.0, -1.0\]: finite weights >= 0",
    ),
    "weights of zero": (lambda: mixture(LINE, [0, 0], [0, 0], [0.1, 0.1]), "not all zero"),
    "infinite weight": (lambda: mixture(LINE, [1, INF], [0, 0], [0.1, 0.1]), r"\[1.0, inf\]: finite weights"),
    "means without a list": (lambda: mixture(LINE, 1, 0, 0.1), "means 0 and covariances 0.1: a sequence of each"),  # type: ignore[arg-type]
    "weight is nan": (lambda: mixture(LINE, [NAN, 2], [0, 0], [0.1, 0.1]), "weights >= 0"),
    "function is nan": (lambda: from_function(LINE, lambda x: np.where(x > 0, NAN, 1)), r"nan at cell \(10,\)"),
    "function is negative": (
        lambda: from_function(LINE, lambda x: 1 - 5 * (x > 0.9)),
        r"density is -.* at cell \(19,\)",
    ),
    "function is negative everywhere": (
        lambda: from_function(Grid.box((0, 1, 20)), lambda x: -x),
        r"density is -0.025 at cell \(0,\) \(20 such cells\): finite values >= 0",
    ),
    "function is odd": (lambda: from_function(LINE, lambda x: -x), r"density is -0.05\d* at cell \(10,\) \(10 such"),
    "function is nearly infinite": (lambda: from_function(LINE, lambda x: 1e308 + 0 * x), "of infinite mass"),
    "function of two coordinates": (
        lambda: from_function(LINE, lambda x, y: x),
        r"<lambda>\(x, y\) does not take the 1 coordinates: a callable of 1 array",
    ),
    "function with an if": (
        lambda: from_function(LINE, lambda x: x if x > 0 else 0.0),
        "truth value .* called with arrays of places, not with numbers; .* np.where",
    ),
    "function of a number": (lambda: from_function(LINE, math.cos), "cos fails on arrays .* np.sin for math.sin"),
    "function of another shape": (lambda: from_function(PLANE, lambda x, y: np.ones(3)), r"shape \(3,\)"),
    "function is a number": (lambda: from_function(LINE, 3.0), "function is a float"),  # type: ignore[arg-type]
    "order zero": (lambda: from_function(LINE, lambda x: x, order=0), "order is 0"),
    "samples of another shape": (lambda: from_samples(PLANE, np.ones((3, 3))), r"\(M, 2\) is accepted"),
    "no sample": (lambda: from_samples(LINE, np.ones((0, 1))), "samples hold nothing"),
    "samples outside": (lambda: from_samples(LINE, [5.0, 6.0]), "1 of the mass lies outside"),
    "too few weights": (lambda: from_samples(LINE, [0.1, 0.2], weights=[1.0]), r"weights have shape \(1,\)"),
    "weights that cancel": (lambda: from_samples(LINE, [0.1, 0.2], weights=[1.0, -1.0]), "numbers >= 0"),
    "marginal of no axis": (lambda: BELL.marginal(), r"marginal of axes \(\)"),
    "marginal of a fifth axis": (lambda: BELL.marginal(4), r"marginal of axes \(4,\)"),
    "marginal of a name it does not have": (
        lambda: BELL.marginal("y"),
        r"marginal of axes \('y',\): .* 0 to 1, or of the names x0, x1",
    ),
    "marginal of half an axis": (lambda: BELL.marginal(0.5), r"marginal of axes \(0.5,\)"),  # type: ignore[arg-type]
    "marginal of a pair": (lambda: BELL.marginal((0, 1)), r"marginal of axes \(\(0, 1\),\)"),  # type: ignore[arg-type]
    "rng in words": (lambda: BELL.sample(1, rng="a"), "rng is 'a': None, a whole number >= 0"),
    "rng negative": (lambda: BELL.sample(1, rng=-1), "rng is -1: None, a whole number >= 0"),
    "minus one sample": (lambda: BELL.sample(-1), "size is -1"),
    "half a sample": (lambda: BELL.sample(1.5), "size is 1.5"),  # type: ignore[arg-type]
    "interpolation in three dimensions": (lambda: BELL.at([[0, 0, 0]]), r"\(M, 2\) is accepted"),
    "interpolation at nan": (lambda: BELL.at([[0, 0], [NAN, 0]]), "point 1 is not finite"),
    "observable of another shape": (lambda: BELL.expectation(np.ones(5)), r"observable has shape \(5,\)"),
    "observable is nan": (lambda: BELL.expectation(lambda x, y: np.where(x > y, NAN, 1)), r"nan at cell \(1, 0\)"),
    "observable of one coordinate": (lambda: BELL.expectation(lambda x: x), "does not take the 2 coordinates"),
    "observable with an if": (lambda: BELL.expectation(lambda x, y: max(x, y)), "arrays of places"),
    "regrid to the left": (
        lambda: regrid(BELL, Grid.box((-1, 1, 8), (-3, -2, 6))),
        r"\[-3, -2\] along axis 1: the density lives on \[-1, 1\]",
    ),
    "regrid to beyond the wall": (lambda: regrid(BELL, Grid.box((1, 2, 8), (-1, 1, 6))), r"\[1, 2\] along axis 0"),
    "negative margin": (lambda: fitted_grid(BELL, margin=-1), "margin is -1: a finite number >= 0"),
    "margin is nan": (lambda: fitted_grid(BELL, margin=NAN), "margin is nan: a finite number"),
    "margin in words": (lambda: fitted_grid(BELL, margin="a"), "margin is 'a'"),  # type: ignore[arg-type]
    "fitted grid of a grid": (lambda: fitted_grid(LINE), "fitted grid of a Grid: a Density"),  # type: ignore[arg-type]
    "regrid to another dimension": (lambda: regrid(BELL, LINE), "from 2 to 1 dimensions"),
    "regrid to a word": (lambda: regrid(BELL, "fine"), "to a str"),  # type: ignore[arg-type]
    "levels beyond one": (lambda: place_points(BELL.grid, BELL.values, [1.5], [[0, 0]]), r"outside \[0, 1\]"),
    "levels of another shape": (lambda: place_points(BELL.grid, BELL.values, [0.5], [[0.5]]), r"\(M, 2\) are accepted"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    call, message = CASES[name]
    with pytest.raises(DomainError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: gaussian(HUGE, 0.5, 0.01),
        lambda: mixture(HUGE, [1, 1], [0.5, 0.6], [0.01, 0.01]),
        lambda: from_function(HUGE, lambda x, y, z: x + y + z),
        lambda: from_samples(HUGE, np.full((5, 3), 0.5)),
        lambda: gaussian(Grid.box((0, 1, 10**12)), 0.5, 0.01),
        lambda: regrid(gaussian(LINE, 0.0, 0.05), Grid.box((-1, 1, 10**12))),
        lambda: BELL.sample(10**13),
    ],
)
def test_more_than_the_machine_holds_is_refused_before_it_is_allocated(call):
    with pytest.raises(MemoryLimitError, match=r"needs about .* [GT]B: .*; take fewer"):
        call()


def test_an_error_inside_a_function_is_the_callers_own():
    def function(x):
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own") as caught:
        from_function(LINE, function)
    assert caught.type is ValueError
    with pytest.raises(TypeError, match="NoneType"):
        BELL.expectation(lambda x, y: x + None)


def test_the_largest_mass_that_is_finite_is_accepted():
    grid = Grid.box((0, 1, 4))
    assert Density(grid, [1e308, 0.0, 0.0, 0.0]).mass == 2.5e307  # beyond the quick bound, and still finite


def test_marginal_by_name_is_the_marginal_by_number():
    grid = Grid.box((-1, 1, 8), (-2, 2, 10), (0, 1, 4), names=("x", "q", "w"))
    rng = np.random.default_rng(3)
    density = Density(grid, rng.random(grid.shape))
    brute = np.einsum("ijk->ik", density.values) * grid.spacing[1]
    for axes in (("x", "w"), ("w", "x"), (0, "w"), (np.int64(0), -1)):
        part = density.marginal(*axes)
        assert part.grid.names == ("x", "w")
        np.testing.assert_allclose(part.values, brute, rtol=1e-13)
