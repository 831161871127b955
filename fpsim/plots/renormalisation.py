"""Running couplings, beta functions, flow diagrams, claims that fail and cutoff slopes.

One function per Axes, ``plot_x(data, *, ax, ...) -> Axes``, and figures of several panels beneath one another,
``draw_x``. Bars and bands are 1.96 standard errors: 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fpsim.plots.style import axes_or_new

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Points",
    "draw_claim",
    "draw_flow_diagram",
    "draw_rates",
    "draw_running",
    "draw_scaled",
    "plot_claim",
    "plot_cutoff",
    "plot_flow_diagram",
    "plot_over_coupling",
    "plot_running",
]

SIGMAS = 1.96
"""Standard errors in a bar or band: 95 % confidence."""

Points = Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]
MARKERS = "osD^vP"


def plot_running(
    clock: ArrayLike,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    ax: Axes | None = None,
    exact: ArrayLike | None = None,
) -> Axes:
    """Couplings or their rates along the clock, ``{label: (values, errors)}``, with confidence bands.

    Parameters
    ----------
    exact : array_like, optional
        Closed form, a dashed black line above the others.
    """
    ax = axes_or_new(ax)
    s = np.asarray(clock)
    for label, (values, errors) in curves.items():
        v, half = np.asarray(values), SIGMAS * np.asarray(errors)
        line = ax.plot(s, v, label=label)[0]
        ax.fill_between(s, v - half, v + half, color=line.get_color(), alpha=0.25, linewidth=0)
    if exact is not None:
        ax.plot(s, np.asarray(exact), color="black", linestyle=(0, (4, 3)), linewidth=1.1, label="closed form")
    return ax


def plot_over_coupling(
    points: Points,
    *,
    ax: Axes | None = None,
    curve: tuple[ArrayLike, ArrayLike] | None = None,
    fixed_points: Sequence[float] = (),
    hollow: Sequence[str] = (),
) -> Axes:
    """A beta function, or scaled n-point functions, of several runs against a coupling.

    Parameters
    ----------
    points : mapping
        ``{run: (coupling, values, errors)}``; one marker a run.
    curve : pair of array_like, optional
        What the values should lie on: a closed form, or a fit.
    fixed_points : sequence of float
        Zeros to mark on the horizontal axis.
    hollow : sequence of str
        Runs drawn with empty markers, for example controls.
    """
    ax = axes_or_new(ax)
    if curve is not None:
        ax.plot(*(np.asarray(c) for c in curve), color="0.25", linewidth=1.2, zorder=1)
    for k, (label, (g, values, errors)) in enumerate(points.items()):
        half = SIGMAS * np.asarray(errors)
        marker = MARKERS[k % len(MARKERS)]
        style: dict[str, Any] = {"fmt": marker, "fillstyle": "none" if label in hollow else "full"}
        ax.errorbar(np.asarray(g), np.asarray(values), half, markersize=4.5, linewidth=1.0, label=label, **style)
    if len(fixed_points):
        ax.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
        zeros = np.zeros(len(fixed_points))
        ax.plot(np.asarray(fixed_points), zeros, "k*", markersize=11, zorder=5, clip_on=False, label="fixed point")
    return ax


def plot_flow_diagram(
    x: ArrayLike,
    y: ArrayLike,
    field: tuple[ArrayLike, ArrayLike],
    *,
    ax: Axes | None = None,
    paths: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    fixed_points: Sequence[tuple[float, float]] = (),
) -> Axes:
    """Beta functions of two couplings as flow lines, with the paths of runs and the fixed points.

    Parameters
    ----------
    x, y : array_like
        Values of the couplings, equally spaced.
    field : pair of array_like, shape (len(x), len(y))
        Beta functions of the two couplings.
    """
    ax = axes_or_new(ax)
    u, v = (np.asarray(b, float).T for b in field)
    ax.streamplot(np.asarray(x), np.asarray(y), u, v, color="0.75", linewidth=0.7, arrowsize=0.8, density=0.9, zorder=0)
    for k, (label, (a, b)) in enumerate((paths or {}).items()):
        line = ax.plot(np.asarray(a), np.asarray(b), marker=MARKERS[k % len(MARKERS)], markersize=3.5, label=label)[0]
        ax.plot(np.asarray(a)[0], np.asarray(b)[0], marker="o", markersize=8, color=line.get_color(), fillstyle="none")
    if len(fixed_points):
        places = np.asarray(fixed_points, float)
        ax.plot(*places.T, "k*", markersize=11, zorder=5, clip_on=False, linestyle="none", label="fixed point")
    return ax


def plot_claim(
    time: ArrayLike,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    tolerance: float,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Residual of a claim through time on a log axis, ``{source: (residual, error)}``; grey: the claim holds."""
    ax = axes_or_new(ax)
    t = np.asarray(time)
    lowest = min(float(np.min(np.asarray(r)[np.asarray(r) > 0.0], initial=tolerance)) for r, _ in curves.values())
    bottom = max(0.5 * lowest, 1e-6)
    ax.axhspan(bottom, tolerance, color="0.9", zorder=0, label="claim holds")
    for k, (label, (residual, error)) in enumerate(curves.items()):
        r, half = np.asarray(residual), SIGMAS * np.asarray(error)
        low = np.minimum(half, np.maximum(r - bottom, 0.0))
        ax.errorbar(t, np.maximum(r, bottom), (low, half), marker=MARKERS[k % len(MARKERS)], markersize=3.5,
                    linewidth=1.2, label=label)  # fmt: skip
    ax.set_yscale("log")
    ax.set_ylim(bottom, 1.5)
    return ax


