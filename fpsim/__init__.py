"""fpsim: how the probability density of a network's weights moves during training, in theory and in experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpsim._version import __version__

if TYPE_CHECKING:
    from fpsim.runs.run_object import Run

__all__ = ["__version__", "load"]


def load(path: str | Path) -> Run:
    """Read a file that ``fpsim run`` wrote: scenario, densities, weights, labelled arrays.

    Raises
    ------
    FileError
        If the file is missing, damaged, not written by fpsim, or of a newer schema.
    ConfigError
        If its scenario is of a kind that this version does not know.
    """
    from fpsim.runs.run_object import open_run

    return open_run(path)
