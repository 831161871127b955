"""The commands; each only parses, calls one function of the package and prints what it answers."""

from __future__ import annotations

import logging
import shlex
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="How the probability density of a network's weights moves during training: theory against experiment.",
)

Target = Annotated[Path, typer.Argument(help="A file written by fpsim run.")]


def _version(value: bool) -> None:
    if value:
        from fpsim._version import __version__

        typer.echo(f"fpsim {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with the package.

    Example: fpsim list
    """
    from fpsim.scenario import available, load_scenario

    for name in available():
        typer.echo(f"{name:<24} {load_scenario(name).title}")


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario (see fpsim list) or a TOML file.")],
    out: Annotated[Path | None, typer.Option(help="Output file; default NAME.h5 in this folder.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change one key: section.key=value; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; results do not depend on them.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the pictures; default: beside the file.")] = None,
    quick: Annotated[bool, typer.Option(help="Same pictures from a smaller ensemble and grid.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress, no table.")] = False,
    force: Annotated[bool, typer.Option(help="Overwrite an existing output file.")] = False,
) -> None:
    """Run a scenario: train, solve, compare, write one HDF5 file and its pictures.

    Example: fpsim run digits-bottleneck --quick --set sgd.batch_size=16 --out batch16.h5
    """
    from fpsim.scenario import load_scenario, parse_assignments, run_to_file

    begun = time.perf_counter()
    if not quiet and not sys.stderr.isatty():
        logging.getLogger("fpsim").setLevel(logging.INFO)
    changes = parse_assignments(change or [])
    if seed is not None:
        changes["seed"] = seed
    resolved = load_scenario(scenario, changes=changes, quick=quick)
    target = out or Path(f"{resolved.name}.h5")
    with warnings.catch_warnings():
        warnings.showwarning = _one_line_warning
        outcome = run_to_file(
            resolved,
            target,
            figures=figures or target.with_suffix(""),
            overwrite=force,
            threads=threads,
            quiet=quiet,
            command=shlex.join(["fpsim", *sys.argv[1:]]),
        )
    if not quiet:
        typer.echo(outcome.report)
        typer.echo(f"\n{outcome.file}  and {len(outcome.figures)} pictures in {outcome.figures[0].parent}/")
        typer.echo(f"{time.perf_counter() - begun:.1f} s")


@app.command()
def resume(
    file: Target,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; results do not depend on them.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the pictures; default: beside the file.")] = None,
    quiet: Annotated[bool, typer.Option(help="No progress, no table.")] = False,
) -> None:
    """Go on with an interrupted run, to the same result as if it had not been interrupted.

    Example: fpsim resume digits-bottleneck.h5
    """
    from fpsim.scenario import resume as go_on

    outcome = go_on(file, figures=figures or file.with_suffix(""), threads=threads, quiet=quiet)
    if not quiet:
        typer.echo(outcome.report)


@app.command()
def plot(file: Target, out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None) -> None:
    """Draw the pictures of a run again, from its file alone.

    Example: fpsim plot digits-bottleneck.h5 --out pictures
    """
    from fpsim.scenario import draw
    from fpsim.storage import load

    for path in draw(load(file), out or file.with_suffix("")):
        typer.echo(str(path))


@app.command()
def report(
    file: Target, out: Annotated[Path | None, typer.Option(help="HTML file; default beside the run.")] = None
) -> None:
    """Write one self-contained HTML page of a run: pictures, tables, configuration, provenance.

    Example: fpsim report digits-bottleneck.h5
    """
    from fpsim.errors import FileError
    from fpsim.scenario.html import html_report
    from fpsim.storage import load

    target = out or file.with_suffix(".html")
    page = html_report(load(file))
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FileError(f"{target}: cannot write there ({error.strerror})") from None
    typer.echo(str(target))


@app.command()
def info(file: Target) -> None:
    """Say what a file holds: scenario, versions, seed, groups and the table of the comparison.

    Example: fpsim info digits-bottleneck.h5
    """
    from fpsim.scenario import report as table
    from fpsim.storage import load

    tree = load(file)
    for key in ("fpsim_version", "libraries", "created", "seed", "command"):
        typer.echo(f"{key:<14} {tree.attrs[key]}")
    for node in tree.subtree:
        sizes = ", ".join(f"{name}={size}" for name, size in node.sizes.items())
        typer.echo(f"{node.path:<32} {sizes}")
    typer.echo(table(tree))


def _one_line_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"warning: {message}", err=True)
