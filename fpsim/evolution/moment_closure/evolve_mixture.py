r"""Evolution of a density in any number of dimensions as a Gaussian mixture.

``N`` Gaussian components follow the moment closure of the Fokker-Planck equation (:mod:`.closure`); where one grows
wider than ``s`` a stratified kick (:mod:`.kicks`) makes it narrow again. ``s -> 0`` is Monte Carlo of the stochastic
equation, ``s -> infinity`` with ``N = 1`` its linear-noise approximation; in between the bias is ``O(s^2)`` and the
noise ``O(N^{-1/2})``. Three errors are estimated apart, each as total variation of the worst two-dimensional marginal
(:mod:`.marginal_error`):

- noise, from two halves that are scrambled independently;
- width, from a second run with half as many components, ``sqrt(2)`` times as wide; where the drift holds components
  together, so that wider ones come out the same, from half as many that are half as wide;
- time, from the embedded pair of the Runge-Kutta steps: ``1 / sqrt(2 pi)`` times the sum of local errors, in widths of
  a component, which bounds what a shift of components by so much does.

Width and number follow from the tolerance: a pilot run measures noise and bias, which are extrapolated by their known
orders, and the result is measured again. Where drift is linear and diffusion constant the closure is exact for every
component: then a mixture keeps its components and only the error in time is left.

Limits: marginals are what is estimated, ln p in the tails is not (components have equal weights, unless the start is a
sum of Gaussians with others, so that a region of probability below ``1 / N`` is empty); walls are none; coefficients
that depend on the density are not accepted.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.density.gaussian_mixture import GaussianMixture
from fpsim.equation.fokker_planck import FokkerPlanck
from fpsim.equation.points import PointCoefficients, PointwiseFokkerPlanck, coefficients_at_points
from fpsim.evolution.moment_closure.closure import packed, rows_of_state, unpacked
from fpsim.evolution.moment_closure.kicks import principal_widths
from fpsim.evolution.moment_closure.marginal_error import Halves, bias_of, boxes_of, halves_of, noise_of
from fpsim.evolution.moment_closure.population import Journey, Problem, check_tensor, flow, travel
from fpsim.evolution.moment_closure.start import SampledStart, StartLike, names_of, start_scale
from fpsim.support.checks import real_array, real_number, whole_number
from fpsim.support.errors import DomainError, ValidityWarning
from fpsim.support.memory import check_memory, memory_budget
from fpsim.support.progress import Progress
from fpsim.support.random_streams import RNG, key_of

__all__ = ["MixtureEvolution", "evolve_mixture"]

Array = NDArray[np.float64]

PILOT, PILOT_WIDTH = 2048, 0.25
"""Components of the pilot run, and their width in standard deviations."""
NOISE_SHARE, BIAS_SHARE = 0.7, 0.6
"""Shares of the tolerance, which add up in squares."""
ROUNDS = 3
"""Runs after the pilot, until the tolerance is met."""
MOST = 2**20
"""Components above which a tolerance is said not to be met."""
TIME_SHARE = 0.05
"""Accepted local error of a step, in widths of a component, relative to the tolerance."""
EXACT_ERROR = 1e-11
"""The same where the closure is exact: steps cost nothing there."""
HELD_TOGETHER, SOME, NEVER = 1.4, 1024, 1e-3
"""Ratio of variances, of wider components to accepted ones, below which the drift holds them; how many are looked at;
width, in accepted ones, that none is below."""
ROUNDING = 1e-9
"""Departure from linear drift, relative, that passes as rounding."""


@dataclass(frozen=True, eq=False)
class MixtureEvolution:
    """Mixtures at the requested times and the account of how they were computed.

    Attributes
    ----------
    times : ndarray, shape (T,)
    densities : tuple of GaussianMixture
    noise, bias, time_error : ndarray, shape (T,)
        Estimated total variation, of the worst two-dimensional marginal, that the number of components, their width and
        the steps in time make; ``nan`` where not asked for.
    components : int
        Number of components that were evolved (a symmetry multiplies those of the densities).
    width : ndarray, shape (n,)
        Accepted width of a component, per coordinate; infinite where the closure is exact.
    symmetries : int
        Size of the group of signed permutations that was used.
    steps, rejected, kicks : int
        Steps of single components, those tried again, and kicks of single components.
    method : str
        "exact closure" or "stratified kicks".
    warnings : tuple of str
        Every stated reason for caution.
    """

    times: Array
    densities: tuple[GaussianMixture, ...] = field(repr=False)
    noise: Array
    bias: Array
    time_error: Array
    components: int
    width: Array
    symmetries: int
    steps: int
    rejected: int
    kicks: int
    method: str
    warnings: tuple[str, ...] = ()

    @property
    def final(self) -> GaussianMixture:
        """The last density."""
        return self.densities[-1]

    @property
    def error(self) -> Array:
        """Estimated total variation of the worst 2-D marginal, per time: noise and bias in squares, and time."""
        return np.sqrt(self.noise**2 + self.bias**2) + self.time_error

    def __repr__(self) -> str:
        return (
            f"MixtureEvolution({len(self.times)} times to t={self.times[-1]:g}, {self.final.ndim} dimensions, "
            f"{self.components} components of width {float(np.min(self.width)):.3g}, {self.method}; total variation of "
            f"2-D marginals: noise {self.noise[-1]:.1g}, width {self.bias[-1]:.1g}, time {self.time_error[-1]:.1g}"
            f"{''.join('; ' + w for w in self.warnings)})"
        )


def evolve_mixture(
    equation: FokkerPlanck,
    start: StartLike,
    times: ArrayLike,
    *,
    tolerance: float = 0.02,
    components: int | None = None,
    width: float | ArrayLike | None = None,
    rng: RNG = None,
    threads: int | None = None,
    memory: float | str | None = None,
    progress: Progress | None = None,
    estimate_errors: bool = True,
) -> MixtureEvolution:
    """Evolve a density of any number of dimensions as a Gaussian mixture.

    Parameters
    ----------
    equation : FokkerPlanck
        Without mean field; unbounded space.
    start : GaussianMixture, SampledStart, or array_like (M, n)
        A mixture, a map from the unit cube, or given places. Components of a mixture of several are all represented,
        however light: half of the components are shared out evenly among them, with weights that make up for it.
    times : array_like
        Increasing output times >= 0.
    tolerance : float, keyword-only
        Accepted total variation of every two-dimensional marginal, at all times.
    components, width : int, float or (n,), keyword-only
        Number and width of the components, both or none; chosen from the tolerance by default.
    rng : None, int, SeedSequence or Generator, keyword-only
        Gives the one 64-bit key that all random numbers follow from.
    threads : int, keyword-only
        No influence on any number.
    memory : float or str, keyword-only
        Budget in bytes (or ``"2 GB"``): more components than fit into it are refused.
    progress : callable, keyword-only
        Called with the share of the present run that is done.
    estimate_errors : bool, keyword-only
        Whether noise and bias are estimated, at 1.5 times the cost; needed where the tolerance chooses.

    Raises
    ------
    DomainError
        If an argument is not accepted: a start that cannot be sampled, an equation with a mean field or another
        dimension, a diffusion that is not positive semidefinite where components are (at which place and time).
    MemoryLimitError
        If so many components do not fit into the budget.
    ToleranceError
        If a component cannot go on.

    Warns
    -----
    ValidityWarning
        If the tolerance is not met, and why.

    Examples
    --------
    >>> ou = FokkerPlanck(drift=lambda x, y: (-x, -2.0 * y), diffusion=0.5)
    >>> result = evolve_mixture(ou, GaussianMixture.gaussian([1.0, 1.0], 0.0), [1.0])
    >>> bool(abs(result.final.mean[0] - np.exp(-1.0)) < 1e-9)
    True
    """
    names = _names(equation, start)
    when = _times(times)
    tolerance = real_number(tolerance, "tolerance", accepted="a positive number below one")
    if not 0.0 < tolerance < 1.0:
        raise DomainError(f"tolerance is {tolerance}: a positive number below one is accepted")
    if (components is None) != (width is None):
        raise DomainError("components without width, or width without components: both or none are accepted")
    key = key_of(rng)
    mean, std = start_scale(start)
    coefficients = coefficients_at_points(equation, np.maximum(std, 1e-3))
    problem = Problem(
        coefficients, start, when, TIME_SHARE * tolerance, equation.time_dependent, key, threads, progress or _silent
    )
    scale = _scale(coefficients, mean, std, when[-1])
    if isinstance(start, GaussianMixture) and _is_exact(problem, mean, np.maximum(scale, 1e-3)):
        return _exact(problem, start, names)
    group, budget = _kept_symmetries(equation, start), memory_budget(memory)
    runner = _Runner(problem, names, group, estimate_errors or components is None, budget)
    if components is not None:
        count = 2 * (-(-whole_number(components, "components", least=2) // 2))
        given = np.broadcast_to(real_array(width, "width"), (len(names),)).astype(np.float64)
        if not (given > 0.0).all():
            raise DomainError(f"width is {width!r}: positive numbers are accepted")
        return runner.result(count, given)
    return _by_tolerance(runner, scale, tolerance, isotropic=isinstance(equation, PointwiseFokkerPlanck))


def _by_tolerance(runner: _Runner, scale: Array, tolerance: float, *, isotropic: bool) -> MixtureEvolution:
    """Pilot, and runs whose width and number follow from the last one's errors."""
    count, width = PILOT, PILOT_WIDTH * _units(scale, isotropic)
    journey = replace(runner, estimate=False).journey(count // 4, width)
    largest = np.max([np.sqrt(_variances(state, len(width))) for state in journey.states], axis=0)
    width = PILOT_WIDTH * _units(np.maximum(largest, 1e-12), isotropic)
    result = runner.result(count, width)
    for _ in range(ROUNDS):
        if result.error.max() <= tolerance:
            return result
        noise, bias = max(result.noise.max(), 1e-6), max(result.bias.max(), 0.1 * result.noise.max(), 1e-6)
        shrink = float(np.clip(np.sqrt(BIAS_SHARE * tolerance / bias), 0.3, 1.5))
        needed = count * (noise / (NOISE_SHARE * tolerance)) ** 2 / shrink
        if needed > MOST:
            break
        width = width * shrink
        count = 2 ** max(int(np.ceil(np.log2(needed))), 11)
        result = runner.result(count, width)
    if result.error.max() <= tolerance:
        return result
    worst = int(result.error.argmax())
    text = (
        f"tolerance {tolerance:g} not met: error {result.error[worst]:.2g} at t = {result.times[worst]:g} (noise "
        f"{result.noise[worst]:.2g}, width {result.bias[worst]:.2g}, time {result.time_error[worst]:.2g}) with {count} "
        "components"
    )
    warnings.warn(text, ValidityWarning, stacklevel=3)
    return replace(result, warnings=(*result.warnings, text))


@dataclass(frozen=True)
class _Runner:
    problem: Problem
    names: tuple[str, ...]
    group: Array
    estimate: bool
    budget: float

    def journey(self, count: int, width: Array, kick_times: tuple[float, ...] | None = None) -> Journey:
        words = rows_of_state(len(width)) * (len(self.problem.times) + 3)
        words += (len(width) + len(width) ** 2) * len(self.group) * len(self.problem.times)
        check_memory(
            8.0 * count * words, f"{count} components in {len(width)} dimensions at {len(self.problem.times)} times",
            "fewer components or times need less", budget=self.budget,
        )  # fmt: skip
        return travel(self.problem, count, width, kick_times)

    def result(self, count: int, width: Array) -> MixtureEvolution:
        """One run, and the errors of it."""
        n, journey = len(width), self.journey(count, width)
        noise = bias = np.full(len(self.problem.times), np.nan)
        if self.estimate:
            fewer = 2 * max(count // 4, 1)
            wide = self.journey(fewer, np.sqrt(2.0) * width, journey.kick_times)
            pairs = [self._halves(journey, wide, k, n) for k in range(len(journey.states))]
            noise = np.array([noise_of(fine) for fine, _ in pairs])
            bias = np.array([bias_of(fine, broad) for fine, broad in pairs])
            own = _own_width(journey, wide, width)
            if own is not None:
                slim = self.journey(fewer, own * width)
                pairs = [self._halves(journey, slim, k, n) for k in range(len(journey.states))]
                bias = np.maximum(bias, [bias_of(fine, narrow) for fine, narrow in pairs])
        densities = tuple(
            GaussianMixture.of_arrays(journey.weights, *unpacked(state, n), self.names).symmetrised(self.group)
            for state in journey.states
        )
        return MixtureEvolution(
            self.problem.times, densities, noise, bias, _time_error(journey.time_error), count, width, len(self.group),
            journey.steps, journey.rejected, journey.kicks, "stratified kicks",
        )  # fmt: skip

    def _halves(self, fine: Journey, wide: Journey, k: int, n: int) -> tuple[Halves, Halves]:
        boxes = boxes_of(fine.states[k], n, self.group)
        first, second = (
            halves_of(j.weights, j.states[k], n, self.group, boxes, self.problem.threads) for j in (fine, wide)
        )
        return first, second


def _own_width(journey: Journey, wide: Journey, width: Array) -> float | None:
    """Half the width that components take by themselves, in units of the accepted one, if it is not that one.

    Components that the drift holds together stay narrower than accepted, and wider ones are the same: both runs then
    share the error of their shape, and only narrower components tell it.
    """
    found = None
    for fine, broad in zip(journey.states, wide.states, strict=True):
        own, other = (_typical_variance(state, width) for state in (fine, broad))
        if other < HELD_TOGETHER * own:
            half = 0.5 * min(float(np.sqrt(own)), 1.0)
            found = half if found is None else min(found, half)
    return found


def _typical_variance(state: Array, width: Array) -> float:
    """Median over some components of the largest variance along a direction, in units of the accepted one."""
    some = np.ascontiguousarray(state[:, :: max(state.shape[1] // SOME, 1)])
    return float(np.median(principal_widths(some, NEVER * width).values[0])) * NEVER**2


def _exact(problem: Problem, start: GaussianMixture, names: tuple[str, ...]) -> MixtureEvolution:
    """Every component by itself: the closure of a linear drift with constant diffusion is exact."""
    problem, n = replace(problem, local_error=EXACT_ERROR), start.ndim
    state, states, errors = packed(start.means, start.covariances), [], []
    check_tensor(problem.coefficients, state, n, 0.0)
    error, step, now = np.zeros(start.size), np.full(start.size, 0.01 * problem.times[-1]), 0.0
    steps = rejected = 0
    for t in problem.times:
        if t > now:
            taken = flow(problem, state, now, float(t), step, np.full(n, np.inf), error)
            steps, rejected, now = steps + taken[0], rejected + taken[1], float(t)
        states.append(state.copy())
        errors.append(float(start.weights @ error))
    densities = tuple(GaussianMixture.of_arrays(start.weights, *unpacked(s, n), names) for s in states)
    nothing = np.zeros(len(problem.times))
    return MixtureEvolution(
        problem.times, densities, nothing, nothing, _time_error(np.array(errors)), start.size, np.full(n, np.inf), 1,
        steps, rejected, 0, "exact closure",
    )  # fmt: skip


def _time_error(widths: Array) -> Array:
    """Total variation of shifts by so many widths."""
    return widths / np.sqrt(2.0 * np.pi)


def _is_exact(problem: Problem, mean: Array, scale: Array) -> bool:
    """Whether drift is linear and diffusion constant, at random places around the start."""
    n, rng = len(mean), np.random.default_rng(problem.key)
    x = mean[:, None] + 3.0 * scale[:, None] * rng.standard_normal((n, 64))
    places = np.concatenate([x, mean[:, None], mean[:, None] + 0.5 * (x - mean[:, None])], axis=1)
    drift, diffusion = np.empty_like(places), np.empty((n * (n + 1) // 2, places.shape[1]))
    for t in (0.0, float(problem.times[-1])):
        try:
            problem.coefficients(t, places, drift, diffusion)
        except DomainError:  # not defined so far off: then it is not linear and constant
            return False
        far, centre, half = drift[:, :64], drift[:, 64:65], drift[:, 65:]
        bent = np.abs(half - 0.5 * (far + centre)).max() > ROUNDING * (1e-300 + np.abs(drift).max())
        if bent or np.ptp(diffusion, axis=1).max() > ROUNDING * (1e-300 + np.abs(diffusion).max()):
            return False
    return True


def _scale(coefficients: PointCoefficients, mean: Array, std: Array, end: float) -> Array:
    """Rough standard deviations on the way: those of the start and of free diffusion from its mean."""
    n = len(mean)
    drift, diffusion = np.empty((n, 1)), np.empty((n * (n + 1) // 2, 1))
    coefficients(0.0, np.ascontiguousarray(mean[:, None]), drift, diffusion)
    diagonal = diffusion[np.cumsum(np.arange(1, n + 1)) - 1, 0]
    return np.sqrt(std**2 + np.minimum(end, 1.0) * np.maximum(diagonal, 0.0))


def _units(scale: Array, isotropic: bool) -> Array:
    """Unit of width per coordinate; one for all where coordinates are of one kind."""
    return np.full(len(scale), np.sqrt(np.mean(scale**2))) if isotropic else np.maximum(scale, 1e-12)


def _variances(state: Array, n: int) -> Array:
    rows = n + np.cumsum(np.arange(1, n + 1)) - 1
    return np.asarray(state[rows].mean(axis=1) + state[:n].var(axis=1))


def _kept_symmetries(equation: FokkerPlanck, start: StartLike) -> Array:
    """Those of the equation's symmetries that leave the start as it is."""
    group = equation.symmetries if isinstance(equation, PointwiseFokkerPlanck) else np.eye(len(names_of(start)))[None]
    return np.stack([a for a in group if _leaves(a, start)])


def _leaves(matrix: Array, start: StartLike) -> bool:
    if np.array_equal(matrix, np.eye(len(matrix))):
        return True
    if isinstance(start, GaussianMixture):
        image = start.transformed(matrix)
        return start.size == 1 and all(
            np.allclose(a, b, rtol=1e-12, atol=1e-14)
            for a, b in ((image.means, start.means), (image.covariances, start.covariances))
        )
    return isinstance(start, SampledStart) and start.invariant_under(matrix)


def _names(equation: FokkerPlanck, start: StartLike) -> tuple[str, ...]:
    if not isinstance(equation, FokkerPlanck):
        raise DomainError(f"equation is a {type(equation).__name__}: a FokkerPlanck is accepted")
    names = names_of(start)
    if isinstance(equation, PointwiseFokkerPlanck):
        if len(equation.names) != len(names):
            raise DomainError(
                f"start has {len(names)} coordinates, the equation {len(equation.names)}: equal numbers are accepted"
            )
        return equation.names
    return names


def _times(times: ArrayLike | Sequence[float]) -> Array:
    when = np.atleast_1d(real_array(times, "times"))
    if when.ndim != 1 or not when.size or not np.isfinite(when).all() or when[0] < 0.0 or (np.diff(when) <= 0.0).any():
        raise DomainError("times do not increase from >= 0: finite, increasing times are accepted")
    return when


def _silent(_share: float) -> None:
    pass
