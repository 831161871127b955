"""Why a user's function of the coordinates failed, in the words of the caller.

Promises: what comes from the way the function is called is explained; any other error inside it is left as it is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fpsim.support.errors import DomainError

__all__ = ["answer", "explain_failure"]

_NEEDS_A_NUMBER = re.compile(r"truth value of an array|arrays can be converted to")
"""What NumPy says where a function takes an array for a number."""


def answer(function: Callable[..., Any], places: Sequence[Any], what: str) -> Any:
    """What a function of the coordinates answers; ``DomainError`` if it does not take them, as arrays."""
    try:
        return function(*places)
    except (TypeError, ValueError) as error:
        explain_failure(error, function, places, {}, what)
        raise


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
                f"{len(places)} array{'s' * (len(places) > 1)} is accepted"
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
