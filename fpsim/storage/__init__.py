"""Files: one HDF5 (netCDF-4) file per run, written atomically, readable by plain xarray."""

from fpsim.storage.checkpoint import Checkpoint
from fpsim.storage.file import check_target, load_tree, remove_leftovers, save, writer_lock
from fpsim.storage.provenance import SCHEMA_VERSION, provenance

__all__ = [
    "SCHEMA_VERSION",
    "Checkpoint",
    "check_target",
    "load_tree",
    "provenance",
    "remove_leftovers",
    "save",
    "writer_lock",
]
