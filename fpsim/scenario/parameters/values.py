"""Validated values of parameters, changed key by key; every mistake becomes one line that names the key.

Keys are dotted: ``sgd.learning_rate``. A section that is given in part keeps the rest of its values; a table of named
parts (``start.offset``, ``start.symmetric``) is replaced as a whole.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from fpsim.scenario.parameters.sections import Section
from fpsim.scenario.parameters.toml_text import DEEPEST, check_values, nested_copy
from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError

__all__ = ["dotted", "merged", "parse_assignments", "put_value", "section_of", "validated", "value_text", "with_values"]

P = TypeVar("P", bound=Section)


def validated(model: type[P], values: Mapping[str, Any], *, where: str) -> P:
    """A nested mapping as parameters.

    Raises
    ------
    ConfigError
        With the dotted key, the value found and what is accepted.
    """
    check_values(values, where)
    try:
        return model.model_validate(values, strict=False)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_one_line(error, model)}") from None


def merged(parameters: P, values: Mapping[str, Any], *, where: str) -> P:
    """Parameters with the given sections put over their own."""
    tree = parameters.model_dump(exclude_none=True)
    _put_over(tree, nested_copy(values, where), type(parameters))
    return validated(type(parameters), tree, where=where)


def with_values(parameters: P, changes: Mapping[str, Any], *, where: str) -> P:
    """Parameters with single values changed, by dotted key."""
    tree = parameters.model_dump(exclude_none=True)
    for key, value in changes.items():
        put_value(tree, key, value)
    return validated(type(parameters), tree, where=where)


def dotted(parameters: Section) -> dict[str, Any]:
    """All values by dotted key."""
    return dict(_dotted(parameters.model_dump(exclude_none=True), ""))


def _dotted(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _put_over(tree: dict[str, Any], values: Mapping[str, Any], model: type[Section]) -> None:
    for key, value in values.items():
        inner = section_of(model, key)
        if inner is not None and isinstance(value, dict) and key in tree:
            _put_over(tree[key], value, inner)
        else:
            tree[key] = value


def value_text(value: Any) -> str:
    """A value as people write it: ``0.05``, ``true``, ``[1, 2]``; ``-`` where there is none."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k} = {value_text(v)}' for k, v in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def section_of(model: type[Section], key: str) -> type[Section] | None:
    """Type of the section under a key; ``None`` for values and tables of named parts."""
    field = model.model_fields.get(key)
    inner = None if field is None else field.annotation
    return inner if isinstance(inner, type) and issubclass(inner, Section) else None


def put_value(tree: dict[str, Any], key: str, value: Any) -> None:
    """Put a value into nested dictionaries, in place.

    Raises
    ------
    ConfigError
        If a part of the key is a value and not a section, or there are too many parts.
    """
    if not isinstance(key, str):
        raise ConfigError(f"{shown(key)} is no key: a dotted name is accepted, as in sgd.learning_rate")
    *sections, last = key.split(".")
    if len(sections) > DEEPEST:
        raise ConfigError(f"--set {shown(key)}: has {len(sections) + 1} parts; up to {DEEPEST + 1} are accepted")
    place = tree
    for depth, section in enumerate(sections):
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {key}: {'.'.join(sections[: depth + 1])} is a value, not a section")
    place[last] = value


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """``["sgd.learning_rate=0.1", "network.activation=tanh"]`` as a mapping; values are TOML, bare words strings.

    Raises
    ------
    ConfigError
        If one is not of the form ``key=value``.
    """
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


def _one_line(error: ValidationError, model: type[Section]) -> str:
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
