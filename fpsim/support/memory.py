"""Refuse what does not fit into the machine before anything is allocated."""

from __future__ import annotations

import os

from fpsim.support.errors import MemoryLimitError

__all__ = ["check_memory"]

SHARE = 0.9
"""Share of the machine's memory that one computation may ask for."""


def check_memory(needed: float, what: str, advice: str = "") -> None:
    """Check an estimate in bytes against the machine.

    Raises
    ------
    MemoryLimitError
        With what needs it, the estimate, what the machine has, and the advice.
    """
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > SHARE * physical:
        raise MemoryLimitError(
            f"{what} needs about {needed / 1e9:.3g} GB: at most {100 * SHARE:.0f} % of this machine's "
            f"{physical / 1e9:.3g} GB is accepted{'; ' * bool(advice)}{advice}"
        )
