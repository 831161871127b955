"""Configuration as TOML text, written and read.

What is written reads back to equal values. Limits: sections lie at most ``DEEPEST`` deep, text has no control
characters and integers fit into 64 bits, as TOML asks; anything else is refused with the key's name.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError

__all__ = ["DEEPEST", "check_values", "nested_copy", "read_toml_text", "toml_text"]

DEEPEST = 8
"""Sections within sections, and lists within lists, that a scenario may have."""
CONTROL = ("Cc", "Cs")
"""Categories of characters (Unicode) that neither a file nor a terminal takes as text."""


def read_toml_text(text: str, where: str) -> dict[str, Any]:
    """The nested mapping of a TOML text, such as the configuration in a run's file; ``where`` is named in errors.

    Raises
    ------
    ConfigError
        If it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not a TOML file: {shown(str(error))[1:-1]}") from None


def toml_text(values: Mapping[str, Any]) -> str:
    """A nested mapping as TOML; ``None`` is left out."""
    lines: list[str] = []
    _section(lines, values, ())
    return "\n".join(lines) + "\n"


def _section(lines: list[str], values: Mapping[str, Any], path: tuple[str, ...]) -> None:
    if path:
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in values.items() if not isinstance(v, dict) and v is not None]
    for key, value in values.items():
        if isinstance(value, dict):
            _section(lines, value, (*path, key))


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value)


def nested_copy(raw: Mapping[str, Any], where: str, depth: int = 0) -> dict[str, Any]:
    """A copy of nested mappings, as dictionaries."""
    if depth > DEEPEST:
        raise ConfigError(f"{where}: sections lie more than {DEEPEST} deep; none of a scenario does")
    return {k: nested_copy(v, where, depth + 1) if isinstance(v, Mapping) else v for k, v in raw.items()}


def check_values(value: Any, where: str, key: str = "") -> None:
    """Refuse what no file could hold or no terminal show, and integers beyond 64 bits, which TOML does not have.

    Arithmetic on longer integers has no bound in time or memory.

    Raises
    ------
    ConfigError
        With the dotted key.
    """
    if key.count(".") > DEEPEST:
        raise ConfigError(f"{where}: {shown(key)} lies more than {DEEPEST} deep; no value of a scenario does")
    if any(unicodedata.category(c) in CONTROL and c not in "\n\t" for c in key):
        raise ConfigError(f"{where}: {shown(key)}: keys without control characters are accepted")
    if isinstance(value, str) and any(unicodedata.category(c) in CONTROL and c not in "\n\t" for c in value):
        raise ConfigError(f"{where}: {key} = {shown(value)}: text without control characters is accepted")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ConfigError(f"{where}: {key} = {shown(value)}: integers of 64 bits are accepted")
    if isinstance(value, Mapping | list | tuple):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, one in inner:
            check_values(one, where, f"{key}.{name}" if key else str(name))
