"""Order of the modified equation: sme1, sme2 and sme2c against the exact moments of SGD on linear regression.

Samples ``x ~ N(0, C)``, fresh at every step, targets with noise; the error ``delta = w - w*`` has an exact recursion of
its first two moments (:class:`fpsim.diagnostics.callan_symanzik.LinearRegression`), and so have the modified equations,
whose drift is linear and whose diffusion is quadratic (:mod:`fpsim.theory.closed_moments`). Nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fpsim.diagnostics.callan_symanzik import LinearRegression
from fpsim.plots.convergence import plot_orders
from fpsim.scenario.parameters.sections import Positive, ScenarioBase, Section
from fpsim.scenario.records import group
from fpsim.scenario.shared.kind import Kind
from fpsim.support.errors import ConfigError
from fpsim.support.progress import Reporter
from fpsim.theory import modified_equation
from fpsim.theory.closed_moments import closed_moments, fitted_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KIND", "EquationOrderScenario"]

Array = NDArray[np.float64]
ORDERS: tuple[Literal["sme1", "sme2", "sme2c"], ...] = ("sme1", "sme2", "sme2c")
QUANTITIES = ("mean", "second moment", "stationary covariance")
EXPECTED = {
    "mean": (1.0, 2.0, 3.0),
    "second moment": (1.0, 2.0, 3.0),
    "stationary covariance": (1.0, 1.0, 2.0),
}
"""Orders of the theory; the covariance is itself proportional to the learning rate, and its error relative."""
TOLERANCE = 0.15
"""Deviation of a fitted order from the theory's that counts as a shortfall."""


class RegressionSetting(Section):
    """Data and noise of the linear regression, and where it starts."""

    variances: tuple[Positive, Positive] = (1.0, 0.4)
    """Variances of the two inputs, the curvatures of the loss."""
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.5
    label_noise: Positive = 0.5
    batch_size: Annotated[int, Field(ge=1)] = 4
    start: tuple[float, float] = (1.0, -0.5)
    """Start ``delta`` of the weights' error."""
    end: Positive = 2.0
    """Training time at which moments are compared, a multiple of every learning rate."""
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=3)] = (0.2, 0.1, 0.05, 0.025, 0.0125)


class EquationOrderScenario(ScenarioBase):
    """Errors of the modified equations against the learning rate."""

    kind: Literal["equation-order"] = "equation-order"
    regression: RegressionSetting = RegressionSetting()

    @model_validator(mode="after")
    def _fits(self) -> EquationOrderScenario:
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


@dataclass(frozen=True, eq=False)
class _Landscape:
    """``g = C delta``, ``S = (C delta delta^T C + C (delta^T C delta + noise^2)) / B``."""

    covariance_of_inputs: Array
    noise: float
    batch: int

    def gradient(self, w: Array) -> Array:
        return w @ self.covariance_of_inputs

    def covariance(self, w: Array) -> Array:
        c, g = self.covariance_of_inputs, self.gradient(w)
        scale = np.einsum("...i,...i->...", w, g) + self.noise**2
        return np.asarray((g[..., :, None] * g[..., None, :] + c * scale[..., None, None]) / self.batch)


def _inputs(setting: RegressionSetting) -> Array:
    root = np.sqrt(setting.variances)
    return np.outer(root, root) * np.array([[1.0, setting.correlation], [setting.correlation, 1.0]])


def _stationary_of_sgd(regression: LinearRegression, rate: float, batch: int) -> Array:
    """Fixed point of the recursion of second moments, from its action on every unit matrix."""

    def step(second: Array) -> Array:
        return regression.moments(np.zeros(2), second, time=rate, learning_rate=rate, batch_size=batch)[1]

    source = step(np.zeros((2, 2)))
    matrix = np.stack([(step(unit.reshape(2, 2)) - source).ravel() for unit in np.eye(4)], axis=-1)
    if np.abs(np.linalg.eigvals(matrix)).max() >= 1.0:
        raise ConfigError(f"regression.learning_rates has {rate}: second moments grow there, smaller ones are accepted")
    return np.asarray(np.linalg.solve(np.eye(4) - matrix, source.ravel())).reshape(2, 2)


def check(scenario: EquationOrderScenario) -> None:
    """Refuse, before any work, learning rates at which SGD has no stationary covariance (``ConfigError``)."""
    setting = scenario.regression
    for rate in setting.learning_rates:
        _stationary_of_sgd(LinearRegression(_inputs(setting), setting.label_noise), rate, setting.batch_size)


def stages(
    scenario: EquationOrderScenario,
    done: xr.DataTree,
    *,
    threads: int | None,  # noqa: ARG001
    report: Reporter,
) -> Iterator[dict[str, xr.Dataset]]:
    """One group ``/orders``: errors by learning rate, and fitted orders."""
    if "/orders" in done.groups:
        return
    setting, progress = scenario.regression, report("moments")
    rates = np.sort(setting.learning_rates)[::-1]
    errors = np.empty((len(QUANTITIES), len(ORDERS), len(rates)))
    for i, rate in enumerate(rates):
        errors[:, :, i] = _errors(setting, float(rate))
        progress((i + 1) / len(rates))
    fits = np.array([[fitted_order(rates, e) for e in row] for row in errors])
    yield {"/orders": _record(rates, errors, fits)}


