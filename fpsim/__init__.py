"""Probability densities of a network's weights under stochastic gradient descent, in theory and in experiment.

The names below are the main path: an equation and its density, a network and its ensemble, one held against the other.
Each is imported when it is first used, so that ``import fpsim`` itself costs nothing; everything else is in the
packages (docs/architecture.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsim._version import __version__

if TYPE_CHECKING:
    from fpsim import closures as closures
    from fpsim import comparison as comparison
    from fpsim import datasets as datasets
    from fpsim import generator as generator
    from fpsim.applicability import check
    from fpsim.closures import conditional, mean_field
    from fpsim.comparison import compare_density
    from fpsim.density import Density, Grid, gaussian
    from fpsim.ensemble import train
    from fpsim.equation import FokkerPlanck
    from fpsim.evolution import Propagator, evolve
    from fpsim.experiment import SGD, Experiment, Start
    from fpsim.generator import (
        build_generator,
        entropy_production,
        mean_first_passage_time,
        slowest_modes,
        stationary_density,
        with_grid_error,
    )
    from fpsim.network import AutoEncoder, BottleneckAutoEncoder
    from fpsim.paths import simulate
    from fpsim.runs.objects import save
    from fpsim.runs.run import load
    from fpsim.scenario import load_scenario, run
    from fpsim.sweeps import sweep
else:
    from fpsim.support.lazy import lazy_names

    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "fpsim.applicability": ("check",),
            "fpsim.closures": ("conditional", "mean_field"),
            "fpsim.comparison": ("compare_density",),
            "fpsim.density": ("Density", "Grid", "gaussian"),
            "fpsim.ensemble": ("train",),
            "fpsim.equation": ("FokkerPlanck",),
            "fpsim.evolution": ("Propagator", "evolve"),
            "fpsim.experiment": ("SGD", "Experiment", "Start"),
            "fpsim.generator": (
                "build_generator",
                "entropy_production",
                "mean_first_passage_time",
                "slowest_modes",
                "stationary_density",
                "with_grid_error",
            ),
            "fpsim.network": ("AutoEncoder", "BottleneckAutoEncoder"),
            "fpsim.paths": ("simulate",),
            "fpsim.runs.objects": ("save",),
            "fpsim.runs.run": ("load",),
            "fpsim.scenario": ("load_scenario", "run"),
            "fpsim.sweeps": ("sweep",),
        },
        modules=("closures", "comparison", "datasets", "generator"),
    )

__all__ = [
    "SGD",
    "AutoEncoder",
    "BottleneckAutoEncoder",
    "Density",
    "Experiment",
    "FokkerPlanck",
    "Grid",
    "Propagator",
    "Start",
    "__version__",
    "build_generator",
    "check",
    "compare_density",
    "conditional",
    "datasets",
    "entropy_production",
    "evolve",
    "gaussian",
    "load",
    "load_scenario",
    "mean_field",
    "mean_first_passage_time",
    "run",
    "save",
    "simulate",
    "slowest_modes",
    "stationary_density",
    "sweep",
    "train",
    "with_grid_error",
]
