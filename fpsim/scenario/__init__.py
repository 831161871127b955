"""Scenarios: declarative descriptions, and the composition that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpsim.scenario.catalogue import available, catalogue_entries
    from fpsim.scenario.loading import load_scenario, parse_assignments, scenario_from, to_toml
    from fpsim.scenario.running import Outcome, draw_figures, report, resume_file, run, run_shortfalls, run_to_file
else:
    from fpsim.support.lazy import lazy_names

    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "fpsim.scenario.catalogue": ("available", "catalogue_entries"),
            "fpsim.scenario.loading": ("load_scenario", "parse_assignments", "scenario_from", "to_toml"),
            "fpsim.scenario.running": (
                "Outcome",
                "draw_figures",
                "report",
                "resume_file",
                "run",
                "run_to_file",
                "run_shortfalls",
            ),
        },
    )

__all__ = [
    "Outcome",
    "available",
    "catalogue_entries",
    "draw_figures",
    "load_scenario",
    "parse_assignments",
    "report",
    "resume_file",
    "run",
    "run_shortfalls",
    "run_to_file",
    "scenario_from",
    "to_toml",
]
