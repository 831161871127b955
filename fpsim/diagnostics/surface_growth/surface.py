"""Stochastic surfaces in one dimension: ensembles of Edwards-Wilkinson and Kardar-Parisi-Zhang growth.

    dh_i/dt = nu (h_{i+1} - 2 h_i + h_{i-1}) + (lam / 2) N_i + sqrt(2 noise) xi_i,   periodic, lattice spacing 1

with one of two discretisations of the squared slope, ``s_i = h_{i+1} - h_i``:

=============  ========================================  =======================================================
``lam-shin``   ``(s_i^2 + s_i s_{i-1} + s_{i-1}^2) / 3``  keeps the stationary measure ``exp(-nu sum s^2 / (2 noise))``
``centred``    ``((h_{i+1} - h_{i-1}) / 2)^2``           loses it (Lam & Shin, Phys. Rev. E 57, 6506 (1998))
=============  ========================================  =======================================================

Time stepping
-------------
Relaxation and noise act on one sublattice at a time: given its neighbours, a site is an Ornstein-Uhlenbeck variable,

    R: h_i <- (1 - a) (h_{i-1} + h_{i+1}) / 2 + a h_i + sqrt((1 - a^2) noise / (2 nu)) normal,

so each such move keeps the stationary measure exactly, whatever the step. The nonlinear part ``G``, which is
deterministic and keeps the measure too (Lam-Shin), is a Runge-Kutta 4 step. One time step is the palindrome

    R_even R_odd G R_odd R_even,   a^2 = (1 - nu dt) / (1 + nu dt),

of second order; the choice of ``a`` makes the decay of long waves exact. There is no Ito correction, because the noise
is additive. The bias of the time step is known for ``lam = 0`` (:mod:`fpsim.diagnostics.surface_growth.ew_stepping`),
else measured in tests.

Limits: one dimension, even ``size``, ``nu dt < 1``, and steps that resolve the steepest slope, ``|lam| s dt < 2.8``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.surface_growth.surface_kernels import START, Move, grow_surfaces
from fpsim.support.checks import real_array, real_number, whole_number
from fpsim.support.errors import DomainError, ToleranceError
from fpsim.support.progress import Progress, check_progress
from fpsim.support.random_streams import RNG, key_of, replica_normals
from fpsim.support.threads import Team

__all__ = ["Scheme", "SurfaceEnsemble", "simulate_surface", "time_steps"]

Scheme = Literal["lam-shin", "centred"]
_STEEPEST = 6.0  # standard deviations of the stationary slope that a default step must still resolve
_RESOLVED = 1.8  # of 2.8, where Runge-Kutta 4 becomes unstable: at 2.8 its damping slows the growth by 3e-4


@dataclass(frozen=True)
class SurfaceEnsemble:
    """Replicas of one surface, recorded in time.

    Attributes
    ----------
    times : ndarray (T,)
        Recording times, increasing.
    mean : ndarray (T, R)
        Spatial mean height of each replica.
    central : ndarray (T, R, 3)
        Spatial central moments 2, 3, 4 of each replica about its own mean; ``central[..., 0]`` is the squared width.
    heights_at : ndarray (K,)
        The times of ``heights``.
    heights : ndarray (K, R, size)
        Whole profiles.
    nu, lam, noise, scheme : parameters of the equation
    dt : float
        Longest time step taken.
    """

    times: NDArray[np.float64]
    mean: NDArray[np.float64]
    central: NDArray[np.float64]
    heights_at: NDArray[np.float64]
    heights: NDArray[np.float64]
    nu: float
    lam: float
    noise: float
    scheme: Scheme
    dt: float

    @property
    def size(self) -> int:
        """Sites of a surface."""
        return int(self.heights.shape[2])

    @property
    def replicas(self) -> int:
        """Number of surfaces."""
        return int(self.mean.shape[1])

    def __repr__(self) -> str:
        equation = f"nu={self.nu:g}, lam={self.lam:g}, noise={self.noise:g}, {self.scheme!r}, dt={self.dt:.3g}"
        return f"SurfaceEnsemble(replicas={self.replicas}, size={self.size}, times={self.times.size}, {equation})"


def simulate_surface(
    size: int,
    times: ArrayLike,
    *,
    nu: float = 1.0,
    lam: float = 0.0,
    noise: float = 1.0,
    replicas: int = 64,
    scheme: Scheme = "lam-shin",
    initial: Literal["flat", "stationary"] | ArrayLike = "flat",
    dt: float | None = None,
    heights_at: Sequence[float] | None = None,
    rng: RNG = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> SurfaceEnsemble:
    """Grow an ensemble of independent surfaces.

    Parameters
    ----------
    size : int
        Sites of the periodic lattice, even, at least 4.
    times : array_like (T,)
        Recording times, positive and increasing.
    nu, lam, noise : float
        Surface tension (> 0), nonlinearity, noise strength (>= 0).
    replicas : int
        Number of surfaces. The first ones do not depend on how many follow.
    scheme : {"lam-shin", "centred"}
        Discretisation of the squared slope.
    initial : "flat", "stationary" or array_like broadcasting to (replicas, size)
        Start; ``stationary`` draws periodic random walks with slope variance ``noise / nu``, of mean height zero.
    dt : float, optional
        Longest time step; ``None``: ``0.2 / nu``, or less where slopes of six standard deviations ask for it.
    heights_at : sequence of float, optional
        Those of ``times`` whose profiles are kept; ``None``: the last one.
    rng : None, int, SeedSequence or Generator
        Source of all random numbers, which are addressed by replica, move and site.
    threads : int, optional
        Threads; the result does not depend on it.
    progress : callable, optional
        Called with the share of the time that is done, from 0 to 1.

    Returns
    -------
    SurfaceEnsemble
        Moments of every profile at ``times``, profiles at ``heights_at``.

    Raises
    ------
    DomainError
        If an argument is outside what is said above.
    ToleranceError
        If the surface diverged: the step does not resolve its slopes.
    """
    check_progress(progress)
    size, replicas = whole_number(size, "size", least=4), whole_number(replicas, "replicas", least=1)
    nu, lam, noise = real_number(nu, "nu"), real_number(lam, "lam"), real_number(noise, "noise")
    recorded = np.atleast_1d(np.array(real_array(times, "times")))
    kept = recorded[-1:] if heights_at is None else np.atleast_1d(np.array(real_array(heights_at, "heights_at")))
    _check(size, recorded, kept, nu=nu, noise=noise, scheme=scheme)
    key = key_of(rng)
    h = _start(initial, (replicas, size), math.sqrt(noise / nu), key)
    longest = _longest_step(h, nu, lam, noise) if dt is None else real_number(dt, "dt")
    if not 0.0 < longest * nu < 1.0:
        message = f"dt is {longest:g}; accepted: 0 < dt < 1/nu = {1.0 / nu:g}"
        raise DomainError(message)

    moments = np.empty((recorded.size, replicas, 4))
    heights = np.empty((kept.size, replicas, size))
    used, sweep = 0.0, 0
    with Team(threads) as team:
        for j, (time, (steps, step)) in enumerate(zip(recorded, time_steps(recorded, longest), strict=True)):
            keep = math.sqrt((1.0 - nu * step) / (1.0 + nu * step))
            kick = math.sqrt((1.0 - keep**2) * noise / (2.0 * nu))
            move = Move(keep, kick, 0.5 * lam * step, scheme == "centred")

            def work(
                begin: int, end: int, j: int = j, sweep: int = sweep, steps: int = steps, move: Move = move
            ) -> None:
                grow_surfaces(h[begin:end], np.uint64(key), begin, sweep, steps, move, moments[j, begin:end])

            team.share(work, replicas)
            sweep += 3 * steps + 1
            if not np.all(np.isfinite(moments[j])):
                message = f"surface diverged before t={time:g} with dt={step:.3g}: take a smaller dt"
                raise ToleranceError(message)
            heights[kept == time] = h
            used = max(used, step)
            if progress is not None:
                progress(float(time / recorded[-1]))
    return SurfaceEnsemble(
        recorded, moments[..., 0], moments[..., 1:], kept, heights, float(nu), float(lam), float(noise), scheme, used
    )


def time_steps(times: ArrayLike, longest: float) -> list[tuple[int, float]]:
    """Number and length of the equal time steps to each of the times from the one before, none above ``longest``."""
    intervals = np.diff(np.atleast_1d(np.asarray(times, dtype=float)), prepend=0.0)
    counts = [math.ceil(interval / longest * (1.0 - 1e-12)) for interval in intervals]
    return [(n, float(interval / n)) for n, interval in zip(counts, intervals, strict=True)]


def _start(initial: object, shape: tuple[int, int], slope: float, key: int) -> NDArray[np.float64]:
    if isinstance(initial, str):
        if initial == "flat":
            return np.zeros(shape)
        if initial != "stationary":
            message = f"initial {initial!r} does not exist; accepted: 'flat', 'stationary' or an array"
            raise DomainError(message)
        steps = slope * replica_normals(key, START, first=0, replicas=shape[0], count=shape[1])
        walk = np.cumsum(steps - steps.mean(axis=1, keepdims=True), axis=1)
        return np.ascontiguousarray(walk - walk.mean(axis=1, keepdims=True))
    profile = real_array(initial, "initial")
    if not np.all(np.isfinite(profile)):
        message = "initial has entries that are not finite"
        raise DomainError(message)
    try:
        return np.array(np.broadcast_to(profile, shape))
    except ValueError:
        message = f"initial has shape {profile.shape}; accepted: anything that broadcasts to (replicas, size) = {shape}"
        raise DomainError(message) from None


def _longest_step(h: NDArray[np.float64], nu: float, lam: float, noise: float) -> float:
    steepest = max(_STEEPEST * math.sqrt(noise / nu), float(np.max(np.abs(np.diff(h, axis=1)))))
    advection = abs(lam) * steepest
    return min(0.2 / nu, _RESOLVED / advection if advection > 0 else math.inf)


def _check(
    size: int,
    times: NDArray[np.float64],
    kept: NDArray[np.float64],
    *,
    nu: float,
    noise: float,
    scheme: str,
) -> None:
    wrong = {
        f"size is {size}; accepted: even numbers from 4": size % 2,
        f"nu is {nu}; accepted: finite and positive": not nu > 0,
        f"noise is {noise}; accepted: finite and not negative": not noise >= 0,
        "times must be finite, positive and increasing": not _increasing(times),
        "heights_at must be some of times": not np.all(np.isin(kept, times)),
        f"scheme {scheme!r} does not exist; accepted: {', '.join(get_args(Scheme))}": not isinstance(scheme, str)
        or scheme not in get_args(Scheme),
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise DomainError(message)


def _increasing(times: NDArray[np.float64]) -> bool:
    return bool(
        times.ndim == 1 and times.size and np.all(np.diff(times, prepend=0.0) > 0) and np.all(np.isfinite(times))
    )
