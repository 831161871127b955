"""Grids, densities and their makers name what they refuse, and where."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Density, Grid, from_function, from_samples, gaussian, mixture, place_points, regrid
from fpsim.errors import DomainError

LINE = Grid.box((-1, 1, 20))
PLANE = Grid.box((-1, 1, 8), (-1, 1, 6))
BELL = gaussian(PLANE, 0.0, 0.1)
NAN, INF = np.nan, np.inf

CASES = {
    "no axis": (lambda: Grid.box(), r"box of \(\)"),
    "axis of two numbers": (lambda: Grid.box((0, 1)), "lower, upper, cells"),
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
    "density minus zero": (lambda: Density(LINE, np.full(20, -0.0)), "zero everywhere"),
    "density empty": (lambda: Density(LINE, np.zeros(20)), "zero everywhere"),
    "mean is nan": (lambda: gaussian(LINE, NAN, 0.1), "mean is nan"),
    "mean of another shape": (lambda: gaussian(PLANE, (0, 0, 0), 0.1), r"mean is \[0.0, 0.0, 0.0\]"),
    "covariance infinite": (lambda: gaussian(LINE, 0, INF), "covariance is not finite"),
    "covariance asymmetric": (lambda: gaussian(PLANE, 0, [[1, 0.5], [0.2, 1]]), "not symmetric positive definite"),
    "covariance indefinite": (lambda: gaussian(PLANE, 0, [[1, 2], [2, 1]]), "not symmetric positive definite"),
    "covariance of another shape": (lambda: gaussian(PLANE, 0, np.eye(3)), r"shape \(3, 3\)"),
    "no mixture": (lambda: mixture(LINE, [], [], []), "mixture of 0 weights"),
    "negative weight": (lambda: mixture(LINE, [-1, 2], [0, 0], [0.1, 0.1]), "weights >= 0"),
    "weight is nan": (lambda: mixture(LINE, [NAN, 2], [0, 0], [0.1, 0.1]), "weights >= 0"),
    "function is nan": (lambda: from_function(LINE, lambda x: np.where(x > 0, NAN, 1)), r"nan at cell \(10,\)"),
    "function is negative": (
        lambda: from_function(LINE, lambda x: 1 - 5 * (x > 0.9)),
        r"density is -.* at cell \(19,\)",
    ),
    "function of another shape": (lambda: from_function(PLANE, lambda x, y: np.ones(3)), r"shape \(3,\)"),
    "function is a number": (lambda: from_function(LINE, 3.0), "function is a float"),  # type: ignore[arg-type]
    "order zero": (lambda: from_function(LINE, lambda x: x, order=0), "order is 0"),
    "samples of another shape": (lambda: from_samples(PLANE, np.ones((3, 3))), r"\(M, 2\) is accepted"),
    "no sample": (lambda: from_samples(LINE, np.ones((0, 1))), "samples hold nothing"),
    "samples outside": (lambda: from_samples(LINE, [5.0, 6.0]), "zero everywhere"),
    "too few weights": (lambda: from_samples(LINE, [0.1, 0.2], weights=[1.0]), r"weights have shape \(1,\)"),
    "weights that cancel": (lambda: from_samples(LINE, [0.1, 0.2], weights=[1.0, -1.0]), "numbers >= 0"),
    "marginal of no axis": (lambda: BELL.marginal(), r"marginal of axes \(\)"),
    "marginal of a fifth axis": (lambda: BELL.marginal(4), r"marginal of axes \(4,\)"),
    "minus one sample": (lambda: BELL.sample(-1), "size is -1"),
    "half a sample": (lambda: BELL.sample(1.5), "size is 1.5"),  # type: ignore[arg-type]
    "interpolation in three dimensions": (lambda: BELL.at([[0, 0, 0]]), r"\(M, 2\) is accepted"),
    "interpolation at nan": (lambda: BELL.at([[0, 0], [NAN, 0]]), "point 1 is not finite"),
    "observable of another shape": (lambda: BELL.expectation(np.ones(5)), r"observable has shape \(5,\)"),
    "observable is nan": (lambda: BELL.expectation(lambda x, y: np.where(x > y, NAN, 1)), r"nan at cell \(1, 0\)"),
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
