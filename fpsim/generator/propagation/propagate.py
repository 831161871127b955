"""Propagation by a generator: densities forward, observables backward, by one function with the method as an argument.

    method             what it does                                          for
    "uniformization"   Poisson series of the transition matrix               any generator; tails to the last digit
    "dense"            transition matrices of short times, squared           few cells and long times
    "rational"         tridiagonal solves, degree by tolerance               densities along one axis, any duration
    "auto"             uniformization or dense, whichever takes less time    (of grid, rates and times alone)

The first three are :mod:`~fpsim.generator.propagation.uniformization`,
:mod:`~fpsim.generator.propagation.dense_propagator` and :mod:`~fpsim.generator.propagation.rational`. All are positive
and conserve mass to rounding. Limits: errors stated are those of the time evolution; the grid's are not included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from fpsim.density import Density
from fpsim.generator.generator import Generator, require_generator
from fpsim.generator.propagation.dense_propagator import dense_pays, propagate_dense
from fpsim.generator.propagation.observables import Observable, observable_on_cells
from fpsim.generator.propagation.rational import birth_death_chain, propagate_chain
from fpsim.generator.propagation.states import PropagatedMasses, checked_times, densities_of
from fpsim.generator.propagation.uniformization import uniformize
from fpsim.generator.results import without_grid_error
from fpsim.support.checks import real_number
from fpsim.support.errors import DomainError
from fpsim.uncertainty.result import Result

__all__ = ["Method", "absorbed_mass", "propagate", "propagate_masses"]

Array = NDArray[np.float64]

Method = Literal["auto", "uniformization", "dense", "rational"]

POISSON_TAIL = 1e-14
"""Tolerance of uniformization by default."""

RATIONAL_TOLERANCE = 1e-6
"""Tolerance of the rational approximation by default."""


@overload
def propagate(
    generator: Generator,
    start: Density,
    times: Sequence[float],
    *,
    method: Method = "auto",
    tolerance: float | None = None,
    threads: int | None = None,
) -> tuple[Density, ...]: ...


@overload
def propagate(
    generator: Generator,
    start: Observable,
    times: Sequence[float],
    *,
    method: Method = "auto",
    tolerance: float | None = None,
    threads: int | None = None,
) -> Result: ...


@require_generator
def propagate(
    generator: Generator,
    start: Density | Observable,
    times: Sequence[float],
    *,
    method: Method = "auto",
    tolerance: float | None = None,
    threads: int | None = None,
) -> tuple[Density, ...] | Result:
    """Densities ``p(t) = exp(t Q^T) p``, or an observable's conditional mean ``u(t) = exp(t Q) f``.

    Parameters
    ----------
    generator : Generator
    start : Density, or callable of the coordinates, or array
        A density at time 0 on the generator's grid, which evolves forward; or an observable ``f``, which evolves
        backward: ``u(x, t) = E[f(X_t) | X_0 = x]``.
    times : sequence of float
        Non-negative, not decreasing.
    method : {"auto", "uniformization", "dense", "rational"}, keyword-only
        See the module's table. ``"rational"`` takes densities along one axis that is not periodic.
    tolerance : float, keyword-only
        Accepted L1 error of the time evolution relative to the mass (that of the grid is not included). By
        uniformization the part of the Poisson sum that may be left out, in (0, 1), ``1e-14`` by default, a bound; by
        rational approximation 1e-10 ... 0.1, ``1e-6`` by default, an estimate. Dense matrices have no use for it.
    threads : int, keyword-only
        Threads to use; all by default. The result does not depend on it.

    Returns
    -------
    tuple of Density
        Of a density, one per time.
    Result
        Of an observable: shape ``(times, *grid.shape)``, in its unit.

    Raises
    ------
    DomainError
        If times are negative, decreasing or not finite, the tolerance is out of range, the density lives on another
        grid, the observable is not accepted, the method does not take it, or all mass has been absorbed by one of the
        times (the first is named).
    MemoryLimitError
        If the result would not fit into memory.
    ToleranceError
        If the rational approximation cannot meet the tolerance.

    Notes
    -----
    Equations: :mod:`fpsim.generator.propagation.uniformization` (Grassmann 1977) and
    :mod:`fpsim.generator.propagation.rational`.

    Examples
    --------
    >>> from fpsim.density import Grid, gaussian
    >>> from fpsim.equation import FokkerPlanck
    >>> from fpsim.generator import build_generator
    >>> generator = build_generator(FokkerPlanck(drift=lambda x: -x, diffusion=0.1), Grid.box((-3, 3, 240)))
    >>> round(float(propagate(generator, gaussian(generator.grid, 1.0, 0.1), [1.0])[0].mean[0]), 3)
    0.368
    >>> round(float(propagate(generator, lambda x: x, [1.0]).value[0][159]), 3)  # from x = 0.9875
    0.364
    """
    if isinstance(start, Density):
        found = propagate_masses(
            generator, generator.masses(start), times, method=method, tolerance=tolerance, threads=threads
        )
        return densities_of(generator, found.states, times)
    values = observable_on_cells(generator.grid, start)
    found = propagate_masses(
        generator, values, times, method=method, tolerance=tolerance, threads=threads, backward=True
    )
    shape = generator.grid.shape
    error = (found.error * float(np.abs(values).max())).reshape(-1, *[1] * len(shape))
    return without_grid_error(found.states.reshape(-1, *shape), error, "uniformization of the backward equation")


@require_generator
def absorbed_mass(
    generator: Generator,
    density: Density,
    times: Sequence[float],
    *,
    method: Method = "auto",
    tolerance: float | None = None,
    threads: int | None = None,
) -> Result:
    """Mass absorbed by the walls until each time, shape (times,).

    The density's mass at those times plus this is the mass at the start, to rounding; parameters and errors are those
    of :func:`propagate`.
    """
    masses = generator.masses(density)
    found = propagate_masses(generator, masses, times, method=method, tolerance=tolerance, threads=threads)
    words = "rational approximation" if method == "rational" else "uniformization"
    error = found.error * float(masses.sum())
    return without_grid_error(found.absorbed, error, f"{words}, flow through absorbing walls")


def propagate_masses(
    generator: Generator,
    start: Array,
    times: Sequence[float],
    *,
    method: Method = "auto",
    tolerance: float | None = None,
    backward: bool = False,
    threads: int | None = None,
) -> PropagatedMasses:
    """Propagate flat cell masses (forward) or values of an observable (backward); see :func:`propagate`."""
    if method not in get_args(Method):
        raise DomainError(f"method is {method!r}: one of {', '.join(map(repr, get_args(Method)))} is accepted")
    t = checked_times(times)
    default = RATIONAL_TOLERANCE if method == "rational" else POISSON_TAIL
    accepted = default if tolerance is None else real_number(tolerance, "tolerance")
    if method == "rational":
        if backward:
            raise DomainError("method 'rational' of an observable: a density is accepted; the other methods take both")
        found = propagate_chain(birth_death_chain(generator), start, t, tolerance=accepted)
        return PropagatedMasses(found.states, found.absorbed, found.error)
    if not 0.0 < accepted < 1.0:
        raise DomainError(f"tolerance is {accepted:g}: a number between 0 and 1 is accepted")
    if generator.fastest == 0.0:
        return PropagatedMasses(np.tile(start, (len(t), 1)), np.zeros(len(t)), np.zeros(len(t)))
    if method == "dense" or (method == "auto" and dense_pays(generator, t)):
        states, absorbed = propagate_dense(generator, start, t, backward=backward)
    else:
        states, absorbed = uniformize(generator, start, t, tail=accepted, backward=backward, threads=threads)
    return PropagatedMasses(states, absorbed, np.full(len(t), accepted))
