"""Missing results of a run, with their reasons.

A stage whose numbers do not allow a result (all replicas diverged, a variance that does not grow beyond its errors)
ends with that result missing; what was computed stays, and the file says what is missing, why, and under which keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from fpsim.scenario.parameters.sections import Parameters
from fpsim.support.errors import DomainError, ToleranceError

__all__ = ["INCOMPLETE", "NOT_COMPUTABLE", "missing_from", "reason", "with_missing"]

NOT_COMPUTABLE = (DomainError, ToleranceError, ArithmeticError, np.linalg.LinAlgError)
"""Errors of a stage that come from its numbers; wrong keys, files and memory are told before or end the run."""
INCOMPLETE = (LookupError, ValueError, TypeError, AttributeError)
"""What tables and pictures raise where a group or value is not there."""
TELLING = ("sgd", "growth", "ensemble", "time", "theory")
"""Sections whose numbers decide, in this order, whether there is anything to measure."""
MOST_KEYS = 8


def reason(error: Exception, task: str, parameters: Parameters) -> str:
    """One line: what was being done, what went wrong, and the values of the keys that decide it."""
    values = parameters.model_dump()
    sections = [name for name in TELLING if name in values] or list(values)
    keys = [key for name in sections for key in _numbers(values[name], name)][:MOST_KEYS]
    said = " ".join(str(error).split())[:600] or type(error).__name__
    return f"{task}: {said} ({', '.join(keys)})"


def _numbers(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _numbers(one, f"{key}.{name}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{key} = {value:g}"


def missing_from(tree: xr.DataTree) -> tuple[str, ...]:
    """What a run could not give, one line each: attributes ``missing`` of the root and of groups."""
    said = [str(node.attrs["missing"]) for node in tree.subtree if "missing" in node.attrs]
    return tuple(line for text in said for line in text.splitlines())


def with_missing(table: str, tree: xr.DataTree) -> str:
    """A table under what is missing from it."""
    return "\n".join([*(f"missing: {line}" for line in missing_from(tree)), *([table] if table else [])])
