"""Coefficients sampled on grids: forms, minimal shapes, calculus, potentials; what is refused is in tests/transport."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.density import Grid
from fpsim.equation import FokkerPlanck, diffusion_on_cells, drift_at, drift_on_cells, drift_on_faces
from fpsim.equation.conversion import symmetric_root
from fpsim.equation.diffusion import diffusion_field
from fpsim.support.errors import DomainError

GRID = Grid.box((-1, 2, 30), (0, 1, 20))


def test_entries_keep_length_one_where_they_do_not_vary():
    equation = FokkerPlanck(drift=lambda x, y: (-x, 3.0), diffusion=lambda x, y: [0.1, 1 + y])
    assert drift_on_faces(equation, GRID, 0).shape == (31, 1)
    assert drift_on_faces(equation, GRID, 1).size == 1
    field = diffusion_on_cells(equation, GRID)
    assert field.diagonal
    assert not field.constant
    assert [field.axis(i).shape for i in range(2)] == [(1, 1), (1, 20)]


@pytest.mark.parametrize(
    "diffusion",
    [0.3, [0.3, 0.3], [[0.3, 0.0], [0.0, 0.3]], np.full(GRID.shape, 0.3), lambda x, y: 0.3 + 0 * x * y],
)
def test_forms_of_diffusion(diffusion):
    field = diffusion_on_cells(FokkerPlanck(diffusion=diffusion), GRID)
    np.testing.assert_allclose(field.matrices(GRID.shape), np.broadcast_to(0.3 * np.eye(2), (*GRID.shape, 2, 2)))


def test_potential_is_minus_gradient():
    equation = FokkerPlanck(potential=lambda x, y: x**2 * y + np.sin(y), drift=lambda x, y: (1.0, x))
    x, y = GRID.mesh(faces_of=0)
    np.testing.assert_allclose(drift_on_faces(equation, GRID, 0), 1 - 2 * x * y, atol=1e-9)
    x, y = GRID.mesh()
    np.testing.assert_allclose(drift_on_cells(equation, GRID)[1], x - x**2 - np.cos(y), atol=1e-9)
    sampled = FokkerPlanck(potential=x**2 * y + np.sin(y))
    np.testing.assert_allclose(drift_on_cells(sampled, GRID)[0][1:-1], (-2 * x * y)[1:-1], atol=1e-12)


def test_calculus_in_one_dimension():
    grid = Grid.box((0, 1, 50))
    x = grid.edges[0]
    d, slope = (1 + 0.3 * np.sin(4 * x)), 1.2 * np.cos(4 * x)
    for calculus, share in (("ito", 0.0), ("stratonovich", 0.5), ("klimontovich", 1.0)):
        equation = FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 1 + 0.3 * np.sin(4 * x), calculus=calculus)
        np.testing.assert_allclose(drift_on_faces(equation, grid, 0), -x + share * slope, atol=1e-7)
    assert d.min() > 0
    with pytest.raises(DomainError, match="accepted are ito, stratonovich, klimontovich"):
        FokkerPlanck(calculus="anti")


def test_calculus_of_a_tensor():
    """Klimontovich adds div D; checked against the divergence by hand."""

    def tensor(x, y):
        return [[1 + x**2, x * y / 2], [x * y / 2, 2 + y]]

    x, y = GRID.mesh()
    b = drift_on_cells(FokkerPlanck(diffusion=tensor, calculus="klimontovich"), GRID)
    np.testing.assert_allclose(b[0], np.broadcast_to(2 * x + x / 2 + 0 * y, GRID.shape), atol=1e-7)
    np.testing.assert_allclose(b[1], np.broadcast_to(y / 2 + 1 + 0 * x, GRID.shape), atol=1e-7)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_symmetric_root(ndim):
    """Symmetric, positive semidefinite, its square 2 D; singular and vanishing tensors too."""
    rng = np.random.default_rng(ndim)
    a = rng.standard_normal((50, ndim, ndim))
    a[::5] *= 1e-9
    a[1::5, :, -1] = a[1::5, :, 0]  # of lower rank
    a[2] = 0.0
    d = np.einsum("mik,mjk->mij", a, a)
    field = diffusion_field(d[:, 0, 0] if ndim == 1 else np.moveaxis(d, 0, -1), ndim, (50,))
    root = symmetric_root(field, (50,))
    size = np.abs(d).max(axis=(1, 2))[:, None, None]
    assert (np.abs(root @ root - 2 * d) <= 1e-7 * size).all()
    assert (np.abs(root - np.swapaxes(root, 1, 2)) <= 1e-14 * np.sqrt(size)).all()
    assert (np.linalg.eigvalsh(root)[:, 0] >= -1e-8 * np.sqrt(size[:, 0, 0])).all()


def test_places_off_the_grid():
    equation = FokkerPlanck(
        potential=lambda x, y: x**2 + y**4, diffusion=lambda x, y: 1 + x**2, calculus="klimontovich"
    )
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 17))
    b = drift_at(equation, (x, y), spacing=(0.01, 0.01))
    np.testing.assert_allclose(b[0], -2 * x + 2 * x, atol=1e-7)  # a difference ahead: the root of rounding
    np.testing.assert_allclose(b[1], -4 * y**3, atol=1e-8)
    with pytest.raises(DomainError, match="drift is a grid array"):
        drift_at(FokkerPlanck(drift=np.zeros((2, 30, 20))), (x, y), spacing=(0.1, 0.1))


def test_dependence_is_seen():
    assert FokkerPlanck(drift=lambda x, y: (x, y)).autonomous
    assert FokkerPlanck(drift=lambda x, y, t: (x, y)).time_dependent
    assert FokkerPlanck(diffusion=lambda p, x, y: 1.0).mean_field
    assert "drift=callable" in repr(FokkerPlanck(drift=lambda x, y: (x, y)))


def test_a_tensor_that_all_but_vanishes_may_carry_the_rounding_of_the_field():
    """Where gradients vanish, a covariance is a difference of larger sums: their rounding is accepted."""
    entry, off = np.full(GRID.shape, 2.0), np.full(GRID.shape, 0.5)
    entry[3, 4], off[3, 4] = 1e-20, 1e-15
    assert diffusion_on_cells(FokkerPlanck(diffusion=[[entry, off], [off, entry]]), GRID).ndim == 2
    off[3, 4] = 1e-12
    with pytest.raises(DomainError, match=r"not positive semidefinite at place \(3, 4\)"):
        diffusion_on_cells(FokkerPlanck(diffusion=[[entry, off], [off, entry]]), GRID)


@pytest.mark.parametrize("ndim", [2, 3])
def test_tensors_are_accepted_as_their_eigenvalues_say(ndim):
    """Constant tensors near the edge, of any size, as lists, as arrays and as fields: to 1e-10 of the largest."""
    rng = np.random.default_rng(ndim)
    for lowest in (1e-3, 1e-9, 0.0, -1e-13, -1e-9, -1e-3):
        for size in (1e-90, 1e-40, 1.0, 1e90, 1e150):
            q, _ = np.linalg.qr(rng.standard_normal((ndim, ndim)))
            tensor = size * (q * np.r_[lowest, np.linspace(0.7, 1.0, ndim - 1)]) @ q.T
            tensor = (tensor + tensor.T) / 2
            for given in (tensor, tensor.tolist(), np.broadcast_to(tensor[..., None], (ndim, ndim, 4))):
                if lowest < -1e-10:
                    with pytest.raises(DomainError, match="not positive semidefinite"):
                        diffusion_field(given, ndim, (4,))
                else:
                    field = diffusion_field(given, ndim, (4,))
                    np.testing.assert_array_equal(field.matrices((4,)), np.broadcast_to(tensor, (4, ndim, ndim)))


@pytest.mark.parametrize("boundary", ["periodic", "reflecting"])
@pytest.mark.parametrize(("calculus", "share"), [("klimontovich", 1.0), ("stratonovich", 0.5), ("potential", -1.0)])
def test_slopes_of_grid_arrays_are_of_second_order_up_to_the_ends(calculus, share, boundary):
    """Exact slopes of a wave: around the seam of a ring, and at walls."""
    sizes, errors = np.array([25, 50, 100, 200]), []
    for n in sizes:
        grid = Grid.box((0, 1, int(n)), boundary=boundary)
        phase = 2 * np.pi * grid.centers[0] + 0.7
        d = 1 + 0.5 * np.sin(phase)
        given = (
            {"potential": d, "diffusion": 0.1} if calculus == "potential" else {"diffusion": d, "calculus": calculus}
        )
        found = drift_on_cells(FokkerPlanck(**given), grid)[0]
        errors.append(np.abs(found - share * np.pi * np.cos(phase)).max())
    assert 1.8 <= -np.polyfit(np.log(sizes), np.log(errors), 1)[0] <= 2.2
