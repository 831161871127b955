"""Commands that run scenarios: run, resume; each only parses, calls one function and prints its answer."""

from __future__ import annotations

import logging
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fpsim.cli.application import app
from fpsim.cli.options import Checkpoint, Code, Figures, File, Quiet, Strict, Threads, pictures_beside
from fpsim.cli.scenario_commands import complete_scenario
from fpsim.cli.terminal import errors_of, printable, say

if TYPE_CHECKING:
    from fpsim.scenario import Outcome

__all__ = ["resume", "run"]


@app.command()
def run(
    scenario: Annotated[
        str,
        typer.Argument(
            help="Name of a scenario (see fpsim list), a TOML file, or a Python file that defines `scenario`.",
            autocompletion=complete_scenario,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Output file, in a folder made if missing; default NAME.h5 in this folder.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change one key: section.key=value; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    threads: Threads = None,
    figures: Figures = None,
    quick: Annotated[bool, typer.Option("--quick", help="Same pictures from a smaller ensemble and grid.")] = False,
    quiet: Quiet = False,
    strict: Strict = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing output file.")] = False,
    checkpoint: Checkpoint = 15.0,
) -> None:
    """Run a scenario: train, solve, compare, write one HDF5 file and its pictures.

    Example: fpsim run digits-bottleneck --quick --set sgd.batch_size=16 --out batch16.h5
    """
    from fpsim.scenario import load_scenario, parse_assignments, run_to_file

    changes = parse_assignments(change or [])
    if seed is not None:
        changes["seed"] = seed
    resolved = load_scenario(scenario, changes=changes, quick=quick)
    target = out or Path(f"{resolved.name}.h5")
    own = f" --scenario {shlex.quote(scenario)}" if scenario.endswith(".py") else ""
    with _session(target, quiet, own):
        outcome = run_to_file(
            resolved,
            target,
            figures=figures or pictures_beside(target),
            overwrite=force,
            threads=threads,
            quiet=quiet,
            command=shlex.join(["fpsim", *sys.argv[1:]]),
            checkpoint_seconds=checkpoint,
        )
        _tell(outcome, quiet=quiet, strict=strict)


@app.command()
def resume(
    file: File,
    threads: Threads = None,
    figures: Figures = None,
    quiet: Quiet = False,
    strict: Strict = False,
    checkpoint: Checkpoint = 15.0,
    scenario: Code = None,
) -> None:
    """Go on with an interrupted run, to the same result as if it had not been interrupted.

    Example: fpsim resume digits-bottleneck.h5
    """
    from fpsim.scenario import resume_file, scenario_code

    code = scenario_code(scenario)
    with _session(file, quiet, f" --scenario {shlex.quote(str(scenario))}" if scenario else ""), errors_of(file):
        outcome = resume_file(
            file,
            code=code,
            figures=figures or pictures_beside(file),
            threads=threads,
            quiet=quiet,
            checkpoint_seconds=checkpoint,
        )
        _tell(outcome, quiet=quiet, strict=strict)


@contextmanager
def _session(target: Path, quiet: bool, own: str) -> Iterator[None]:
    """Log lines where there is no terminal, warnings as lines, the time it took; an interrupt says what is kept.

    ``own`` is the option that names a scenario of the user's, for the command that goes on.
    """
    begun = time.perf_counter()
    if not quiet and not sys.stderr.isatty():
        logging.getLogger("fpsim").setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _one_line_warning
            yield
    except KeyboardInterrupt:
        from fpsim.storage import load_tree
        from fpsim.support.errors import FileError

        try:
            done = [
                node.path for node in load_tree(target).leaves if node.path != "/" and node.attrs.get("complete", 1)
            ]
            going_on = f"fpsim resume {shlex.quote(str(target))}{own}"
            kept = f"{target} keeps {len(done)} finished groups; go on with: {going_on}"
        except FileError:
            kept = "nothing was written yet"
        say(f"fpsim: interrupted; {kept}", err=True)
        raise typer.Exit(130) from None
    if not quiet:
        typer.echo(f"{time.perf_counter() - begun:.1f} s")


def _tell(outcome: Outcome, *, quiet: bool, strict: bool) -> None:
    if not quiet:
        say(outcome.report)
        drawn = (
            f"  and {len(outcome.figures)} picture{'s' * (len(outcome.figures) > 1)} in {outcome.figures[0].parent}/"
            if outcome.figures
            else ""
        )
        say(f"\n{outcome.file}{drawn}")
    if strict and outcome.shortfalls:
        typer.echo(f"\nfell short ({len(outcome.shortfalls)}):", err=True)
        for line in outcome.shortfalls:
            say(f"  {line}", err=True)
        raise typer.Exit(1)


def _one_line_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    # Standard error is looked up at each call: progress bars put themselves in its place.
    sys.stderr.write(f"warning: {printable(str(message))}\n")