def _errors(setting: RegressionSetting, rate: float) -> Array:
    """Errors (quantity, order) at one learning rate."""
    regression, batch = LinearRegression(_inputs(setting), setting.label_noise), setting.batch_size
    start = np.array(setting.start)
    at = {"time": setting.end, "learning_rate": rate, "batch_size": batch}
    mean, second = regression.moments(start, np.outer(start, start), **at)
    covariance = _stationary_of_sgd(regression, rate, batch)
    landscape = _Landscape(_inputs(setting), setting.label_noise, batch)
    out = np.empty((len(QUANTITIES), len(ORDERS)))
    for j, order in enumerate(ORDERS):
        equation = modified_equation(landscape, rate, order=order)
        flow = closed_moments(equation.drift, equation.diffusion, 2)
        m, s = flow.at(setting.end, start, np.outer(start, start))
        relative = np.linalg.norm(flow.stationary() - covariance) / np.linalg.norm(covariance)
        out[:, j] = np.linalg.norm(m - mean), np.linalg.norm(s - second), relative
    return out


def _record(rates: Array, errors: Array, fits: Array) -> xr.Dataset:
    dims = ("quantity", "order")
    expected = np.array([EXPECTED[q] for q in QUANTITIES])
    long = "error of the modified equation against SGD (stationary covariance: relative)"
    return xr.Dataset(
        {
            "error": ((*dims, "learning_rate"), errors, {"units": "1", "long_name": long}),
            "fitted": (dims, fits[..., 0], {"units": "1", "long_name": "fitted order at the smallest learning rates"}),
            "band": (dims, fits[..., 1], {"units": "1", "long_name": "difference of neighbouring slopes there"}),
            "expected": (dims, expected, {"units": "1", "long_name": "order of the theory"}),
        },
        {
            "quantity": list(QUANTITIES),
            "order": list(ORDERS),
            "learning_rate": ("learning_rate", rates, {"units": "1", "long_name": "learning rate"}),
        },
    )


def summary(tree: xr.DataTree) -> xr.Dataset:
    """What the root of the file holds: errors and orders."""
    return group(tree, "orders")


def report(tree: xr.DataTree) -> str:
    """Errors against the learning rate and fitted orders."""
    if "orders" not in tree.children:
        return "the run is not complete"
    table, lines = group(tree, "orders"), []
    for quantity in QUANTITIES:
        part = table.sel(quantity=quantity)
        lines.append(f"{quantity:<24}" + "".join(f"{o:>18}" for o in ORDERS))
        for rate in table["learning_rate"].values:
            row = part.sel(learning_rate=rate)["error"]
            lines.append(f"  learning rate {rate:<8.4g}" + "".join(f"{float(row.sel(order=o)):>18.3g}" for o in ORDERS))
        fitted = [part.sel(order=o) for o in ORDERS]
        orders = [f"{float(f['fitted']):.3f} ± {float(f['band']):#.2g}" for f in fitted]
        lines.append(f"{'  fitted order':<24}" + "".join(f"{o:>18}" for o in orders))
        lines += [f"{'  expected':<24}" + "".join(f"{float(f['expected']):>18g}" for f in fitted), ""]
    return "\n".join(lines).rstrip()


def shortfalls(tree: xr.DataTree) -> tuple[str, ...]:
    """Fitted orders that are not the theory's."""
    table = group(tree, "orders")
    return tuple(
        f"{quantity}, {order}: order {float(one['fitted']):.2f}, {float(one['expected']):g} expected"
        for quantity in QUANTITIES
        for order in ORDERS
        if abs(float((one := table.sel(quantity=quantity, order=order))["fitted"] - one["expected"])) > TOLERANCE
    )


def figures(tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Errors against the learning rate, one panel per quantity."""
    from matplotlib.figure import Figure

    table = group(tree, "orders")
    figure = Figure(figsize=(10.5, 3.6))
    axes: Any = figure.subplots(1, len(QUANTITIES))
    titles = ("mean", "second moment", "stationary covariance, relative")
    for ax, quantity, title in zip(axes, QUANTITIES, titles, strict=True):
        part = table.sel(quantity=quantity)
        errors: dict[str, Array] = {o: part["error"].sel(order=o).values for o in ORDERS}
        orders: dict[str, float] = {o: float(part["fitted"].sel(order=o)) for o in ORDERS}
        plot_orders(table["learning_rate"].values, errors, orders=orders, ax=ax)
        ax.set_title(f"error of the {title}")
    yield "orders", figure


KIND = Kind(
    model=EquationOrderScenario,
    check=check,
    stages=stages,
    summary=summary,
    figures=figures,
    report=report,
    shortfalls=shortfalls,
)
