"""Tables as columns, kept in the run's file with their numbers already formatted, and shown as text.

A column has a heading, values and the form of its numbers; errors stand beside their values. Missing numbers (nan) are
shown as ``-``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from fpsim.support.errors import DomainError

__all__ = ["Column", "Table", "read_tables", "table_text", "tables_as_json"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    heading : str
    values : sequence or array, shape (rows,)
        Numbers or words.
    form : str
        Format of a number, ``".4g"`` for example.
    errors : sequence of float, optional
        Standard errors, shown as ``value ± error``.
    """

    heading: str
    values: Any
    form: str = ".4g"
    errors: Any = None

    def cells(self) -> list[str]:
        """The entries as text."""
        shown = [_shown(value, self.form) for value in self.values]
        if self.errors is None:
            return shown
        return [f"{one} ± {_shown(error, '.1g')}" for one, error in zip(shown, self.errors, strict=True)]


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    title : str
    columns : sequence of Column
        Of equal length.
    notes : sequence of str
        Lines beneath.
    """

    title: str
    columns: Sequence[Column]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        lengths = {len(column.values) for column in self.columns}
        if len(lengths) > 1:
            raise DomainError(
                f"table {self.title!r} has columns of {sorted(lengths)} values: equal lengths are accepted"
            )

    def as_cells(self) -> dict[str, Any]:
        """Title, headings, rows of text, the columns that hold words, and notes."""
        cells = [column.cells() for column in self.columns]
        return {
            "title": self.title,
            "headings": [column.heading for column in self.columns],
            "rows": [list(row) for row in zip(*cells, strict=True)],
            "words": [i for i, c in enumerate(self.columns) if any(isinstance(v, str) for v in _plain(c.values))],
            "notes": list(self.notes),
        }


def _plain(values: Iterable[Any]) -> Iterator[Any]:
    return (value.item() if hasattr(value, "item") else value for value in values)


def _shown(value: Any, form: str) -> str:
    (value,) = _plain([value])
    if isinstance(value, str | bool):
        return str(value)
    return "-" if isinstance(value, float) and math.isnan(value) else format(value, form)


def tables_as_json(tables: Iterable[Table]) -> str:
    """Tables as they are kept in a run's file."""
    return json.dumps([table.as_cells() for table in tables], ensure_ascii=False)


def read_tables(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Tables of a run's file, each as :meth:`Table.as_cells` made it; none if they cannot be read."""
    try:
        found = json.loads(str(tree.attrs.get("tables", "[]")))
        return [one for one in found if {"title", "headings", "rows", "words", "notes"} <= set(one)]
    except (ValueError, TypeError):
        return []


def table_text(cells: dict[str, Any]) -> str:
    """A table as text: words to the left, numbers to the right."""
    columns = [list(map(str, column)) for column in zip(cells["headings"], *cells["rows"], strict=True)]
    words = set(cells["words"])
    widths = [max(map(len, column)) for column in columns]
    lines = [str(cells["title"]), "-" * min(len(str(cells["title"])), sum(widths) + 2 * len(widths))]
    for row in zip(*columns, strict=True):
        aligned = [f"{c:<{w}}" if i in words else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join([*lines, *map(str, cells["notes"])])
