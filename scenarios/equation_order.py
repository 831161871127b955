"""Order of the modified equation: three diffusions against the exact moments of SGD on linear regression.

How well does a diffusion follow SGD? At a fixed time the modified equations miss the moments of SGD by a power of the
learning rate, which theory gives. At rest the covariance is itself proportional to the learning rate: there the order
is that of its relative error, and the second order in the drift alone (sme2) is no better than the first; the diffusion
has to be corrected too (sme2c). Samples are normal and fresh at every step, so that SGD has an exact recursion of its
first two moments, and the equations closed ones (fpsim.theory.closed_moments). Nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.diagnostics.callan_symanzik import LinearRegression
from fpsim.plots.convergence import plot_orders
from fpsim.scenario import Column, Parameters, Results, Scenario, Section, Table, Workbench, named
from fpsim.scenario.parameters.sections import Positive
from fpsim.theory import modified_equation
from fpsim.theory.closed_moments import closed_moments, fitted_order
from fpsim.uncertainty.verdict import Identity

Array = NDArray[np.float64]
ORDERS: tuple[Literal["sme1", "sme2", "sme2c"], ...] = ("sme1", "sme2", "sme2c")
EXPECTED = {"mean": (1.0, 2.0, 3.0), "second moment": (1.0, 2.0, 3.0), "stationary covariance": (1.0, 1.0, 2.0)}
"""Orders of the theory by quantity; of the stationary covariance that of its relative error."""


class Regression(Section):
    """Data and noise of the linear regression, and where it starts."""

    variances: tuple[Positive, Positive] = (1.0, 0.4)
    """Variances of the two inputs."""
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.5
    """Correlation of the two inputs."""
    label_noise: Positive = 0.5
    """Standard deviation of the targets' noise."""
    batch_size: Annotated[int, Field(ge=1)] = 4
    start: tuple[float, float] = (1.0, -0.5)
    """Start of the weights, seen from the minimum."""
    end: Positive = 2.0
    """Training time at which moments are compared, a multiple of every learning rate."""
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=3)] = (0.2, 0.1, 0.05, 0.025, 0.0125)

    @property
    def inputs(self) -> Array:
        """Covariance of the inputs, which is the Hessian of the loss."""
        root = np.sqrt(self.variances)
        return np.outer(root, root) * np.array([[1.0, self.correlation], [self.correlation, 1.0]])

    @property
    def sgd(self) -> LinearRegression:
        """SGD with its exact moments."""
        return LinearRegression(self.inputs, self.label_noise)


class EquationOrder(Parameters):
    """Errors of the modified equations against the learning rate."""

    regression: Regression = Regression()

    @model_validator(mode="after")
    def _fits(self) -> EquationOrder:
        r = self.regression
        for rate in r.learning_rates:
            if not np.isclose(round(r.end / rate) * rate, r.end, rtol=1e-9):
                raise ValueError(
                    f"regression.learning_rates has {rate}: whole fractions of regression.end = {r.end} are accepted"
                )
        if len(set(r.learning_rates)) < len(r.learning_rates):
            raise ValueError("regression.learning_rates repeat: different ones are accepted")
        if not any(r.start):
            raise ValueError("regression.start is the minimum: a start away from it is accepted")
        return self


def check(p: EquationOrder) -> None:
    """Refuse learning rates at which SGD has no stationary covariance (``DomainError``)."""
    for rate in p.regression.learning_rates:
        p.regression.sgd.stationary_second_moment(learning_rate=rate, batch_size=p.regression.batch_size)


@dataclass(frozen=True, eq=False)
class Landscape:
    """``g = C delta``, ``S = (C delta delta^T C + C (delta^T C delta + noise^2)) / B``."""

    inputs: Array
    noise: float
    batch: int

    def gradient(self, w: Array) -> Array:
        """Gradient of the loss, of the shape of ``w``."""
        return w @ self.inputs

    def covariance(self, w: Array) -> Array:
        """Covariance of the mini-batch gradient, (..., 2, 2)."""
        g = self.gradient(w)
        scale = np.einsum("...i,...i->...", w, g) + self.noise**2
        return np.asarray((g[..., :, None] * g[..., None, :] + self.inputs * scale[..., None, None]) / self.batch)


def orders(p: EquationOrder, run: Workbench) -> xr.Dataset:
    """Errors by learning rate, largest first, and the orders fitted to them."""
    rates, progress = np.sort(p.regression.learning_rates)[::-1], run.progress("moments")
    errors = np.empty((len(EXPECTED), len(ORDERS), len(rates)))
    for i, rate in enumerate(rates):
        errors[:, :, i] = _errors(p.regression, float(rate))
        progress((i + 1) / len(rates))
    fits = np.array([[fitted_order(rates, e) for e in row] for row in errors])
    dims = ("quantity", "order")
    long = "error of the modified equation against SGD (stationary covariance: relative)"
    return xr.Dataset(
        {
            "error": ((*dims, "learning_rate"), errors, named(long)),
            "fitted": (dims, fits[..., 0], named("fitted order at the smallest learning rates")),
            "band": (dims, fits[..., 1], named("difference of neighbouring slopes there")),
            "expected": (dims, np.array(list(EXPECTED.values())), named("order of the theory")),
        },
        {
            "quantity": list(EXPECTED),
            "order": list(ORDERS),
            "learning_rate": ("learning_rate", rates, named("learning rate")),
        },
    )


