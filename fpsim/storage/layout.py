"""netCDF-4 layout: trees of labelled arrays as groups, variables and dimension scales of an HDF5 file, and back.

Every dimension is a named scale, as xarray would write it, so that ``open_dataset`` and ``open_datatree`` read any
group with both engines; for the many small arrays of a run it takes a tenth of xarray's time. What is read is refused
if it does more than hold numbers and words of its own: bytes outside the file (external storage, links, virtual
datasets), compression by plug-ins, the same object twice (circles), or more groups, depth or declared bytes than a run
of this size can have. Limits: numbers, truth values and words; times of day and compound types are refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fpsim.support.errors import FileError
from fpsim.support.memory import check_memory

__all__ = ["read_image", "write_image"]

WORTH_PACKING = 1024
"""Elements from which on an array of numbers is compressed."""
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable. "
"""Name of the scale of a dimension without coordinates."""
SHADOWED = "_nc4_non_coord_"
"""Prefix of a variable that has the name of a dimension without being its coordinates."""
HIDDEN = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_FillValue", "_NCProperties", "_nc3_strict"}
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
MOST_GROUPS, MOST_DEPTH, MOST_VARIABLES, MOST_ATTRIBUTES = 500, 12, 20_000, 1000
DEFLATE_RATIO = 1100
"""Bytes that a byte of a compressed array can stand for (RFC 1951: at most 1032)."""
TEXT_BYTES = 1 << 28
"""Bytes of words that are read at a time, were each as long as the file."""
Array = NDArray[Any]


def write_image(tree: xr.DataTree) -> bytes:
    """The HDF5 file of a tree, as bytes: HDF5 itself does not survive a disk that fills up while it writes.

    Raises
    ------
    ValueError, TypeError
        If a value is none that the layout holds (a null character in a word, a time of day).
    """
    with h5py.File("image", "w", driver="core", backing_store=False) as file:
        numbers = itertools.count()
        _write_attributes(file, tree.attrs)
        for node in tree.subtree:
            group = file.require_group(node.path)
            if node.path != "/":
                _write_attributes(group, node.attrs)
            _write_variables(group, node.to_dataset(), numbers)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _write_variables(group: h5py.Group, data: xr.Dataset, numbers: Iterator[int]) -> None:
    scales = {}
    for name, size in data.sizes.items():
        coordinate = data.variables.get(name)
        if coordinate is not None and coordinate.dims == (name,):
            scale, label = _write_array(group, str(name), coordinate.values, coordinate.attrs), str(name)
        else:
            scale, label = group.create_dataset(str(name), (size,), ">f4"), f"{NO_VARIABLE}{size:10d}"
        scale.make_scale(label)
        scale.attrs["_Netcdf4Dimid"] = np.int32(next(numbers))
        scales[name] = scale
    for name, variable in data.variables.items():
        if variable.dims == (name,):
            continue
        stored = _write_array(group, f"{SHADOWED * (name in scales)}{name}", variable.values, variable.attrs)
        for axis, dimension in enumerate(variable.dims):
            stored.dims[axis].attach_scale(scales[dimension])


def _write_array(group: h5py.Group, name: str, values: Array, attributes: Mapping[Any, Any]) -> h5py.Dataset:
    attributes, kind = dict(attributes), values.dtype.kind
    if kind == "b":
        values, attributes["dtype"] = values.astype(np.int8), "bool"
    if kind in "UO":
        stored = group.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
    elif kind in "biuf":
        packed = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if values.size > WORTH_PACKING else {}
        stored = group.create_dataset(name, data=values, **packed)
    else:
        raise TypeError(f"{name} holds {values.dtype}: numbers and words are accepted")
    if kind == "f":
        stored.attrs["_FillValue"] = np.full(1, np.nan, values.dtype)
    _write_attributes(stored, attributes)
    return stored


def _write_attributes(item: h5py.Group | h5py.Dataset, attributes: Mapping[Any, Any]) -> None:
    for name, value in attributes.items():
        if isinstance(value, str):
            item.attrs.create(name, value, dtype=h5py.string_dtype())
            continue
        array = np.atleast_1d(np.asarray(value))
        if array.dtype.kind in "UO":
            item.attrs.create(name, array.astype(object), dtype=h5py.string_dtype())
        elif array.dtype.kind in "biuf":
            item.attrs[str(name)] = array.astype(np.int8) if array.dtype.kind == "b" else array
        else:
            raise TypeError(f"attribute {name} holds {array.dtype}: numbers and words are accepted")


def read_image(image: bytes) -> xr.DataTree:
    """The tree of an HDF5 file.

    Raises
    ------
    FileError
        If the file does more than hold numbers and words of its own; the message does not name the file.
    MemoryLimitError
        If it declares more than the machine holds.
    Exception
        Whatever HDF5 makes of a damaged file.
    """
    with h5py.File(h5py.h5f.open_file_image(image), "r") as file:
        reader = _Reader(len(image))
        groups = dict(reader.groups(file, "/", 0))
    check_memory(reader.declared, "the file")
    with h5py.File(h5py.h5f.open_file_image(image), "r") as file:
        return xr.DataTree.from_dict({path: reader.dataset(file[path], names) for path, names in groups.items()})


class _Reader:
    """Goes through a file twice: everything is checked before any array is read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.declared = 0
        self.plain = 0
        self.variables = 0
        self.seen: set[int] = set()

    def groups(self, group: h5py.Group, path: str, depth: int) -> Iterator[tuple[str, list[str]]]:
        """Path of every group with the names of its datasets."""
        self._once(group, path)
        if depth > MOST_DEPTH or len(self.seen) > MOST_GROUPS + MOST_VARIABLES:
            raise FileError(f"{path} lies deeper than {MOST_DEPTH} groups, or holds more than a run does")
        count = group.id.get_num_objs()
        if count > MOST_VARIABLES:
            raise FileError(f"{path} holds {count} objects: up to {MOST_VARIABLES} are accepted")
        names: list[str] = []
        inner: list[str] = []
        for raw in group.id:
            name = raw.decode()
            if group.id.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
                raise FileError(f"{path}: {name} is a link to another place, which is not followed")
            (names if h5py.h5o.get_info(group.id, raw).type == h5py.h5o.TYPE_DATASET else inner).append(name)
        for name in names:
            self._check_dataset(group[name], f"{path.rstrip('/')}/{name}")
        self._check_attributes(group, path)
        yield path, names
        for name in inner:
            item = group[name]
            if not isinstance(item, h5py.Group):
                raise FileError(f"{path}: {name} is neither a group nor an array")
            yield from self.groups(item, f"{path.rstrip('/')}/{name}", depth + 1)

    def _once(self, item: h5py.Group | h5py.Dataset, path: str) -> None:
        address = h5py.h5o.get_info(item.id).addr
        if address in self.seen:
            raise FileError(f"{path} is in the file twice, under two names")
        self.seen.add(address)
        if isinstance(item, h5py.Dataset):
            self.variables += 1
        if self.variables > MOST_VARIABLES or len(self.seen) - self.variables > MOST_GROUPS:
            raise FileError(f"holds more than {MOST_GROUPS} groups or {MOST_VARIABLES} arrays")

    def _check_dataset(self, stored: h5py.Dataset, path: str) -> None:
        self._once(stored, path)
        plan = stored.id.get_create_plist()
        if plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
            raise FileError(f"{path} has its bytes in another file, which is not read")
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        if not FILTERS.issuperset(filters):
            raise FileError(f"{path} is compressed in a way that only plug-ins read: deflate is accepted")
        if stored.dtype.kind not in "biufSU" and not h5py.check_string_dtype(stored.dtype):
            raise FileError(f"{path} holds {stored.dtype}: numbers and words are accepted")
        self._check_attributes(stored, path)
        if _is_bare_dimension(stored):
            return
        declared = stored.size * stored.id.get_type().get_size()
        self.declared += declared
        self.plain += 0 if h5py.h5z.FILTER_DEFLATE in filters else declared
        if self.plain > self.size or self.declared > DEFLATE_RATIO * self.size:
            raise FileError(f"{path} declares {declared} bytes, more than a file of {self.size} bytes can hold")

    def _check_attributes(self, item: h5py.Group | h5py.Dataset, path: str) -> None:
        count = h5py.h5a.get_num_attrs(item.id)
        if count > MOST_ATTRIBUTES:
            raise FileError(f"{path} has {count} attributes: up to {MOST_ATTRIBUTES} are accepted")
        for i in range(count):
            attribute = h5py.h5a.open(item.id, index=i)
            elements = attribute.get_space().get_simple_extent_npoints()
            if elements * attribute.get_type().get_size() > self.size:
                raise FileError(f"{path} has an attribute of {elements} elements, more than the file can hold")

    def dataset(self, group: h5py.Group, names: list[str]) -> xr.Dataset:
        """The variables of one group."""
        variables, coordinates = {}, set()
        for stored_name in names:
            stored = group[stored_name]
            if _is_bare_dimension(stored):
                continue
            name = stored_name.removeprefix(SHADOWED)
            attributes = _attributes(stored)
            values = self._values(stored)
            if attributes.get("dtype") == "bool":
                del attributes["dtype"]
                values = values.astype(bool)
            dimensions = _dimensions(stored, stored_name)
            variables[name] = xr.Variable(dimensions, values, attributes)
            if dimensions == (name,):
                coordinates.add(name)
        data = {name: variable for name, variable in variables.items() if name not in coordinates}
        return xr.Dataset(data, {name: variables[name] for name in coordinates}, _attributes(group))

    def _values(self, stored: h5py.Dataset) -> Array:
        if stored.dtype.kind in "biuf":
            return np.asarray(stored[()])
        if stored.dtype.kind == "S":
            return np.char.decode(np.asarray(stored[()]), "utf-8")
        # Many words may share one place in the file: their bytes are counted as they are read.
        flat, read, most = stored.size, 0, max(1, TEXT_BYTES // max(self.size, 1))
        words: list[str] = []
        text = stored.asstr()
        if stored.ndim == 0:
            return np.asarray(text[()], dtype=str)
        rows = max(1, most // max(flat // max(stored.shape[0], 1), 1))
        for begin in range(0, stored.shape[0], rows):
            part = [str(word) for word in text[begin : begin + rows].ravel()]
            read += sum(map(len, part))
            if read > self.size:
                raise FileError(f"{stored.name} holds more words than the file has bytes")
            words += part
        return np.array(words, dtype=str).reshape(stored.shape)


def _is_bare_dimension(stored: h5py.Dataset) -> bool:
    """Whether a dataset only stands for a dimension."""
    return stored.is_scale and h5py.h5ds.get_scale_name(stored.id).startswith(NO_VARIABLE.encode())


def _dimensions(stored: h5py.Dataset, name: str) -> tuple[str, ...]:
    if stored.is_scale and "DIMENSION_LIST" not in stored.attrs:
        return (name,) if stored.ndim == 1 else _undimensioned(stored)
    if stored.ndim == 0:
        return ()
    if "DIMENSION_LIST" not in stored.attrs:
        return _undimensioned(stored)
    dimensions = []
    for references in stored.attrs["DIMENSION_LIST"]:
        place = h5py.h5i.get_name(h5py.h5r.dereference(references[0], stored.file.id))
        dimensions.append(place.decode().rpartition("/")[2])
    return tuple(dimensions)


def _undimensioned(stored: h5py.Dataset) -> tuple[str, ...]:
    raise FileError(f"{stored.name} has axes without names: arrays of named dimensions are accepted")


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in item.attrs:
        if name in HIDDEN or name.startswith("_Netcdf4"):
            continue
        value = item.attrs[name]
        if isinstance(value, h5py.Empty):
            value = ""
        elif isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, np.ndarray):
            value = value[0] if value.size == 1 and value.ndim == 1 else list(value) if value.dtype == object else value
        found[name] = value
    return found
