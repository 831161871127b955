"""Catalogue of the scenarios that come with the package: names, titles and subjects, read without running anything.

Limits: it reads what a file says of itself and validates nothing; :func:`fpsim.scenario.load_scenario` does.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from fpsim.support.resources import resource_folder

__all__ = ["SUBJECTS", "Entry", "available", "catalogue_entries"]

SUBJECTS = {
    "Networks, theory against experiment": ("bottleneck", "ranking", "blind", "stationary"),
    "Stochastic gradient descent": ("sweep", "epochs", "momentum", "equation-order"),
    "Callan-Symanzik": ("callan-symanzik", "cutoff"),
    "Kardar-Parisi-Zhang": ("kpz", "random"),
    "Fokker-Planck without a network": ("problem",),
    "More": ("",),
}
"""Headings of the catalogue, and how the kinds under them begin."""


@dataclass(frozen=True)
class Entry:
    """One scenario: its name, one line that says what it shows, and the heading under which it stands."""

    name: str
    title: str
    subject: str


def available() -> dict[str, Path]:
    """Scenarios that come with the package: name to TOML file, in alphabetical order."""
    return {path.stem.replace("_", "-"): path for path in sorted(resource_folder("scenarios").glob("*.toml"))}


def catalogue_entries() -> tuple[Entry, ...]:
    """Entries of all scenarios, by subject and then by name."""
    entries = []
    for name, path in available().items():
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        kind = str(raw.get("kind", "bottleneck"))
        subject = next(heading for heading, kinds in SUBJECTS.items() if kind.startswith(kinds))
        entries.append(Entry(name, str(raw.get("title", "")), subject))
    return tuple(sorted(entries, key=lambda entry: list(SUBJECTS).index(entry.subject)))
