"""Command that sweeps a scenario over keys and seeds."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from fpsim.cli.application import app
from fpsim.cli.options import Quiet, Strict, Threads
from fpsim.cli.scenario_commands import complete_scenario
from fpsim.cli.terminal import say

__all__ = ["sweep"]


@app.command()
def sweep(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario, a TOML or a Python file.", autocompletion=complete_scenario)
    ],
    over: Annotated[
        list[str] | None,
        typer.Option(help="Key and values, may be repeated: key=1,2,5 or key=0:1:0.25 or key=1:64:x2."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs; default NAME-sweep in this folder.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each combination, with seeds of their own.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes at the same time.")] = 1,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change one key of all runs: section.key=value; may be repeated.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller ensembles and grids.")] = False,
    threads: Threads = None,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Run a scenario for every combination of values, and gather all runs into one file with a table.

    What is finished is kept: the same command goes on after an interruption, one with more values adds to it.

    Example: fpsim sweep momentum --over sgd.learning_rate=0.05,0.1,0.2 --over sgd.batch_size=1:64:x2 --seeds 3
    """
    from fpsim.scenario import parse_assignments
    from fpsim.sweeps import parse_over
    from fpsim.sweeps import sweep as run_sweep

    values = parse_over(over or [])
    folder = out or Path(f"{Path(scenario).stem}-sweep")
    try:
        outcome = run_sweep(
            scenario,
            values,
            folder=folder,
            seeds=seeds,
            workers=workers,
            changes=parse_assignments(change or []),
            quick=quick,
            threads=threads,
            progress=None if quiet else lambda done, total: say(f"{done} of {total} runs", err=True),
            command=shlex.join(["fpsim", *sys.argv[1:]]),
        )
    except KeyboardInterrupt:
        say(f"fpsim: interrupted; {folder} keeps what is finished, the same command goes on", err=True)
        raise typer.Exit(130) from None
    if not quiet:
        say(f"{outcome.report}\n\n{outcome.file}")
    if strict and outcome.shortfalls:
        typer.echo(f"\nfell short ({len(outcome.shortfalls)}):", err=True)
        for line in outcome.shortfalls:
            say(f"  {line}", err=True)
        raise typer.Exit(1)
