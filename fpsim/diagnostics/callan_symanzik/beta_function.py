"""Beta functions fitted over coupling space: fixed points, exponents, flow lines.

``beta_a(g)`` and ``gamma(g)`` as polynomials of a total degree, by weighted least squares over measured flows. A
fixed point is a zero of all beta functions; the eigenvalues of ``d beta / d g`` there are its exponents (positive:
relevant along the clock). A polynomial is only trusted where it was fitted: the box of the couplings it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from fpsim.diagnostics.callan_symanzik.flow import Flow
from fpsim.support.errors import DomainError

__all__ = ["BetaFunction", "FixedPoint", "beta_dataset", "fit_beta", "fit_paths", "fit_rates"]

Array = NDArray[np.float64]

_ZERO = 1e-3  # exponents below belong to a continuous line of fixed points


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A zero of all beta functions.

    Attributes
    ----------
    couplings : ndarray, shape (a,)
    exponents : ndarray, shape (a,)
        Eigenvalues of ``d beta / d g``, largest real part first; complex for a spiral.
    gamma : float
        Anomalous dimension there.
    """

    couplings: Array
    exponents: NDArray[np.complex128]
    gamma: float


@dataclass(frozen=True, eq=False)
class BetaFunction:
    """Polynomial gamma and beta functions.

    Attributes
    ----------
    names : tuple of str
    powers : ndarray of int, shape (terms, a)
        Exponents of the monomials.
    coefficients : ndarray, shape (terms, 1 + a)
        Of gamma (first column) and the beta functions.
    lower, upper : ndarray, shape (a,)
        Box of the couplings that were fitted.
    """

    names: tuple[str, ...]
    powers: NDArray[np.int64]
    coefficients: Array
    lower: Array
    upper: Array

    def __call__(self, couplings: ArrayLike) -> Array:
        """``(gamma, beta_1, ..)`` at couplings (..., a)."""
        return monomials(np.asarray(couplings, float), self.powers) @ self.coefficients

    def covers(self, couplings: ArrayLike) -> float:
        """Share of the couplings (M, a) inside the fitted box."""
        g = np.reshape(np.asarray(couplings, float), (-1, len(self.names)))
        slack = 1e-9 + 0.02 * (self.upper - self.lower)
        return float(np.mean(((g >= self.lower - slack) & (g <= self.upper + slack)).all(axis=1)))

    def jacobian(self, couplings: ArrayLike) -> Array:
        """``d beta_a / d g_b``, exact for the polynomial, shape (a, a)."""
        g = np.asarray(couplings, float)
        columns = []
        for b in range(len(self.names)):
            lowered = self.powers.copy()
            lowered[:, b] = np.maximum(lowered[:, b] - 1, 0)
            columns.append((self.powers[:, b] * monomials(g, lowered)) @ self.coefficients[:, 1:])
        return np.stack(columns, axis=1)

    def fixed_points(self, *, margin: float = 0.1) -> tuple[FixedPoint, ...]:
        """Zeros of the beta functions within the fitted box widened by ``margin`` of its size, found from 5^a starts.

        Of a continuous line of fixed points some are listed; a zero exponent tells.
        """
        from scipy.optimize import root

        size = self.upper - self.lower
        low, high = self.lower - margin * size, self.upper + margin * size
        found: list[Array] = []
        for start in product(*(np.linspace(a, b, 5) for a, b in zip(low, high, strict=True))):
            answer = root(lambda g: self(g)[1:], np.array(start), jac=self.jacobian, tol=1e-12)
            g = np.asarray(answer.x)
            zero = float(np.abs(self(g)[1:]).max()) < 1e-9 * max(float(np.abs(self.coefficients).max()), 1e-300)
            if zero and ((g >= low) & (g <= high)).all() and all(np.abs(g - f).max() > 1e-5 for f in found):
                found.append(g)
        return tuple(FixedPoint(g, _exponents(self.jacobian(g)), float(self(g)[0])) for g in found)

    def run(self, start: ArrayLike, clock: ArrayLike, *, substeps: int = 4) -> Array:
        """``(Z, g)`` along the clock from ``start`` (1 + a,), shape (T, 1 + a); Runge-Kutta 4 between clock values.

        Not finite from where a polynomial carries the couplings away.
        """
        begin, s = np.asarray(start, float), np.asarray(clock, float)
        state = np.array([np.log(abs(begin[0])), *begin[1:]])
        out = [state]
        with np.errstate(over="ignore", invalid="ignore"):
            for width in np.diff(s) / substeps:
                for _ in range(substeps):
                    k1 = self(state[1:])
                    k2 = self((state + 0.5 * width * k1)[1:])
                    k3 = self((state + 0.5 * width * k2)[1:])
                    state = state + width / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + self((state + width * k3)[1:]))
                out.append(state)
            path = np.array(out)
            return np.column_stack([np.copysign(np.exp(path[:, 0]), begin[0]), path[:, 1:]])


def fit_rates(
    couplings: Array, rates: Array, errors: Array | None, names: tuple[str, ...], degree: int
) -> BetaFunction:
    """Polynomials of total degree ``degree`` through rates (M, 1 + a) at couplings (M, a).

    Raises
    ------
    DomainError
        If the couplings seen do not determine the polynomials.
    """
    powers = _powers(len(names), degree)
    weights = np.ones_like(rates)
    if errors is not None and errors.max() > 0.0:
        weights = 1.0 / np.maximum(errors, 1e-3 * errors.max(axis=0))
    return _fitted(couplings, monomials(couplings, powers), rates, weights, powers, names)


