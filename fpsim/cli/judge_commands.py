"""Commands that judge: two runs against each other, and this machine against exact numbers."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from fpsim.cli.application import app
from fpsim.cli.options import File, Strict
from fpsim.cli.terminal import errors_of, say

__all__ = ["compare", "validate"]


@app.command()
def compare(
    file: File,
    other: Annotated[
        Path | None, typer.Argument(help="Another run; without it the theory of FILE is held against its own ensemble.")
    ] = None,
    distance: Annotated[str, typer.Option(help="How to measure: total_variation, energy, ...")] = "total_variation",
    every: Annotated[bool, typer.Option("--all-times", help="Every common time and not only the last.")] = False,
    limit: Annotated[float, typer.Option(min=0.0, help="Largest z that counts as agreement.")] = 4.0,
    strict: Strict = False,
) -> None:
    """Hold the densities of two files against each other, with sampling floors and z-scores.

    Example: fpsim compare before.h5 after.h5 --strict --limit 4
    """
    from fpsim.runs.run import load
    from fpsim.runs.run_comparison import compare_runs, remarks, table

    with errors_of(file):
        one = load(file)
    with errors_of(other or file):
        another = load(other) if other else None
        rows = compare_runs(one, another, distance=distance, all_times=every)
    say(table(rows, limit=limit))
    for line in remarks(rows):
        say(f"note: {line}")
    if strict and any(row.z > limit for row in rows):
        raise typer.Exit(1)


@app.command()
def validate() -> None:
    """Compute on this machine what is known exactly, and print both; exit status 1 if a check fails.

    Example: fpsim validate
    """
    from fpsim.validation import validate as run_checks

    begun, failed, count, before = time.perf_counter(), 0, 0, ""
    typer.echo(f"{'':<56}{'measured':>15}{'exact':>15}{'tolerance':>11}")
    for subject, check in run_checks():
        if subject != before:
            typer.echo(subject)
            before = subject
        mark = "ok" if check.passed else "FAILED"
        typer.echo(
            f"  {check.name:<54}{check.measured:>15.8g}{check.exact:>15.8g}{check.tolerance:>11.1g}"
            f"  {mark:<7} {check.source}"
        )
        sys.stdout.flush()
        count, failed = count + 1, failed + (not check.passed)
    typer.echo(f"{count - failed} of {count} checks passed in {time.perf_counter() - begun:.1f} s")
    if failed:
        raise typer.Exit(1)
