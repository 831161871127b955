"""Files: one HDF5 (netCDF-4) file per run, written atomically, readable by plain xarray."""

from fpsim.storage.file import check_target, load, save, writer_lock
from fpsim.storage.provenance import SCHEMA_VERSION, provenance

__all__ = ["SCHEMA_VERSION", "check_target", "load", "provenance", "save", "writer_lock"]
