"""Catalogue of the scenarios that come with the package: names, titles and subjects, read without running anything.

A name is a Python file that defines a scenario, or a TOML file of parameters for one. Limits: a title and a subject are
found where they are written as plain text; nothing is validated, :func:`fpsim.scenario.load_scenario` does that.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

from fpsim.support.resources import resource_folder

__all__ = ["SUBJECTS", "Entry", "available", "catalogue_entries", "programs"]

SUBJECTS = (
    "Networks, theory against experiment",
    "Stochastic gradient descent",
    "Callan-Symanzik",
    "Kardar-Parisi-Zhang",
    "Fokker-Planck without a network",
)
"""Headings of the catalogue in their order; others follow."""


@dataclass(frozen=True)
class Entry:
    """One scenario: its name, one line that says what it shows, and the heading under which it stands."""

    name: str
    title: str
    subject: str


def programs() -> dict[str, Path]:
    """Python files that define a scenario, by name."""
    return {path.stem.replace("_", "-"): path for path in sorted(resource_folder("scenarios").glob("*.py"))}


def available() -> dict[str, Path]:
    """Scenarios that come with the package: name to file, in alphabetical order."""
    tables = {path.stem.replace("_", "-"): path for path in resource_folder("scenarios").glob("*.toml")}
    return dict(sorted({**programs(), **tables}.items()))


def catalogue_entries() -> tuple[Entry, ...]:
    """Entries of all scenarios, by subject and then by name."""
    defining = {name: _literals(path) for name, path in programs().items()}
    entries = []
    for name, path in available().items():
        if path.suffix == ".py":
            said = defining[name]
        else:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            said = {**defining[raw["scenario"]], "title": str(raw["title"])}
        entries.append(Entry(name, said.get("title", ""), said.get("subject", "More")))
    return tuple(sorted(entries, key=lambda e: SUBJECTS.index(e.subject) if e.subject in SUBJECTS else len(SUBJECTS)))


def _literals(path: Path) -> dict[str, str]:
    """Plain texts among the arguments of ``Scenario(...)`` in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Scenario":
            return {
                str(k.arg): k.value.value
                for k in node.keywords
                if isinstance(k.value, ast.Constant) and isinstance(k.value.value, str)
            }
    return {}
