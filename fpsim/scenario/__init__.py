"""Scenarios: declarative descriptions, and the composition that runs them."""

from fpsim.scenario.loading import available, load_scenario, parse_assignments, scenario_from, to_toml
from fpsim.scenario.running import Outcome, draw, report, resume, run, run_to_file, shortfalls

__all__ = [
    "Outcome",
    "available",
    "draw",
    "load_scenario",
    "parse_assignments",
    "report",
    "resume",
    "run",
    "run_to_file",
    "scenario_from",
    "shortfalls",
    "to_toml",
]
