"""Commands that read a run's file: info, plot, animate, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpsim.cli.application import app
from fpsim.cli.options import Code, File, beside, pictures_beside
from fpsim.cli.terminal import errors_of, say

__all__ = ["animate", "info", "plot", "report"]


@app.command()
def info(file: File) -> None:
    """Say what a file holds: scenario, versions, seed, groups and the table of the comparison.

    Example: fpsim info digits-bottleneck.h5
    """
    from fpsim.runs.description import describe
    from fpsim.storage import load_tree

    with errors_of(file):
        say(describe(load_tree(file)))


@app.command()
def plot(
    file: File,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None,
    scenario: Code = None,
    scalar: Annotated[
        list[str] | None, typer.Option(help="Of a sweep: scalar to draw; may be repeated; default: the first ones.")
    ] = None,
    against: Annotated[str | None, typer.Option(metavar="KEY", help="Of a sweep: key along the abscissa.")] = None,
) -> None:
    """Draw the pictures of a run or of a sweep, from its file alone.

    Example: fpsim plot digits-bottleneck.h5 --out pictures
    """
    from fpsim.runs.pictures import draw_pictures
    from fpsim.scenario import scenario_code
    from fpsim.storage import load_tree

    code = scenario_code(scenario)
    with errors_of(file):
        tree = load_tree(file)
        folder = out or pictures_beside(file)
        for path in draw_pictures(tree, folder, code=code, scalars=scalar or (), against=against):
            say(str(path))
        if not int(tree.attrs["complete"]):
            say(f"{file}: the run is not complete; fpsim resume goes on with it", err=True)


@app.command()
def animate(
    file: File,
    out: Annotated[Path | None, typer.Option(help="GIF or, where ffmpeg is installed, MP4 file.")] = None,
    variable: Annotated[str | None, typer.Option(help="Density to show; default: the first of the file.")] = None,
    rate: Annotated[int, typer.Option(min=1, max=60, help="Pictures per second.")] = 5,
) -> None:
    """Show the densities move through training, theory and experiment side by side in the same colours.

    Example: fpsim animate digits-bottleneck.h5 --variable density_W2 --out ring.gif
    """
    from fpsim.runs.animation import animate as draw_animation
    from fpsim.runs.run import load

    with errors_of(file):
        say(str(draw_animation(load(file), out or beside(file, ".gif"), variable=variable, rate=rate)))


@app.command()
def report(
    file: File,
    out: Annotated[Path | None, typer.Option(help="HTML file; default beside the run.")] = None,
    scenario: Code = None,
) -> None:
    """Write one self-contained HTML page of a run: pictures, tables, configuration, provenance.

    Example: fpsim report digits-bottleneck.h5
    """
    from fpsim.runs.html_page import html_report
    from fpsim.scenario import scenario_code
    from fpsim.storage import derived_file, load_tree
    from fpsim.support.errors import FileError

    target = out or beside(file, ".html")
    if target.suffix not in (".html", ".htm"):
        raise FileError(f"{target}: a page is written into a file that ends in .html; no other is touched")
    code = scenario_code(scenario)
    with errors_of(file):
        page = html_report(load_tree(file), code=code)
        with derived_file(target) as part:
            part.write_text(page, encoding="utf-8", errors="replace")
    say(str(target))
