"""Transfer residual: beta functions fitted to low n-point functions of some runs, as a prediction of the rest.

Gamma and the beta functions are fitted to ``Z`` and ``g``, which read ``G_1`` and ``G_2`` only, through their integrals
along the clock (``fit_paths``). From the first time of every run the fitted flow is integrated and the family predicts
all ``G_n``. The residual is the root mean square of prediction minus measurement over times and functions, in units of
``E|f .. f|``.

What is tested: the higher functions of the fitted runs, and all functions of the other runs. Trivial if neither is
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.beta_function import BetaFunction, fit_paths
from fpsim.diagnostics.callan_symanzik.correlators import Correlators, Index
from fpsim.diagnostics.callan_symanzik.families import Family
from fpsim.diagnostics.callan_symanzik.flow import checked_clock
from fpsim.support.errors import DomainError
from fpsim.uncertainty.estimate import propagate_errors, stack
from fpsim.uncertainty.verdict import Claim

__all__ = ["CorrelatorRun", "transfer"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CorrelatorRun:
    """n-point functions through one training run.

    Attributes
    ----------
    clock : array_like, shape (T,)
    tables : sequence of Correlators
    family : Family, optional
        The family with this run's own known constants, for example the noise of another learning rate. By default the
        family that the claim is about.
    """

    clock: ArrayLike
    tables: Sequence[Correlators]
    family: Family | None = None

    def part(self, times: slice) -> CorrelatorRun:
        """The same run at some of its times."""
        return CorrelatorRun(np.asarray(self.clock)[times], self.tables[times], self.family)

    def couplings(self, family: Family, full: Array) -> Array:
        """``(Z, g_1, ..)`` from n-point functions at every time (T, K), shape (T, 1 + a)."""
        own, indices = self.family or family, self.tables[0].indices
        return np.array([own.couplings(own.read(indices, row)) for row in full])


def transfer(
    fitted: Sequence[CorrelatorRun],
    others: Sequence[CorrelatorRun],
    family: Family,
    *,
    degree: int = 2,
    orders: Sequence[int] = (3, 4),
    tolerance: float = 0.02,
) -> Claim:
    """Transfer residual: root mean square over the fitted runs or over the others, whichever is larger.

    Parameters
    ----------
    fitted, others : sequences of CorrelatorRun
        Runs the beta functions are fitted to, and runs they have never seen (independent replicas).
    family : Family
        As many of ``(Z, g_1, ..)`` as it has parameters determine those, couplings beyond them being constants over
        powers of ``Z`` (all built-in families).
    degree : int
        Total degree of the polynomials in the couplings.
    orders : sequence of int
        Functions that are predicted; of the fitted runs only those above two count.

    Raises
    ------
    DomainError
        If the runs do not determine the polynomials.
    """
    if not fitted:
        raise DomainError("no run to fit: one or more are accepted")
    runs = [*fitted, *others]
    clocks = [checked_clock(run.clock, len(run.tables)) for run in runs]
    indices = runs[0].tables[0].indices
    chosen = [[i for i, x in enumerate(indices) if len(x) in orders and (k >= len(fitted) or len(x) > 2)]
              for k in range(len(runs))]  # fmt: skip
    units = [np.stack([table.absolute.value for table in run.tables]) for run in runs]
    histories = [stack([table.full for table in run.tables]) for run in runs]

    def fit(values: Sequence[Array]) -> BetaFunction:
        paths = [run.couplings(family, v) for run, v in zip(fitted, values, strict=False)]
        return fit_paths(clocks[: len(fitted)], paths, family.names, degree)

    def residual(*values: Array) -> Array:
        beta, parts = fit(values), []
        for k, (run, full, s) in enumerate(zip(runs, values, clocks, strict=True)):
            own = run.family or family
            theta = own.read(indices, full[0])
            predicted = _predict(own, theta, beta.run(own.couplings(theta), s, substeps=2), indices)
            gap = ((predicted - full) / units[k])[1:, chosen[k]].ravel()
            parts.append(np.where(np.isfinite(gap), np.clip(gap, -1.0, 1.0), 1.0))
        return np.concatenate(parts)

    left = propagate_errors(residual, *histories)
    known = sum(len(rows) * (len(run.tables) - 1) for run, rows in zip(fitted, chosen, strict=False))
    # Averaged over all runs, a good fit would hide a bad prediction.
    parts = [part for part in (left[:known], left[known:]) if part.value.size]
    worst = max(parts, key=lambda part: float(np.mean(part.value**2)), default=left)
    count = worst.value.size
    beta = fit([h.value for h in histories])
    seen = [beta.covers(run.couplings(family, h.value)[:, 1:]) for run, h in zip(runs, histories, strict=True)]
    size = float(np.sqrt(max(count, 1)))
    return Claim(
        "transfer",
        float(np.linalg.norm(worst.value)) / size,
        worst.norm_error / size if count else float("nan"),
        tolerance,
        count,
        details={"beta": beta, "coverage": tuple(seen), "components": left.value},
    )


def _predict(family: Family, theta: Array, path: Array, indices: tuple[Index, ...]) -> Array:
    """n-point functions along a path of couplings, ``nan`` from where no member of the family has them."""
    out = np.full((len(path), len(indices)), np.nan)
    with np.errstate(all="ignore"):
        for k, target in enumerate(path):
            theta = _followed(family, theta, target)
            if not np.isfinite(theta).all():
                break
            out[k] = family.correlators(theta, indices)
    return out


def _followed(family: Family, theta: Array, target: Array) -> Array:
    """Parameters whose couplings are ``target``, by Newton's method from those of the time before; ``nan`` if lost."""
    lost = np.full(len(theta), np.nan)
    if not np.isfinite(target).all():
        return lost
    theta, size = np.array(theta), len(theta)  # further couplings are constants times powers of Z
    for _ in range(20):
        gap = (target - family.couplings(theta))[:size]
        if np.abs(gap).max() < 1e-9 * max(float(np.abs(target).max()), 1e-300):
            break
        steps = np.diag(1e-6 * np.maximum(np.abs(theta), 1e-6))
        pairs = [(family.couplings(theta + d), family.couplings(theta - d), 2.0 * d.max()) for d in steps]
        slopes = np.stack([(up - down)[:size] / width for up, down, width in pairs], axis=1)
        if not (np.isfinite(slopes).all() and np.isfinite(gap).all()):
            return lost
        theta = theta + np.linalg.lstsq(slopes, gap, rcond=1e-12)[0]
    return theta
