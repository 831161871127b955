"""Memory budget: refuses what does not fit before anything is allocated, and chooses nothing.

The budget is an argument where a function has one, else the environment variable ``FPSIM_MEMORY``, else half of what
the machine, or the control group that the process runs in, has to give at the time of the call. Sizes are bytes, as
numbers or as words: ``"2 GB"``, ``"500MB"``.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from fpsim.support.errors import DomainError, MemoryLimitError

__all__ = ["check_memory", "memory_budget"]

VARIABLE = "FPSIM_MEMORY"
SHARE = 0.5
"""Share of the available memory that one computation may ask for."""

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SIZE = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([KMGT]?B?)\s*", re.IGNORECASE)
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def memory_budget(memory: float | str | None = None) -> float:
    """Bytes that a computation may take.

    Parameters
    ----------
    memory : number or str, optional
        Bytes, or a size such as ``"2 GB"``.

    Raises
    ------
    DomainError
        If the argument or the environment variable is no positive size.
    """
    if memory is not None:
        return _bytes(memory, "memory")
    named = os.environ.get(VARIABLE)
    if named:
        return _bytes(named, VARIABLE)
    return SHARE * _free(int(time.monotonic()))


def check_memory(needed: float, what: str, advice: str = "", *, budget: float | None = None) -> None:
    """Check an estimate in bytes against the budget; by default that of :func:`memory_budget`.

    Raises
    ------
    MemoryLimitError
        With what needs it, the estimate, the budget, and the advice.
    """
    if needed < 1e6:  # any machine has that
        return
    allowed = memory_budget() if budget is None else budget
    if needed > allowed:
        raise MemoryLimitError(
            f"{what} needs about {_size(needed)}: at most {_size(allowed)} is accepted (memory=, or {VARIABLE}, sets "
            f"it){'; ' * bool(advice)}{advice}"
        )


def _size(amount: float) -> str:
    unit = next((u for u in "TGMK" if amount >= _UNITS[u]), "")
    return f"{amount / _UNITS[unit]:.3g} {unit}B"


def _bytes(raw: Any, what: str) -> float:
    try:
        found = _SIZE.fullmatch(raw) if isinstance(raw, str) else None
        size = float(raw) if found is None else float(found[1]) * _UNITS[found[2].upper().rstrip("B")]
    except (TypeError, ValueError):
        size = 0.0
    if not 0.0 < size < float("inf"):
        raise DomainError(f"{what} is {raw!r}: a positive number of bytes, or a size like '2 GB', is accepted")
    return size


@lru_cache(maxsize=1)
def _free(second: int) -> float:  # noqa: ARG001
    """Bytes that are free, read once a second: asking takes longer than a small problem."""
    return min(_available(), _left_in_group())


def _available() -> float:
    """Bytes that the machine can give without swapping."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    if "SC_PHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    return float("inf")


def _left_in_group() -> float:
    """Bytes that the control group of the process leaves, if it has a limit."""
    for limit, used in _GROUPS:
        try:
            return float(Path(limit).read_text(encoding="ascii")) - float(Path(used).read_text(encoding="ascii"))
        except (OSError, ValueError):  # none, or "max"
            continue
    return float("inf")