def fit_paths(clocks: Sequence[Array], paths: Sequence[Array], names: tuple[str, ...], degree: int) -> BetaFunction:
    """The same through paths ``(Z, g)`` (T, 1 + a) by their integrals, ``g(s) - g(s_0) = int beta(g) ds``.

    Nothing is differenced along the clock, so that sampling noise of the couplings is not amplified. The integrals are
    those of cubic splines through the monomials.

    Raises
    ------
    DomainError
        If the couplings seen do not determine the polynomials.
    """
    from scipy.interpolate import CubicSpline  # slow to import

    powers = _powers(len(names), degree)
    designs, targets = [], []
    for s, path in zip(clocks, paths, strict=True):
        order = np.argsort(s)
        primitive = CubicSpline(s[order], monomials(path[order, 1:], powers)).antiderivative()
        designs.append((primitive(s) - primitive(s[0]))[1:])
        values = np.column_stack([np.log(np.abs(path[:, 0])), path[:, 1:]])
        targets.append((values - values[0])[1:])
    target = np.concatenate(targets)
    couplings = np.concatenate([path[:, 1:] for path in paths])
    return _fitted(couplings, np.concatenate(designs), target, np.ones_like(target), powers, names)


def _powers(a: int, degree: int) -> NDArray[np.int64]:
    choices = [c for n in range(degree + 1) for c in combinations_with_replacement(range(a), n)]
    return np.array([[choice.count(b) for b in range(a)] for choice in choices], dtype=np.int64).reshape(-1, a)


def _fitted(
    couplings: Array, design: Array, target: Array, weights: Array, powers: NDArray[np.int64], names: tuple[str, ...]
) -> BetaFunction:
    """Weighted least squares ``design @ coefficients = target``, one column at a time."""
    scale = np.sqrt(np.mean(design**2, axis=0))
    scale[scale == 0.0] = 1.0
    degree = int(powers.sum(axis=1).max())
    if np.linalg.matrix_rank(design / scale, tol=1e-8 * np.sqrt(len(design))) < len(powers):
        raise DomainError(
            f"{len(design)} points do not determine {len(powers)} coefficients of degree {degree} "
            f"in {', '.join(names) or 'no couplings'}: more runs from other starts, or a lower degree, are accepted"
        )
    columns = [
        np.linalg.lstsq(design / scale * w[:, None], y * w, rcond=None)[0] / scale
        for y, w in zip(target.T, weights.T, strict=True)
    ]
    seen = (couplings.min(axis=0), couplings.max(axis=0)) if names else (np.empty(0), np.empty(0))
    return BetaFunction(names, powers, np.stack(columns, axis=1), *seen)


def fit_beta(flows: Sequence[Flow], *, degree: int = 2) -> BetaFunction:
    """Gamma and beta functions over the couplings that the flows passed through.

    Raises
    ------
    DomainError
        If the flows have other couplings than the first, or do not determine the polynomials.
    """
    if any(flow.names != flows[0].names for flow in flows):
        raise DomainError("flows have different couplings: those of one family are accepted")
    points = np.concatenate([flow.couplings.value[:, 1:] for flow in flows])
    rates = np.concatenate([flow.rates.value for flow in flows])
    statistical = any(flow.rates.statistical for flow in flows)
    errors = np.concatenate([flow.error for flow in flows]) if statistical else None
    return fit_rates(points, rates, errors, flows[0].names, degree)


def monomials(couplings: Array, powers: NDArray[np.int64]) -> Array:
    """Products of powers, shape (..., terms)."""
    return np.asarray(np.prod(couplings[..., None, :] ** powers, axis=-1), float)


def _exponents(jacobian: Array) -> NDArray[np.complex128]:
    values = np.linalg.eigvals(jacobian).astype(np.complex128)
    return values[np.argsort(-values.real)]


def beta_dataset(beta: BetaFunction, *, margin: float = 0.1) -> xr.Dataset:
    """Polynomials and their fixed points as labelled arrays.

    Parameters
    ----------
    margin : float
        Share of the fitted box by which it is widened in the search of fixed points.

    Returns
    -------
    xarray.Dataset
        ``coefficients`` by term and rate, ``powers`` by term and axis; ``fixed_point`` by point and axis (coupling),
        ``exponent`` (real parts) by point and direction, ``gamma`` and ``isolated`` by point: of a continuous line of
        fixed points, where an exponent is zero to ``1e-3``, some are listed.
    """
    points, count = beta.fixed_points(margin=margin), len(beta.names)
    places = np.reshape([p.couplings for p in points], (-1, count))
    exponents = np.reshape([p.exponents.real for p in points], (-1, count))
    return xr.Dataset(
        {
            "coefficients": (("term", "rate"), beta.coefficients, {"long_name": "coefficient of the fit"}),
            "powers": (("term", "axis"), beta.powers, {"long_name": "power of a coupling in a term"}),
            "fixed_point": (("point", "axis"), places, {"long_name": "couplings of a fixed point"}),
            "exponent": (("point", "direction"), exponents, {"long_name": "exponent of a fixed point"}),
            "gamma": ("point", [p.gamma for p in points], {"long_name": "anomalous dimension there"}),
            "isolated": ("point", (np.abs(exponents) >= _ZERO).all(axis=1).astype(int), {"long_name": "0: of a line"}),
        },
        {
            "term": [" ".join(f"{n}^{a}" for n, a in zip(beta.names, row, strict=True)) for row in beta.powers],
            "rate": ["gamma", *(f"beta_{name}" for name in beta.names)],
            "axis": list(beta.names),
            "point": np.arange(1, len(points) + 1),
            "direction": np.arange(1, count + 1),
        },
    )
