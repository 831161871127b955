"""Scenarios: experiments' protocols as files that people read, change and write; and the kit that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpsim.scenario.catalogue import available, catalogue_entries
    from fpsim.scenario.files import Outcome, draw_figures, resume_file, run_to_file
    from fpsim.scenario.loading import copy_scenario, extended, load_scenario, scenario_code, scenario_from
    from fpsim.scenario.parameters.sections import (
        Data,
        EnsembleSize,
        NetworkShape,
        Parameters,
        Section,
        Sgd,
        StartPoint,
        Time,
    )
    from fpsim.scenario.parameters.values import parse_assignments
    from fpsim.scenario.records import (
        density_at,
        density_variable,
        grid_coordinates,
        mixture_dataset,
        moments,
        named,
    )
    from fpsim.scenario.results import Results, Workbench
    from fpsim.scenario.running import report, run, run_shortfalls
    from fpsim.scenario.scenario import Each, Scenario
    from fpsim.scenario.tables import Column, Table
else:
    from fpsim.support.lazy import lazy_names

    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "fpsim.scenario.catalogue": ("available", "catalogue_entries"),
            "fpsim.scenario.files": ("Outcome", "draw_figures", "resume_file", "run_to_file"),
            "fpsim.scenario.loading": ("copy_scenario", "extended", "load_scenario", "scenario_code", "scenario_from"),
            "fpsim.scenario.parameters.sections": (
                "Data",
                "EnsembleSize",
                "NetworkShape",
                "Parameters",
                "Section",
                "Sgd",
                "StartPoint",
                "Time",
            ),
            "fpsim.scenario.parameters.values": ("parse_assignments",),
            "fpsim.scenario.records": (
                "density_at",
                "density_variable",
                "grid_coordinates",
                "mixture_dataset",
                "moments",
                "named",
            ),
            "fpsim.scenario.results": ("Results", "Workbench"),
            "fpsim.scenario.running": ("report", "run", "run_shortfalls"),
            "fpsim.scenario.scenario": ("Each", "Scenario"),
            "fpsim.scenario.tables": ("Column", "Table"),
        },
    )

__all__ = [
    "Column",
    "Data",
    "Each",
    "EnsembleSize",
    "NetworkShape",
    "Outcome",
    "Parameters",
    "Results",
    "Scenario",
    "Section",
    "Sgd",
    "StartPoint",
    "Table",
    "Time",
    "Workbench",
    "available",
    "catalogue_entries",
    "copy_scenario",
    "density_at",
    "density_variable",
    "draw_figures",
    "extended",
    "grid_coordinates",
    "load_scenario",
    "mixture_dataset",
    "moments",
    "named",
    "parse_assignments",
    "report",
    "resume_file",
    "run",
    "run_shortfalls",
    "run_to_file",
    "scenario_code",
    "scenario_from",
]
