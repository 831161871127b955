"""The application to which the command modules add their commands."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="How the probability density of a network's weights moves during training: theory against experiment.",
)


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
