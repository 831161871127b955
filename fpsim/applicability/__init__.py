"""Applicability of the theories to an experiment, told before anything is run (``fpsim.check``)."""

from fpsim.applicability.check import Applicability, check
from fpsim.applicability.verdicts import Applicable

__all__ = ["Applicability", "Applicable", "check"]
