"""Verdict records of a run as labelled arrays, tables and shortfalls.

Identities and claims are kept in separate tables: the residual of an identity measures numerics, that of a claim
physics. Some rows are expected to fail: controls, which are false on purpose, and claims that are known to break down
in that case. Either falls short when it does not fail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import xarray as xr

from fpsim.scenario.records import named
from fpsim.scenario.tables import Column, Table
from fpsim.uncertainty.verdict import Claim, Expected, Identity, threshold

__all__ = [
    "CLAIMS",
    "records_of",
    "shortfalls_of",
    "stored_records",
    "verdict_dataset",
    "verdict_tables",
]

ONE = {"units": "1"}
RULES = {
    "identity": "holds up to {0:.3g} x explained",
    "claim": "holds if residual + {0:.3g} x error <= tolerance; with tolerance 0, until residual > {0:.3g} x error",
}
"""When a record holds, by the number of errors that its family asks for."""
LAYOUT = {
    "identity": ("identities (numerics)", (("residual", "residual", ".2e"), ("explained", "error", ".1e"))),
    "claim": (
        "claims (physics)",
        (("residual", "residual", ".3g"), ("error", "error", ".1g"), ("tolerance", "tolerance", ".3g")),
    ),
}
"""Title and columns of numbers: heading, name in the data set, form."""
CLAIMS = "claims"
"""Group of a run's verdict records."""


def verdict_dataset(verdicts: Sequence[Identity | Claim]) -> xr.Dataset:
    """Records with their verdicts, dimensions ``identity`` and ``claim``."""
    identities = [v for v in verdicts if isinstance(v, Identity)]
    claims = [v for v in verdicts if isinstance(v, Claim)]
    columns: dict[str, tuple[str, list[object], dict[str, str]]] = {}
    for kind, rows in (("identity", identities), ("claim", claims)):
        residual = {"long_name": f"relative residual of the {kind}", **ONE}
        columns[f"{kind}_residual"] = (kind, [float(v.residual) for v in rows], residual)
        error = {"long_name": "size that numerics or sampling explain", **ONE}
        columns[f"{kind}_error"] = (kind, [float(v.error) for v in rows], error)
        columns[f"{kind}_verdict"] = (kind, [v.verdict for v in rows], {"long_name": "verdict", **ONE})
        wanted = {"long_name": "verdict that is expected", **ONE}
        columns[f"{kind}_expected"] = (kind, [v.expected for v in rows], wanted)
    accepted = {"long_name": "residual up to which the claim counts as true", **ONE}
    columns["claim_tolerance"] = ("claim", [float(c.tolerance) for c in claims], accepted)
    freedom = {"long_name": "observables minus fitted parameters", **ONE}
    columns["claim_freedom"] = ("claim", [int(c.freedom) for c in claims], freedom)
    coordinates = {"identity": [v.name for v in identities], "claim": [c.name for c in claims]}
    return xr.Dataset(
        {name: column for name, column in columns.items() if column[1]},
        {name: labels for name, labels in coordinates.items() if labels},
        {"together": verdicts[0].together if verdicts else 1},
    )


def stored_records(records: Iterable[Identity | Claim] | Mapping[str, Identity | Claim]) -> xr.Dataset:
    """Records that need more than a run's file keeps, as arrays of a stage's data set, from which
    :func:`records_of` makes them again; those of a mapping under its names. The tolerance of an identity is ``nan``.
    """
    if isinstance(records, Mapping):
        records = [replace(record, name=name) for name, record in records.items()]
    rows = tuple(records)
    tolerances = [r.tolerance if isinstance(r, Claim) else math.nan for r in rows]
    return xr.Dataset(
        {
            "record_residual": ("record", [float(r.residual) for r in rows], named("relative residual of the record")),
            "record_error": ("record", [float(r.error) for r in rows], named("its error")),
            "record_tolerance": ("record", tolerances, named("residual up to which the claim counts as true")),
            "record_freedom": ("record", [r.freedom if isinstance(r, Claim) else 1 for r in rows], named("freedom")),
            "record_expected": ("record", [r.expected for r in rows], {"long_name": "verdict that is expected"}),
        },
        {"record": ("record", [r.name for r in rows], {"long_name": "identity or claim"})},
    )


def records_of(dataset: xr.Dataset) -> tuple[Identity | Claim, ...]:
    """The records of a stage that kept them by :func:`stored_records`."""
    columns = (dataset[f"record{column}"].values for column in ("", "_residual", "_error", "_tolerance", "_freedom"))
    return tuple(
        Identity(str(name), float(residual), float(error), expected=expected)
        if math.isnan(tolerance)
        else Claim(str(name), float(residual), float(error), float(tolerance), int(freedom), expected=expected)
        for name, residual, error, tolerance, freedom, expected in zip(
            *columns, (cast("Expected", str(e)) for e in dataset["record_expected"].values), strict=True
        )
    )


def verdict_tables(verdicts: xr.Dataset) -> list[Table]:
    """Identities and claims of :func:`verdict_dataset` as two tables, each with its rule."""
    errors = threshold(int(verdicts.attrs.get("together", 1)))
    found = []
    for kind, (title, columns) in LAYOUT.items():
        if kind not in verdicts.coords:
            continue
        numbers = [Column(heading, verdicts[f"{kind}_{name}"].values, form) for heading, name, form in columns]
        said = [_verdict(verdicts.isel({kind: i}), kind) for i in range(verdicts.sizes[kind])]
        names = Column(kind, [str(name) for name in verdicts[kind].values])
        notes = [f"verdict: {RULES[kind].format(errors)}"]
        found.append(Table(title, [names, *numbers, Column("verdict", said)], notes))
    return found


def _verdict(row: xr.Dataset, kind: str) -> str:
    verdict, expected = (str(row[f"{kind}_{column}"].item()) for column in ("verdict", "expected"))
    if expected == "holds":
        return verdict
    return f"{verdict}  (as expected)" if verdict == expected else f"{verdict}  ({expected} expected)"


def shortfalls_of(table: xr.Dataset) -> tuple[str, ...]:
    """Identities and claims whose verdict is not the expected one."""
    return tuple(
        f"{kind} {name}: {found}, {wanted} expected"
        for kind in ("identity", "claim")
        if kind in table.coords
        for name, found, wanted in zip(
            table[kind].values, table[f"{kind}_verdict"].values, table[f"{kind}_expected"].values, strict=True
        )
        if found != wanted
    )
