"""Data and scenarios that come with the package, found however it was installed.

An installed package holds them as folders of its own (``fpsim/data``, ``fpsim/scenarios``); in a source checkout, and
so in an editable installation, they lie beside it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fpsim.support.errors import FileError

__all__ = ["resource_folder"]


def resource_folder(name: str) -> Path:
    """Folder of the resources called ``name``: ``data`` or ``scenarios``.

    Raises
    ------
    FileError
        If the installation lacks it.
    """
    package = Path(str(files("fpsim")))
    for place in (package / name, package.parent / name):
        if place.is_dir():
            return place
    raise FileError(f"{package / name}: no such folder; the installation of fpsim is incomplete, install it again")
