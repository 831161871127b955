"""Account of a study at its last time: tables and claims made of the groups of a run.

The joint law is claimed to be right up to its stated error and sampling; a closure's densities to lie within a tenth of
SGD's, except mean field's, which is expected to fail. Limits: what is expected is the physics of matrices that move
against each other along a valley; other experiments may contradict it, and then the account says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from fpsim.plots.style import LABELS
from fpsim.scenario.tables import Column, Table
from fpsim.uncertainty.verdict import Claim

__all__ = ["budget_table", "distances_table", "law_claims", "moments_table", "sentences", "study_summary"]

Groups = Mapping[str, xr.Dataset]
WITHIN = 0.1
"""Total variation of a closure that counts as right."""
WIDTH_TO_DISTANCE = 0.48
"""Total variation between normal laws whose widths differ, over the relative difference."""
FAR = 4.0


def moments_table(run: Groups, start: str, laws: Sequence[str]) -> Table:
    """Means and standard deviations of all weights, of SGD and of every law."""
    sgd = run[f"{start}/ensemble"]
    last = sgd.isel(time=-1)
    columns = [
        Column("weight", list(last["weight"].values)),
        Column("SGD mean", last["mean"].values, ".4f"),
        Column("std", last["std"].values, ".4f"),
    ]
    for law in laws:
        found = run[f"{start}/{law}"].isel(time=-1)
        columns.append(Column(f"{LABELS.get(law, law)} mean", found["mean"].values, ".4f"))
        columns.append(Column("std ratio", (found["std"] / last["std"]).values, ".3f"))
    counts = f"{sgd.attrs['replicas']} replicas, {sgd.attrs['diverged']} diverged"
    return Table(f"start {start}, t = {float(sgd['time'][-1]):g}: {counts}", columns)


def distances_table(run: Groups, start: str, laws: Sequence[str]) -> Table:
    """Total variation from SGD, floors and z, by observable and law."""
    table = run[f"{start}/comparison"].isel(time=-1)
    columns = [Column("total variation", list(table["observable"].values))]
    for law in laws:
        one = table.sel(theory=law)
        columns.append(Column(LABELS.get(law, law), one["distance"].values, ".4f"))
        columns.append(Column("floor", one["floor"].values, ".4f"))
        columns.append(Column("z", one["z"].values, ".1f"))
    stated = [f"{LABELS.get(law, law)} {float(run[f'{start}/{law}']['error'][-1]):.4f}" for law in laws]
    return Table(f"start {start}: distance from SGD", columns, [f"stated numerical error: {', '.join(stated)}"])


def budget_table(run: Groups, start: str, laws: Sequence[str]) -> Table:
    """Causes of the distances of the densities."""
    table = run[f"{start}/budget"]
    there = {law: table["total"].sel(theory=law).dropna("observable")["observable"].values for law in laws}
    rows = [(law, str(o)) for law in laws for o in there[law]]
    parts = [table.sel(theory=law, observable=o) for law, o in rows]
    causes = [str(c) for c in table["cause"].values]
    resolved = {c: [float(one["error"].where(one["resolved"] > 0).sel(cause=c)) for one in parts] for c in causes}
    return Table(
        f"start {start}: where it comes from",
        [
            Column("total variation", [f"{LABELS.get(law, law)}, {o}" for law, o in rows]),
            Column("total", [float(one["total"]) for one in parts], ".4f"),
            *(Column(c, errors, ".4f") for c, errors in resolved.items()),
            Column("leading cause", [one["leading"].item() for one in parts]),
        ],
        ["- : none such, or within its own sampling floor; parts obey the triangle inequality and need not add up"],
    )


def law_claims(run: Groups, start: str, laws: Sequence[str]) -> Iterator[Claim]:
    """Claims about every law at the last time."""
    last, sgd = run[f"{start}/comparison"].isel(time=-1), run[f"{start}/ensemble"].isel(time=-1)
    for law in laws:
        one, found = last.sel(theory=law).dropna("observable"), run[f"{start}/{law}"].isel(time=-1)
        name = LABELS.get(law, law)
        for observable in map(str, one["observable"].values):
            distance, floor, spread = (
                float(one[k].sel(observable=observable)) for k in ("distance", "floor", "spread")
            )
            if law == "joint":
                excess = max(distance - float(np.hypot(floor, found["error"])), 0.0)
                yield Claim(f"{start}: {name}, {observable}", excess, spread, 0.0)
            elif observable.startswith("density"):
                excess = max(distance - floor, 0.0)
                text = f"{start}: {name}, {observable} within {WITHIN:g}"
                yield Claim(text, excess, spread, WITHIN, expected="fails" if law == "mean-field" else "holds")
        if law == "joint":
            off = np.abs((found["std"] / sgd["std"] - 1.0).values)
            worst = int(off.argmax())
            error = float((sgd["std_error"] / sgd["std"])[worst])
            excess = max(float(off[worst]) - float(found["error"]) / WIDTH_TO_DISTANCE, 0.0)
            yield Claim(f"{start}: {name}, widths", excess, error, 0.0)


def sentences(run: Groups, start: str, laws: Sequence[str]) -> Iterator[str]:
    """What the last time says of a start: how the matrices are correlated, and how far every law is right."""
    correlation = run[f"{start}/ensemble"]["correlation"].isel(time=-1)
    one = float(correlation.sel(weight="W1_1_1", weight_other="W2_1_1"))
    yield f"Start {start}: W1_1_1 and W2_1_1 are correlated by {one:.3f} over replicas."
    for law in laws:
        yield _law_sentence(run, start, law)


def _law_sentence(run: Groups, start: str, law: str) -> str:
    """Widths of a law, and which of its observables lie beyond sampling."""
    sgd = run[f"{start}/ensemble"].isel(time=-1)
    ratio = (run[f"{start}/{law}"].isel(time=-1)["std"] / sgd["std"]).values
    width = f"right to {np.abs(ratio - 1).max():.1%}"
    if ratio.min() < 0.8 or ratio.max() > 1.25:
        width = f"{ratio.min():.2g} to {ratio.max():.2g} of SGD's"
    found = run[f"{start}/comparison"].isel(time=-1).sel(theory=law).dropna("observable")
    far = [str(o) for o, z in zip(found["observable"].values, found["z"].values, strict=True) if z > FAR]
    rest = "all that it says is within sampling"
    if far:
        stated = float(run[f"{start}/{law}"]["error"][-1])
        rest = f"further from SGD than sampling explains: {'; '.join(far)} (stated numerical error {stated:.2g})"
    return f"Start {start}, {LABELS.get(law, law)}: widths {width}; {rest}."


def study_summary(run: Groups, starts: Sequence[str], laws: Sequence[str]) -> xr.Dataset:
    """Distances (start, time, theory, compared), means and widths (start, source, time, weight) of all starts."""
    how: Any = {"data_vars": "all", "coords": "minimal", "compat": "override", "join": "exact"}
    sources, parts = xr.DataArray(["ensemble", *laws], dims="source", name="source"), []
    for start in starts:
        widths = xr.concat([run[f"{start}/{name}"][["mean", "std"]] for name in sources.values], sources, **how)
        compared = run[f"{start}/comparison"].rename(observable="compared")  # groups below have their own observables
        parts.append(xr.merge([compared, widths], compat="override", join="exact"))
    return xr.concat(parts, xr.DataArray(list(starts), dims="start", name="start"), **how)
