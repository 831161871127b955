"""Verdicts as labelled arrays, as tables and as shortfalls."""

from __future__ import annotations

import pytest
import xarray as xr

from fpsim.scenario.judgement import (
    records_of,
    shortfalls_of,
    stored_records,
    verdict_dataset,
    verdict_tables,
)
from fpsim.scenario.tables import table_text
from fpsim.uncertainty.verdict import Claim, Identity, control


def text_of(verdicts):
    return "\n".join(table_text(table.as_cells()) for table in verdict_tables(verdict_dataset(verdicts)))


GOOD = [Identity("exact", 1e-4, 1e-4), Claim("true", 0.01, 0.001, 0.05, 3)]
CONTROL = Claim("false on purpose", 0.5, 0.01, 0.05, 3)
TRIVIAL = Claim("cannot fail", 0.0, 0.01, 0.05, 0)


def test_a_control_that_fails_is_no_shortfall_and_one_that_holds_is():
    assert shortfalls_of(verdict_dataset([*GOOD, control(CONTROL)])) == ()
    assert shortfalls_of(verdict_dataset([*GOOD, CONTROL])) == ("claim false on purpose: fails, holds expected",)
    passing = Claim("false on purpose", 0.01, 0.001, 0.05, 3)
    assert shortfalls_of(verdict_dataset([control(passing)]))


def test_identities_and_claims_are_printed_apart():
    text = text_of([*GOOD, control(CONTROL), TRIVIAL])
    first, second = text.split("claims (physics)")
    assert "exact" in first
    assert "holds up to 3 x explained" in first
    assert "holds if residual + 3 x error <= tolerance" in second
    assert "true" not in first
    assert "trivial" in second
    assert shortfalls_of(verdict_dataset([TRIVIAL])) == ("claim cannot fail: trivial, holds expected",)


@pytest.mark.parametrize(
    ("expected", "residual", "freedom", "says"),
    [
        ("holds", 0.01, 3, "holds"),
        ("holds", 0.5, 3, "fails"),
        ("fails", 0.5, 3, "fails  (as expected)"),
        ("fails", 0.01, 3, "holds  (fails expected)"),
        ("trivial", 0.0, 0, "trivial  (as expected)"),
    ],
)
def test_a_row_says_what_was_expected_and_calls_no_finding_a_control(expected, residual, freedom, says):
    claim = Claim("at the valley: closed", residual, 0.001, 0.05, freedom, expected=expected)
    text = text_of([claim])
    (row,) = [line for line in text.splitlines() if line.startswith(claim.name)]
    assert row.endswith(f"  {says}")
    assert "control" not in text


def test_tables_of_one_sort_only():
    assert "claims" not in text_of(GOOD[:1])
    assert "identities" not in text_of(GOOD[1:])


def test_records_that_a_stage_keeps_are_the_same_when_read_again(tmp_path):
    """Through a file, beside arrays of the stage."""
    from fpsim.storage import load_tree, provenance, save_tree

    records = (*GOOD, control(CONTROL), TRIVIAL)
    stage = xr.Dataset({"width": ("time", [1.0, 2.0])}).merge(stored_records(records))
    save_tree(
        xr.DataTree.from_dict({"/": xr.Dataset(attrs=provenance(config="", seed=0, command="test")), "/stage": stage}),
        tmp_path / "run.h5",
    )
    assert records_of(load_tree(tmp_path / "run.h5")["stage"].to_dataset()) == records
    assert [r.met for r in records] == [True, True, True, False]