def _errors(r: Regression, rate: float) -> Array:
    """Errors (quantity, order) at one learning rate."""
    start, at = np.array(r.start), {"learning_rate": rate, "batch_size": r.batch_size}
    mean, second = r.sgd.moments(start, np.outer(start, start), time=r.end, **at)
    covariance = r.sgd.stationary_second_moment(**at)
    out = np.empty((len(EXPECTED), len(ORDERS)))
    for j, order in enumerate(ORDERS):
        equation = modified_equation(Landscape(r.inputs, r.label_noise, r.batch_size), rate, order=order)
        flow = closed_moments(equation.drift, equation.diffusion, 2)
        m, s = flow.at(r.end, start, np.outer(start, start))
        relative = np.linalg.norm(flow.stationary() - covariance) / np.linalg.norm(covariance)
        out[:, j] = np.linalg.norm(m - mean), np.linalg.norm(s - second), relative
    return out


def claims(p: EquationOrder, run: Results) -> Iterator[Identity]:
    """Orders are theorems about small learning rates: what is left over is explained by how far slopes still change."""
    found = run["orders"].stack(cell=("quantity", "order"))
    for name, fitted, expected, band in zip(
        found["cell"].values, *(found[n].values for n in ("fitted", "expected", "band")), strict=True
    ):
        yield Identity(f"{name[0]}, {name[1]}: order {expected:g}", abs(fitted - expected), band)


def tables(p: EquationOrder, run: Results) -> Iterator[Table]:
    """Errors against the learning rate; fitted orders beside those of the theory."""
    found = run["orders"]
    rates = found["learning_rate"].values
    for quantity in EXPECTED:
        errors, extra = found["error"].sel(quantity=quantity), ", relative" * (quantity == "stationary covariance")
        columns = [Column(order, errors.sel(order=order).values, ".3g") for order in ORDERS]
        yield Table(f"error of the {quantity}{extra}", [Column("learning rate", rates), *columns])
    cells = found.stack(cell=("quantity", "order"))
    quantity, order = zip(*cells["cell"].values, strict=True)
    yield Table(
        "fitted orders, with the difference of neighbouring slopes",
        [
            Column("quantity", quantity),
            Column("equation", order),
            Column("order", cells["fitted"].values, ".3f", errors=cells["band"].values),
            Column("theory", cells["expected"].values, "g"),
        ],
    )


def conclusions(p: EquationOrder, run: Results) -> Iterator[str]:
    """Which equation has the right width at rest."""
    error = run["orders"]["error"].isel(learning_rate=-1).sel(quantity="stationary covariance")
    one, two, corrected = (float(error.sel(order=order)) for order in ORDERS)
    rate = float(run["orders"]["learning_rate"][-1])
    yield (
        f"At rest and learning rate {rate:g} the covariance is off by {one:.2g} in sme1, {two:.2g} in sme2 and "
        f"{corrected:.2g} in sme2c: the second order of the drift alone makes it {two / one:.2g} times as wrong, with "
        f"the correction of the diffusion {corrected / one:.2g} times."
    )


def figures(p: EquationOrder, run: Results) -> Iterator[tuple[str, Figure]]:
    """Errors against the learning rate, one panel per quantity."""
    table = run["orders"]
    figure = Figure(figsize=(10.5, 3.6))
    axes: Any = figure.subplots(1, len(EXPECTED))
    titles = ("mean", "second moment", "stationary covariance, relative")
    for ax, quantity, title in zip(axes, EXPECTED, titles, strict=True):
        part = table.sel(quantity=quantity)
        errors: dict[str, Array] = {o: part["error"].sel(order=o).values for o in ORDERS}
        fitted: dict[str, float] = {o: float(part["fitted"].sel(order=o)) for o in ORDERS}
        plot_orders(table["learning_rate"].values, errors, orders=fitted, ax=ax)
        ax.set_title(f"error of the {title}")
    yield "orders", figure


scenario = Scenario(
    title="Order of the modified equation: sme1, sme2 and sme2c against exact SGD",
    subject="Stochastic gradient descent",
    description=__doc__,
    parameters=EquationOrder(),
    quick={"regression.learning_rates": [0.1, 0.05, 0.025]},
    check=check,
    stages=(orders,),
    claims=claims,
    tables=tables,
    figures=figures,
    conclusions=conclusions,
    summary=lambda _p, run: run["orders"],
)

if __name__ == "__main__":
    import sys

    from fpsim.cli import main

    sys.exit(main(["run", __file__, *sys.argv[1:]]))
