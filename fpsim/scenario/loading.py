"""Scenarios read, changed key by key and validated; every mistake becomes one line that names the key.

A scenario comes by name, from a TOML file, or from a Python file that defines ``scenario``: the validated object, a
nested mapping, or a function without arguments that answers one of these. Limits: a Python file is run as it is, with
the rights of the user, as ``python FILE`` would.
"""

from __future__ import annotations

import difflib
import json
import re
import runpy
import tomllib
import traceback
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fpsim.scenario.catalogue import available
from fpsim.scenario.kind import kind_named
from fpsim.scenario.sections import ScenarioBase
from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError, DomainError, FpsimError

__all__ = ["load_scenario", "parse_assignments", "read_config", "scenario_from", "to_toml"]

DEEPEST = 8
"""Sections within sections, and lists within lists, that a scenario may have."""
CONTROL = ("Cc", "Cs")
"""Categories of characters (Unicode) that neither a file nor a terminal takes as text."""


def load_scenario(
    name_or_file: str | Path, *, changes: Mapping[str, Any] | None = None, quick: bool = False
) -> ScenarioBase:
    """Read a scenario by name or from a file, put single keys in place and validate the whole.

    Parameters
    ----------
    name_or_file : str or path
        A name that :func:`fpsim.scenario.available` knows, or the path of a ``.toml`` or ``.py`` file.
    changes : mapping
        Values by dotted key, for example ``{"sgd.learning_rate": 0.1}``.
    quick : bool
        Put the scenario's ``[quick]`` values in place first.

    Raises
    ------
    ConfigError
        If nothing of that name exists, the file is not TOML or its Python fails, or a key or value is not accepted.
    DomainError
        If an argument is of another type.
    """
    if not isinstance(name_or_file, str | Path):
        raise DomainError(f"scenario is {shown(name_or_file)}: a name or a path is accepted, as in 'momentum'")
    if changes is not None and not isinstance(changes, Mapping):
        raise DomainError(
            f"changes is {shown(changes)}: values by dotted key are accepted, as in {{'sgd.learning_rate': 0.1}}"
        )
    name_or_file, named = str(name_or_file), available()
    path = named.get(name_or_file.replace("_", "-")) or Path(name_or_file)
    readers = {".toml": _read_toml, ".py": _run_python}
    if path.suffix not in readers or not _is_file(path):
        close = difflib.get_close_matches(name_or_file, named, 1)
        hint = f"; did you mean {close[0]}?" if close else "."
        what = "is not there" if path.suffix in readers else "is unknown"
        raise ConfigError(
            f"scenario {shown(name_or_file)} {what}{hint} "
            f"Accepted are a TOML file, a Python file or one of: {', '.join(named)}"
        )
    return scenario_from(readers[path.suffix](path), changes=changes, quick=quick, where=str(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_config(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None


def read_config(text: str, where: str) -> dict[str, Any]:
    """The nested mapping of a TOML text, such as the configuration in a run's file; ``where`` is named in errors."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not a TOML file: {shown(str(error))[1:-1]}") from None


def _run_python(path: Path) -> Mapping[str, Any]:
    try:
        found = runpy.run_path(str(path)).get("scenario")
        made = found() if callable(found) else found
        if isinstance(made, ScenarioBase):
            return made.model_dump(exclude_none=True)
        if isinstance(made, Mapping):
            return _deep_copy(made, str(path))
    except (FpsimError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a user's file raises, sys.exit included
        places = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = getattr(error, "lineno", None) or (places[-1] if places else None)
        where = f"{path}, line {line}" if line else f"{path}"
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from None
    raise ConfigError(
        f"{path}: no scenario; accepted is scenario = ... or def scenario(): ... with a validated object or a mapping"
    )


def scenario_from(
    raw: Mapping[str, Any], *, changes: Mapping[str, Any] | None = None, quick: bool = False, where: str = "scenario"
) -> ScenarioBase:
    """Validate a nested mapping as a scenario; see :func:`load_scenario`."""
    tree = _deep_copy(raw, where)
    sections = tree.get("quick", {}) if quick else {}
    if not isinstance(sections, dict):
        raise ConfigError(f"{where}: quick = {shown(sections)}: sections with keys are accepted")
    for section, values in sections.items():
        if not isinstance(values, dict) or not isinstance(tree.setdefault(section, {}), dict):
            raise ConfigError(f"{where}: quick.{section}: a section with keys is accepted")
        tree[section].update(values)
    for key, value in (changes or {}).items():
        _put(tree, key, value)
    tree.setdefault("kind", "bottleneck")
    tree.setdefault("name", "unnamed")
    _check_values(tree, where)
    try:
        model = kind_named(tree["kind"]).model
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    try:
        return model.model_validate(tree, strict=False)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_one_line(error, model)}") from None


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """``["sgd.learning_rate=0.1", "network.activation=tanh"]`` as a mapping; values are TOML, bare words strings."""
    changes = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {shown(text)}: the form key=value is accepted, for example sgd.learning_rate=0.1")
        try:
            changes[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except (ValueError, RecursionError):
            changes[key.strip()] = value.strip()
    return changes


def to_toml(scenario: ScenarioBase) -> str:
    """The resolved scenario as TOML text that :func:`scenario_from` reads back to an equal object."""
    lines: list[str] = []
    _section(lines, scenario.model_dump(exclude_none=True), ())
    return "\n".join(lines) + "\n"


def _section(lines: list[str], values: Mapping[str, Any], path: tuple[str, ...]) -> None:
    if path:
        lines += ["", f"[{'.'.join(map(_toml_key, path))}]"]
    lines += [f"{_toml_key(k)} = {_toml_value(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for key, value in values.items():
        if isinstance(value, dict):
            _section(lines, value, (*path, key))


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml_key(k)} = {_toml_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value)


def _deep_copy(raw: Mapping[str, Any], where: str, depth: int = 0) -> dict[str, Any]:
    if depth > DEEPEST:
        raise ConfigError(f"{where}: sections lie more than {DEEPEST} deep; none of a scenario does")
    return {k: _deep_copy(v, where, depth + 1) if isinstance(v, Mapping) else v for k, v in raw.items()}


def _check_values(value: Any, where: str, key: str = "") -> None:
    """Refuse what no file could hold or no terminal show, and integers beyond 64 bits, which TOML does not have.

    Arithmetic on longer integers has no bound in time or memory.
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
            _check_values(one, where, f"{key}.{name}" if key else str(name))


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    if len(sections) > DEEPEST:
        raise ConfigError(f"--set {shown(key)}: has {len(sections) + 1} parts; up to {DEEPEST + 1} are accepted")
    place = tree
    for depth, section in enumerate(sections):
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {key}: {'.'.join(sections[: depth + 1])} is a value, not a section")
    place[last] = value


def _one_line(error: ValidationError, model: type[ScenarioBase]) -> str:
    """The first complaint, with the dotted key, the value found and what is accepted."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    key = ".".join(place) or "scenario"
    if first["type"] == "extra_forbidden":
        accepted = _accepted_keys(place[:-1], model)
        close = difflib.get_close_matches(place[-1], accepted, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key}: unknown key; {hint}accepted are {', '.join(accepted)}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return message
    found = first.get("input")
    value = f" = {shown(found)}" if isinstance(found, (int, float, str, bool, list, tuple)) else ""
    return f"{key}{value}: {message[0].lower()}{message[1:]}"


def _accepted_keys(sections: Sequence[str], model: Any) -> list[str]:
    for section in sections:
        field = model.model_fields.get(section) if hasattr(model, "model_fields") else None
        if field is None:
            break
        model = field.annotation
        args = getattr(model, "__args__", ())
        if args and not hasattr(model, "model_fields"):
            model = args[-1]
    return sorted(getattr(model, "model_fields", {}))
