"""Sweeps: grids of runs over keys and seeds, gathered into one labelled file."""

from fpsim.sweeps.gathering import gather, sweep_scalars
from fpsim.sweeps.pictures import sweep_figures
from fpsim.sweeps.ranges import parse_over
from fpsim.sweeps.sweep import SweepOutcome, sweep

__all__ = ["SweepOutcome", "gather", "parse_over", "sweep", "sweep_figures", "sweep_scalars"]