def plot_cutoff(
    learning_rates: ArrayLike,
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    ax: Axes | None = None,
    slopes: Mapping[str, float] | None = None,
) -> Axes:
    """Differences between two cutoffs against the learning rate, both logarithmic, with lines of reference slopes.

    Parameters
    ----------
    lines : mapping
        ``{label: (differences, errors)}``; absolute values are drawn.
    slopes : mapping, optional
        Reference slope of each label, drawn dashed through the point of the largest learning rate.
    """
    ax = axes_or_new(ax)
    eta = np.asarray(learning_rates, float)
    for k, (label, (differences, errors)) in enumerate(lines.items()):
        d, half = np.abs(np.asarray(differences, float)), SIGMAS * np.asarray(errors, float)
        bars = (np.minimum(half, 0.9 * d), half)
        marker = MARKERS[k % len(MARKERS)]
        drawn = ax.errorbar(eta, d, bars, fmt=marker, markersize=5, linewidth=1.2, label=label)
        if slopes and label in slopes:
            colour, top = drawn.lines[0].get_color(), int(np.argmax(eta))
            ax.plot(eta, d[top] * (eta / eta[top]) ** slopes[label], "--", color=colour, linewidth=1.0,
                    label=f"slope {slopes[label]:g}")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(eta, [f"{e:g}" for e in eta])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("learning rate  η")
    return ax


def draw_rates(
    flow: xr.Dataset,
    coupling: str,
    panels: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    units: Mapping[str, str] | None = None,
) -> Figure:
    """Gamma and beta functions of all runs over a coupling.

    Parameters
    ----------
    flow : xarray.Dataset
        Of :func:`fpsim.diagnostics.callan_symanzik.flow_dataset`.
    panels : mapping
        By title: a rate, and options of :func:`plot_over_coupling`.
    units : mapping, optional
        By rate: the coupling by which it is divided.
    """
    figure, axes = _panels(len(panels))
    for ax, (title, (rate, options)) in zip(axes, panels.items(), strict=True):
        unit = flow["couplings"].sel(coupling=units[rate]) if units and rate in units else 1.0
        values, errors = (flow[name].sel(rate=rate) / unit for name in ("rates", "rates_error"))
        points = _points(flow["couplings"].sel(coupling=coupling), values, errors)
        plot_over_coupling(points, ax=ax, **options)
        ax.set_title(title)
        if "fixed_points" not in options and "curve" not in options:
            ax.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
    axes[-1].set_xlabel(f"coupling  {coupling}")
    _legend_below(figure, axes)
    return figure


def draw_running(flow: xr.Dataset, panels: Mapping[str, str], *, xlabel: str, coordinate: str = "time") -> Figure:
    """Couplings and rates of all runs along ``coordinate``, with the closed form of the first run where there is one.

    Parameters
    ----------
    panels : mapping
        By title: a coupling or a rate.
    """
    figure, axes = _panels(len(panels))
    for ax, (title, name) in zip(axes, panels.items(), strict=True):
        kind = "rate" if name in flow["rate"].values else "coupling"
        one, exact = flow.sel({kind: name}), None
        curves = {
            str(run): (one[f"{kind}s"].sel(run=run).values, one[f"{kind}s_error"].sel(run=run).values)
            for run in flow["run"].values
        }
        if f"{kind}s_exact" in flow:
            exact = one[f"{kind}s_exact"].isel(run=0).values
        plot_running(flow[coordinate], curves, ax=ax, exact=exact)
        ax.set_title(title)
    axes[-1].set_xlabel(xlabel)
    _legend_below(figure, axes)
    return figure


