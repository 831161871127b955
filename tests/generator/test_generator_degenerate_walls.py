"""Diffusion that vanishes at a reflecting wall: CIR, Wright-Fisher and squared Bessel processes below Feller's bound.

Truth: gamma and beta laws (Feller 1951, Wright 1931). With the outflow index ``a`` below one errors fall as ``h^a``.
"""

import pytest

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck
from fpsim.generator import build_generator, stationary_density, with_grid_error
from fpsim.support.errors import ValidityWarning

SINGULAR = "diffusion vanishes at the lower wall of axis x0.*outflow index"


def cir(a, mean=0.5):
    """``dx = (m - x) dt + noise`` with ``D = m x / a``: gamma law of shape ``a``, mean ``m``, variance ``m^2 / a``."""
    return FokkerPlanck(drift=lambda x: mean - x, diffusion=lambda x: mean / a * x)


def mean_of(generator):
    return stationary_density(generator).mean[0]


@pytest.mark.parametrize("a", [0.25, 0.39, 0.7])
@pytest.mark.parametrize("n", [200, 800, 3200])
def test_stationary_mean_of_cir_lies_within_twice_the_error_stated(a, n):
    grid = Grid.box((0, 10 / a, n))
    with pytest.warns(ValidityWarning, match=SINGULAR):
        found = with_grid_error(mean_of, cir(a), grid)
    assert 0.5 * abs(found.value - 0.5) < found.error < 3.0 * abs(found.value - 0.5)
    # the order falls towards a as the cells become narrow
    assert a - 0.05 < found.details["order"] < (1.0 if n < 3200 else a + 0.2)


@pytest.mark.parametrize(("theta", "expected"), [(0.2, 0.2), (0.6, 0.6), (0.0, 0.0)])
def test_warning_names_wall_and_index_of_wright_fisher(theta, expected):
    # mutation theta / 2 each way: beta law of shapes theta, theta
    equation = FokkerPlanck(drift=lambda x: theta / 2 * (1 - 2 * x), diffusion=lambda x: x * (1 - x) / 2)
    with pytest.warns(ValidityWarning, match=rf"outflow index {expected:.2g} < 1") as caught:
        build_generator(equation, Grid.box((0, 1, 200)))
    assert len(caught) == 2
    assert "lower wall" in str(caught[0].message)
    assert "upper wall" in str(caught[1].message)
    assert __file__ == caught[0].filename


@pytest.mark.parametrize("dimension", [0.5, 1.0, 1.9])
def test_squared_bessel_process_in_a_plane_of_another_coordinate(dimension):
    equation = FokkerPlanck(
        drift=lambda x, y: (dimension + 0 * y, -y + 0 * x), diffusion=lambda x, y: [2 * x + 0 * y, 0.3 + 0 * x]
    )
    with pytest.warns(ValidityWarning, match=SINGULAR):
        build_generator(equation, Grid.box((0, 3, 40), (-2, 2, 8)))


@pytest.mark.parametrize(
    ("equation", "boundary"),
    [
        (cir(1.5), "reflecting"),  # the wall is never reached
        (cir(0.4), [("absorbing", "reflecting")]),  # what reaches it leaves
        (FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.2 * x * x), "reflecting"),  # vanishes quadratically
        (FokkerPlanck(phi=lambda x: x, diffusion=lambda x: 0.2 * x, calculus="klimontovich"), "reflecting"),  # exp(-x)
        (FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.1 + 0.2 * x), "reflecting"),  # does not vanish
        (FokkerPlanck(drift=lambda x: -x, diffusion=0.0), "reflecting"),
    ],
)
def test_no_warning_where_nothing_is_singular(equation, boundary):
    build_generator(equation, Grid.box((0, 10, 200), boundary=boundary))  # warnings are errors in tests
