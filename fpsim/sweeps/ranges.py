"""Values of a swept key: lists, arithmetic and geometric ranges.

``0.01,0.02,0.05`` lists values, ``0:1:0.25`` steps from 0 to 1 (both included), ``1:64:x2`` doubles from 1 to 64.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError

__all__ = ["parse_over"]

MOST_VALUES = 10_000
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"({NUMBER}):({NUMBER}):(x?)({NUMBER})")
FORMS = "0.01,0.02 or 0:1:0.25 or 1:64:x2 is accepted"


def parse_over(assignments: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """``["sgd.learning_rate=0.01,0.02", "sgd.batch_size=1:64:x2"]`` as values by dotted key.

    Raises
    ------
    ConfigError
        If one is not of the form ``key=values``, a range has no end, or a key is given twice.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for text in assignments:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not key or not values:
            raise ConfigError(f"--over {shown(text)}: key=values, with values as {FORMS}")
        if key in found:
            raise ConfigError(f"--over {key} is given twice: all its values in one list are accepted")
        found[key] = _values(key, values)
    return found


def _values(key: str, text: str) -> tuple[Any, ...]:
    whole = RANGE.fullmatch(text)
    if whole is not None:
        return tuple(_range(f"--over {key}={text}", *whole.groups()))
    if ":" in text and not re.search("[\"'\\[]", text):
        raise ConfigError(f"--over {key}={text}: no range; {FORMS}")
    try:
        return tuple(tomllib.loads(f"v = [{text}]")["v"])
    except (ValueError, RecursionError):
        return tuple(_word(part.strip()) for part in text.split(","))


def _word(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text


def _range(where: str, first: str, last: str, times: str, by: str) -> list[float] | list[int]:
    """All values between two ends, rounded to twelve digits."""
    start, end, step = float(first), float(last), float(by)
    if times:
        if not (start > 0.0 and end >= start and step > 1.0):
            raise ConfigError(f"{where}: positive ends in increasing order and a factor above 1 are accepted")
        count = math.floor(math.log(end / start) / math.log(step) + 1e-9) + 1
    else:
        if not (step != 0.0 and (end - start) / step >= 0.0):
            raise ConfigError(f"{where}: a step that leads from the first to the last value is accepted")
        count = math.floor((end - start) / step + 1e-9) + 1
    if count > MOST_VALUES:
        raise ConfigError(f"{where}: {count} values; up to {MOST_VALUES} are accepted")
    values = [float(f"{start * step**i if times else start + step * i:.12g}") for i in range(count)]
    return [int(v) for v in values] if all(re.fullmatch(r"[+-]?\d+", n) for n in (first, last, by)) else values
