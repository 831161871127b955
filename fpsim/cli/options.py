"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Checkpoint", "Code", "Figures", "File", "Quiet", "Strict", "Threads", "beside", "pictures_beside"]

File = Annotated[Path, typer.Argument(help="A file written by fpsim run.")]
Threads = Annotated[int | None, typer.Option(min=1, max=1024, help="Threads; results do not depend on them.")]
Figures = Annotated[Path | None, typer.Option(help="Folder for the pictures; default: beside the file.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no table.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit status 1 if a comparison, identity or claim fell short.")]
Code = Annotated[
    Path | None,
    typer.Option("--scenario", metavar="FILE.py", help="Your scenario's file, which a run names but never brings."),
]
Checkpoint = Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Seconds between checkpoints of training.")]


def pictures_beside(file: Path) -> Path:
    """Folder for the pictures of a run's file: its name without the ending."""
    return beside(file, "") if file.suffix else beside(file, "-pictures")


def beside(file: Path, ending: str) -> Path:
    """The name of a run's file with another ending; what has no name is left to the checks that follow."""
    return file.with_name(f"{file.stem}{ending}") if file.name else file
