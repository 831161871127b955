"""Parameters in words: every key with its value, its meaning and what is accepted.

Meanings are the texts beneath the fields, bounds those of the fields' types (their JSON schema). Limits: what values
must satisfy together is said by the message that refuses them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from fpsim.scenario.parameters.sections import Section
from fpsim.scenario.parameters.values import value_text

__all__ = ["ParameterMeaning", "parameter_lines", "parameter_meanings"]

WIDTH = 110
BOUNDS = (("minimum", "at least"), ("exclusiveMinimum", "above"), ("maximum", "at most"), ("exclusiveMaximum", "below"))
LARGEST = 2**62
"""Bounds from here on are those of the format and say nothing."""
NOUNS = {"number": "number", "integer": "integer", "string": "text", "boolean": "true or false", "null": "none"}
Schema = Mapping[str, Any]
"""JSON schema, as pydantic writes it."""


@dataclass(frozen=True)
class ParameterMeaning:
    """One parameter.

    Attributes
    ----------
    key : str
        Dotted.
    value : object
        ``None`` where it is left out.
    meaning : str
        One or more sentences; empty if none are written.
    accepted : str
        In words: ``"integer, at least 1 and at most 64"``.
    section : str
        Description of the section that it belongs to.
    """

    key: str
    value: Any
    meaning: str
    accepted: str
    section: str


def parameter_meanings(parameters: Section) -> tuple[ParameterMeaning, ...]:
    """All parameters, in the order of their definition."""
    schema = type(parameters).model_json_schema()
    return tuple(_walk(schema, schema, parameters.model_dump(), ""))


def parameter_lines(parameters: Section, quick: Mapping[str, Any]) -> list[str]:
    """All parameters as text, with the values (by dotted key) that ``--quick`` puts in place."""
    lines: list[str] = []
    before: str | None = None
    for one in parameter_meanings(parameters):
        section = one.key.rpartition(".")[0]
        if section != before:
            lines += ["", f"[{section}]  {one.section}".rstrip()] if section else [""]
            before = section
        hurried = f"   (quick: {value_text(quick[one.key])})" if one.key in quick else ""
        lines += textwrap.wrap(
            f"{one.key} = {value_text(one.value)}{hurried}", WIDTH, initial_indent="  ", subsequent_indent=" " * 10
        )
        for said in filter(None, (one.meaning, f"accepted: {one.accepted}" if one.accepted else "")):
            lines += textwrap.wrap(said, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines


def _walk(schema: Schema, root: Schema, value: Any, key: str, section: str = "") -> Iterator[ParameterMeaning]:
    """Parameters of a section, whose value is a mapping, or the one of a leaf."""
    found = _section(schema, root, value)
    if found is None:
        meaning = " ".join(str(schema.get("description", "")).split())
        yield ParameterMeaning(key, value, meaning, _accepted(schema, root), section)
        return
    fields = found.get("properties", {})
    said = " ".join(str(found.get("description", "")).split())
    for name, one in value.items():
        inner = fields.get(name) or _values(found)
        yield from _walk(inner, root, one, f"{key}.{name}" if key else name, said)


def _section(schema: Schema, root: Schema, value: Any) -> Schema | None:
    """The schema of a section that has such keys; ``None`` for numbers, words and lists."""
    if not isinstance(value, dict):
        return None
    for variant in _variants(schema, root):
        if set(value) <= set(variant.get("properties", {})) or _values(variant):
            return variant
    return {}


def _values(schema: Schema) -> Schema:
    """Schema of the values of a table of named parts."""
    (inner,) = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")][:1]
    return inner if isinstance(inner, dict) else {}


def _variants(schema: Schema, root: Schema) -> Iterator[Schema]:
    for one in schema.get("anyOf") or schema.get("oneOf") or [schema]:
        yield root["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one


def _accepted(schema: Schema, root: Schema) -> str:
    """Type, choices and bounds in words."""
    return " or ".join(dict.fromkeys(filter(None, (_one(variant, root) for variant in _variants(schema, root)))))


def _one(schema: Schema, root: Schema) -> str:
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        inner = schema.get("prefixItems") or [schema.get("items", {})]
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        size = f" of {least}" if least == most else f" of {least} to {most}" if most else f" of {least} or more"
        items = ", ".join(dict.fromkeys(_accepted(item, root) for item in inner))
        return f"list{size if most or least else ''} ({items})" if items else f"list{size}"
    if "properties" in schema:
        return f"section with {', '.join(schema['properties'])}"
    bounds = " and ".join(
        f"{word} {schema[name]:.12g}" for name, word in BOUNDS if abs(schema.get(name, inf)) < LARGEST
    )
    if "pattern" in schema:
        bounds = f"of the form {schema['pattern']}"
    return ", ".join(filter(None, (NOUNS.get(str(schema.get("type")), ""), bounds)))
