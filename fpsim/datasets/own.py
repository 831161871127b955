"""Data files of one's own: CSV, npy, npz and Parquet tables of numbers, checked cell by cell.

Columns are named, rows counted; a missing or infinite number is refused with its row and column. Limits: networks here
reproduce their inputs, so that a file holds samples and no targets; a table lies in memory as ``float64``; Parquet
needs pandas with pyarrow.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.datasets.dataset import Dataset, from_array
from fpsim.support.errors import DomainError, FileError
from fpsim.support.immutable import Immutable

__all__ = ["DataTable", "read_dataset", "read_table"]

Array = NDArray[np.float64]
SEPARATORS = ",;\t"


@dataclass(frozen=True, eq=False)
class DataTable(Immutable):
    """Numbers of a file and where they are from.

    Attributes
    ----------
    path : str
        The file, as it was given.
    sha256 : str
        Checksum of its bytes.
    columns : tuple of str
        Names of the columns; ``column_1, column_2, ...`` where the file has none.
    values : ndarray, shape (rows, columns)
        Finite; read-only.
    """

    path: str
    sha256: str
    columns: tuple[str, ...]
    values: Array

    def __post_init__(self) -> None:
        self.values.setflags(write=False)


def read_table(path: str | Path, *, columns: Sequence[str] = ()) -> DataTable:
    """Read a table of numbers.

    Parameters
    ----------
    path : str or Path
        Ends in ``.csv`` (separated by commas, semicolons or tabs; a first line that is no numbers names the columns),
        ``.npy`` (an array of two axes), ``.npz`` (one such array, or one called ``x``) or ``.parquet``.
    columns : sequence of str, keyword-only
        Columns to take, in this order; all by default.

    Raises
    ------
    FileError
        If the file cannot be read as what its ending says.
    DomainError
        If a column is not there, or a cell of those taken is no finite number: the message names row and column.
    """
    source = Path(path)
    if source.suffix.lower() not in READERS:
        raise FileError(f"{path}: a table in {', '.join(READERS)} is accepted")
    try:
        content = source.read_bytes()
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        names, table = READERS[source.suffix.lower()](content)
    except (ValueError, OSError, EOFError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        said = " ".join(str(error).split())[:160]
        raise FileError(f"{path}: {said}; a table of numbers ({source.suffix}) is accepted") from None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileError(f"{path}: two columns are called {twice!r}; a name for each is accepted")
    absent = [name for name in columns if name not in names]
    if absent:
        raise DomainError(f"{path}: no column {absent[0]!r}; accepted are {', '.join(names)}")
    if not len(table) or not names:
        raise DomainError(f"{path}: holds no numbers; one row and one column or more are accepted")
    taken = tuple(columns) or tuple(names)
    values = np.stack([_numbers(table[:, names.index(name)], name, path) for name in taken], axis=1)
    return DataTable(str(path), hashlib.sha256(content).hexdigest(), taken, values)


def read_dataset(
    path: str | Path,
    *,
    columns: Sequence[str] = (),
    components: int | None = None,
    centre: bool = True,
    standardise: bool = False,
    normalise: bool = True,
) -> Dataset:
    """Samples of a file, one a row, in the coordinates that a network sees.

    Parameters
    ----------
    path, columns
        As of :func:`read_table`.
    components, centre, standardise, normalise
        As of :func:`fpsim.datasets.from_array`.

    Returns
    -------
    Dataset
        Named after the file.

    Raises
    ------
    FileError, DomainError
        As :func:`read_table` and :func:`fpsim.datasets.from_array`.
    """
    table = read_table(path, columns=columns)
    name = Path(path).name
    if standardise:
        equal = [c for c, spread in zip(table.columns, np.ptp(table.values, axis=0), strict=True) if spread == 0.0]
        if equal:
            raise DomainError(f"{path}: column {equal[0]!r} has one value only; standardising needs columns that vary")
    if components is not None and components > len(table.columns):
        raise DomainError(f"{path}: {components} components of {len(table.columns)} columns; as many are accepted")
    return from_array(
        table.values, name=name, components=components, centre=centre, standardise=standardise, normalise=normalise
    )


def _numbers(cells: NDArray[Any], name: str, path: str | Path) -> Array:
    """One column as numbers; rows are counted from one, as without the line of names."""
    try:
        values = np.asarray(cells, dtype=np.float64)
    except (ValueError, TypeError):
        values = np.array([_number(cell) for cell in cells])
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        row = int(wrong[0])
        count = f" (and {wrong.size - 1} more of this column)" if wrong.size > 1 else ""
        raise DomainError(
            f"{path}: row {row + 1}, column {name!r} is {str(cells[row])!r}{count}: finite numbers are accepted; "
            "columns to take are named by data.columns"
        )
    return values


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (ValueError, TypeError):
        return float("nan")


def _read_csv(content: bytes) -> tuple[list[str], NDArray[Any]]:
    text = content.decode("utf-8-sig")
    first = text.partition("\n")[0]
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=first.count)) if any(row)]
    if not rows:
        return [], np.empty((0, 0))
    named = not any(np.isfinite(_number(cell)) for cell in rows[0])
    names = [cell.strip() for cell in rows[0]] if named else _column_names(len(rows[0]))
    body = rows[named:]
    for number, row in enumerate(body, 1):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} cells, the first line {len(names)}")
    return names, np.array(body, dtype=object).reshape(len(body), len(names))


def _read_npy(content: bytes) -> tuple[list[str], NDArray[Any]]:
    return _of_array(np.load(io.BytesIO(content), allow_pickle=False))


def _read_npz(content: bytes) -> tuple[list[str], NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if "y" in arrays.files:
            raise ValueError("holds targets y: networks here reproduce their inputs, a file of x alone")
        if "x" not in arrays.files and len(arrays.files) != 1:
            raise ValueError(f"holds {', '.join(arrays.files) or 'no array'}: one array, or one called x")
        return _of_array(arrays["x" if "x" in arrays.files else arrays.files[0]])


def _read_parquet(content: bytes) -> tuple[list[str], NDArray[Any]]:
    try:
        import pandas as pd

        frame = pd.read_parquet(io.BytesIO(content))
    except ImportError:
        raise ValueError(
            "Parquet needs pandas with pyarrow, which are not installed: CSV, npy, npz need nothing"
        ) from None
    return [str(name) for name in frame.columns], frame.to_numpy(dtype=object)


def _of_array(array: NDArray[Any]) -> tuple[list[str], NDArray[Any]]:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise ValueError(f"holds {array.dtype} of shape {array.shape}: numbers of shape (rows, columns)")
    return _column_names(array.shape[1]), array


def _column_names(count: int) -> list[str]:
    return [f"column_{i + 1}" for i in range(count)]


READERS: dict[str, Callable[[bytes], tuple[list[str], NDArray[Any]]]] = {
    ".csv": _read_csv,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
