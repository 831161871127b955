"""Text for the terminal: one rule for what is printed and for what a file does not hold.

Control characters never reach the terminal, whatever title or name a file brought; a closed or full standard stream is
no error of the program.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import typer

__all__ = ["errors_of", "lead_nowhere", "open_standard_streams", "printable", "say"]


def printable(text: str) -> str:
    """Text without control characters; lines and indentation stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def say(text: str, *, err: bool = False) -> None:
    """Print text, of whatever origin."""
    typer.echo(printable(text), err=err)


def open_standard_streams() -> None:
    """Let closed standard streams lead nowhere, so that no file of ours takes their place; print all that they can."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the whole process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def lead_nowhere(stream: IO[str]) -> None:
    """Let what is still buffered for a closed or full stream go nowhere, instead of failing at the end of Python."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream.flush()
        return
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def errors_of(file: Path) -> Iterator[None]:
    """Make one clear error of what a file lacks: it may be a run that was tampered with, or of another program.

    Raises
    ------
    FileError
        In place of every error that is none of fpsim's own.
    """
    from fpsim.support.errors import FileError, FpsimError

    try:
        yield
    except (FpsimError, OSError, MemoryError, typer.Exit):
        raise
    except Exception as error:
        if os.environ.get("FPSIM_TRACEBACK"):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0][:160]
        raise FileError(
            f"{file}: does not hold what a run of its kind holds ({said}; FPSIM_TRACEBACK=1 shows where)"
        ) from None
