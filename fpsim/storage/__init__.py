"""Files: one HDF5 (netCDF-4) file per run, written atomically, readable by plain xarray."""

from fpsim.storage.checkpoint import Checkpoint
from fpsim.storage.file import Snapshot, load_tree, save_tree, snapshot_at
from fpsim.storage.lock import writer_lock
from fpsim.storage.places import check_target, remove_leftovers, resolved
from fpsim.storage.provenance import SCHEMA_VERSION, provenance
from fpsim.storage.replacement import derived_file

__all__ = [
    "SCHEMA_VERSION",
    "Checkpoint",
    "Snapshot",
    "check_target",
    "derived_file",
    "load_tree",
    "provenance",
    "remove_leftovers",
    "resolved",
    "save_tree",
    "snapshot_at",
    "writer_lock",
]
