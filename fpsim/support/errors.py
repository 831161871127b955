"""Errors and warnings of fpsim.

Every message says what is wrong, where, and what is accepted; the command line prints it as
one line and exits with status 2.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DomainError",
    "FileError",
    "FpsimError",
    "MemoryLimitError",
    "ToleranceError",
    "ValidityWarning",
]


class FpsimError(Exception):
    """Base class of all errors that fpsim raises on purpose."""


class DomainError(FpsimError, ValueError):
    """An argument lies outside what a function accepts (shape, sign, finiteness, order of times)."""


class ConfigError(FpsimError, ValueError):
    """A key of a scenario is unknown or its value is not accepted."""


class FileError(FpsimError, OSError):
    """A file cannot be read, is not ours, is damaged, or cannot be written."""


class MemoryLimitError(FpsimError, MemoryError):
    """A computation is estimated, before it allocates, to need more memory than the machine has."""


class ToleranceError(FpsimError, RuntimeError):
    """A requested tolerance could not be met; the message says why and what was reached."""


class ValidityWarning(UserWarning):
    """A result was computed outside the regime its method was derived for."""