def draw_scaled(
    scaled: xr.Dataset,
    coupling: xr.DataArray,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    hollow: Sequence[str] = (),
) -> Figure:
    """Scaled n-point functions of all runs over a coupling, one panel an index, with the curves of the family.

    Parameters
    ----------
    scaled : xarray.Dataset
        Of :func:`fpsim.diagnostics.callan_symanzik.scaled_dataset`.
    coupling : xarray.DataArray
        By run and time.
    curves : mapping
        By index: coupling and values.
    """
    figure, axes = _panels(len(curves))
    for ax, (index, curve) in zip(axes, curves.items(), strict=True):
        values, errors = (scaled[name].sel(scaled_index=index) for name in ("scaled", "scaled_error"))
        plot_over_coupling(_points(coupling, values, errors), ax=ax, curve=curve, hollow=hollow)
        n = index.count("1")
        ax.set_title(f"$G_{n} / Z^{n}$")
    axes[-1].set_xlabel(xlabel)
    _legend_below(figure, axes)
    return figure


def _points(coupling: xr.DataArray, values: xr.DataArray, errors: xr.DataArray) -> Points:
    return {str(run): tuple(a.sel(run=run).values for a in (coupling, values, errors))  # type: ignore[misc]
            for run in coupling["run"].values}  # fmt: skip


def draw_claim(sources: Mapping[str, xr.Dataset], *, xlabel: str) -> Figure:
    """Tangency residual of several sources through time, and their mean loss beneath.

    Parameters
    ----------
    sources : mapping
        By label: ``R1`` and ``R1_error`` of :func:`fpsim.diagnostics.callan_symanzik.tangency_dataset`, and ``loss``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 6.4))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    first = next(iter(sources.values()))
    curves = {label: (one["R1"].values, one["R1_error"].values) for label, one in sources.items()}
    plot_claim(first["time"], curves, float(first.attrs["tolerance"]), ax=top)
    top.axhline(0.5, color="0.5", linewidth=0.8, linestyle=":")
    top.set_title("R1: what of the flow leaves the family")
    top.legend(loc="upper left")
    for label, one in sources.items():
        bottom.plot(one["time"], one["loss"], label=label)
    bottom.set(title="mean loss", xlabel=xlabel)
    return figure


def draw_flow_diagram(
    beta: xr.Dataset, couplings: xr.DataArray, *, upper: tuple[float, float], labels: tuple[str, str]
) -> Figure:
    """Flow in the plane of two couplings by fitted beta functions, with the paths of runs and fixed points.

    Parameters
    ----------
    beta : xarray.Dataset
        Of :func:`fpsim.diagnostics.callan_symanzik.beta_dataset`.
    couplings : xarray.DataArray
        By run, time and coupling.
    upper : pair of float
        Largest values of the couplings; the least are zero.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.0))
    ax = figure.subplots()
    names = [str(name) for name in beta["axis"].values]
    x, y = (np.linspace(0.0, top, 60) for top in upper)
    mesh = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    terms = np.prod(mesh[..., None, :] ** beta["powers"].values, axis=-1)
    first, second = (terms @ beta["coefficients"].sel(rate=f"beta_{name}").values for name in names)
    paths = {}
    for run in couplings["run"].values:
        a, b = (couplings.sel(run=run, coupling=name).values for name in names)
        paths[str(run)] = a, b
    isolated = beta["isolated"].values.astype(bool)
    places = beta["fixed_point"].values[isolated]
    inside = [(a, b) for a, b in places if -0.01 <= a <= upper[0] + 0.01 and -0.01 <= b <= upper[1] + 0.01]
    plot_flow_diagram(x, y, (first, second), ax=ax, paths=paths, fixed_points=inside)
    if not isolated.all():
        ax.plot([0.0, upper[0]], [0.0, 0.0], color="black", linewidth=4, solid_capstyle="butt",
                label="line of fixed points")  # fmt: skip
    ax.set_xlim(-0.03, upper[0] + 0.03)
    ax.set_ylim(-0.04, upper[1])
    ax.set(xlabel=labels[0], ylabel=labels[1], title="flow of the couplings; open circles: starts")
    _legend_below(figure, [ax])
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 2.7 * count + 0.8))
    return figure, list(np.atleast_1d(figure.subplots(count, 1, sharex=True)))


def _legend_below(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend of all panels."""
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
