"""Provenance of a run: schema, versions, configuration, seed and command."""

from __future__ import annotations

import datetime as dt
import platform
from importlib import metadata

from fpsim._version import __version__

__all__ = ["SCHEMA_VERSION", "provenance"]

SCHEMA_VERSION = 1
"""Raised whenever a reader of the old layout would misread the new one; see docs/file-format.md."""

LONGEST_COMMAND = 10_000
"""Characters of the command that a file keeps."""
_LIBRARIES = ("numpy", "numba", "scipy", "h5py", "h5netcdf", "xarray")


def provenance(*, config: str, seed: int, command: str) -> dict[str, str | int]:
    """Root attributes of an output file: schema, versions, time, resolved configuration (TOML), seed and command."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return {
        "fpsim_schema": SCHEMA_VERSION,
        "fpsim_version": __version__,
        "libraries": f"python {platform.python_version()}, {versions}",
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}",
        "config": config,
        "seed": seed,
        "command": command[:LONGEST_COMMAND].encode(errors="replace").decode().replace("\0", " "),
    }
