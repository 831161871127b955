"""The package's own exact checks, run on the user's machine: `validate` answers measured beside exact."""

from fpsim.validation.check import Check
from fpsim.validation.suite import SUBJECTS, validate

__all__ = ["SUBJECTS", "Check", "validate"]
