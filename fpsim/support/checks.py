"""Validation of arguments: real numbers, whole numbers, and functions of the coordinates.

Promises: an error says what was found and what is accepted; what comes from the way a user's function is
called is explained; any other error inside it is left as it is.
"""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsim.support.errors import DomainError

__all__ = [
    "all_finite",
    "answer",
    "check_left",
    "explain_failure",
    "fits",
    "instance_of",
    "real_array",
    "real_number",
    "sequence",
    "shown",
    "whole_number",
]

_FLOAT64 = np.dtype(np.float64)
_NEEDS_A_NUMBER = re.compile(r"truth value of an array|arrays can be converted to")
"""What NumPy says where a function takes an array for a number."""


def all_finite(array: NDArray[np.float64]) -> bool:
    """Whether no entry is infinite or not a number."""
    return bool(np.count_nonzero(np.isfinite(array)) == array.size)  # half the time of ``isfinite(array).all()``


def fits(part: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to another of as many axes."""
    return part == shape or (len(part) == len(shape) and all(m in (1, n) for m, n in zip(part, shape, strict=True)))


def real_array(raw: Any, what: str) -> NDArray[np.float64]:
    """``raw`` as an array of float64; ``DomainError`` if it is complex, ragged or not numeric."""
    if type(raw) is np.ndarray and raw.dtype is _FLOAT64:
        return raw
    try:
        array = np.asarray(raw)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64, copy=False)
        if array.dtype.kind == "O":
            return array.astype(np.float64)
    except (TypeError, ValueError):
        raise DomainError(f"{what} is {shown(raw)}: real numbers are accepted") from None
    raise DomainError(f"{what} is {shown(raw)} of type {array.dtype}: real numbers are accepted")


def real_number(raw: Any, what: str, *, accepted: str = "a finite number") -> float:
    """``raw`` as a finite float; ``DomainError`` if it is not one."""
    array = real_array(raw, what)
    if array.ndim or not np.isfinite(array):
        raise DomainError(f"{what} is {shown(raw)}: {accepted} is accepted")
    return float(array)


def check_left(values: NDArray[np.float64], t: float) -> None:
    """``DomainError`` if walls have absorbed all mass by a time."""
    if not values.any():
        raise DomainError(f"nothing is left at t={t:g}: all mass has been absorbed; earlier times are accepted")


def sequence(raw: Any, what: str) -> tuple[Any, ...]:
    """``raw`` as a tuple; ``DomainError`` if it is not a sequence of values."""
    scalar = isinstance(raw, np.ndarray) and raw.ndim == 0
    if scalar or isinstance(raw, (str, bytes, Mapping)) or not isinstance(raw, (Sequence, np.ndarray)):
        raise DomainError(f"{what} is {shown(raw)}: a sequence is accepted")
    return tuple(raw)


def instance_of(raw: Any, kinds: type | tuple[type, ...], what: str) -> None:
    """``DomainError`` if a value is of none of some types."""
    if not isinstance(raw, kinds):
        named = kinds if isinstance(kinds, tuple) else (kinds,)
        accepted = " or ".join("None" if k is type(None) else k.__name__ for k in named)
        raise DomainError(f"{what} is {shown(raw)}: {accepted} is accepted")


def whole_number(raw: Any, what: str, *, least: int) -> int:
    """``raw`` as an int; ``DomainError`` if it is not whole or less than ``least``."""
    try:
        number = int(operator.index(raw))  # of ``True``, one
    except TypeError:
        raise DomainError(f"{what} is {shown(raw)}: a whole number >= {least} is accepted") from None
    if number < least:
        raise DomainError(f"{what} is {number}: a whole number >= {least} is accepted")
    return number


def shown(raw: object, longest: int = 80) -> str:
    """A value in a message, cut where it is long: ``repr`` itself refuses integers of more than 4300 digits."""
    try:
        text = repr(raw)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= longest else f"{text[:longest]}..."


def answer(function: Callable[..., Any], places: Sequence[Any], what: str) -> Any:
    """What a function of the coordinates answers; ``DomainError`` if it does not take them, as arrays."""
    try:
        return function(*places)
    except (TypeError, ValueError) as error:
        explain_failure(error, function, places, {}, what)
        raise


def _about_names(what: str) -> str:
    """For coefficients of an equation, the names by which they take more than places."""
    return "; time is a parameter named t, the density one named p" if what == "coefficient" else ""


def explain_failure(
    error: Exception, function: Callable[..., Any], places: Sequence[Any], extra: Mapping[str, Any], what: str
) -> None:
    """Raise in the place of ``error`` if it comes from how the function was called; return otherwise.

    Raises
    ------
    DomainError
        If the function does not take the coordinates (with ``extra`` by keyword), or takes arrays for numbers.
    """
    name = getattr(function, "__name__", what)
    signature = _signature(function)
    if isinstance(error, TypeError) and signature is not None:
        try:
            signature.bind(*places, **extra)
        except TypeError:
            raise DomainError(
                f"{name}{signature} does not take the {len(places)} coordinates: a callable of "
                f"{len(places)} array{'s' * (len(places) > 1)} is accepted{_about_names(what)}"
            ) from None
    if _NEEDS_A_NUMBER.search(str(error)):
        raise DomainError(
            f"{name} fails on arrays ({str(error).split('.')[0]}): it is called with arrays of places, not with "
            "numbers; array functions are accepted, such as np.sin for math.sin and np.where(x > 0, a, b) for an if"
        ) from error


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return None
