"""Scenarios found by name or in a file, and copies of them to change.

A scenario comes by name, from a Python file that defines ``scenario``, or from a TOML file of parameters that names a
scenario of the package. Limits: a Python file is run as it is, with the rights of the user, as ``python FILE`` would;
TOML names a scenario by its name and never a path. A scenario of a user's file bears the file's name ("my_study.py"),
under which none of the package is ever found.
"""

from __future__ import annotations

import difflib
import importlib.util
import itertools
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fpsim.scenario.catalogue import available, programs
from fpsim.scenario.parameters.sections import Section
from fpsim.scenario.parameters.toml_text import check_values, read_toml_text, toml_text
from fpsim.scenario.parameters.values import put_value, section_of
from fpsim.scenario.scenario import Scenario
from fpsim.storage import derived_file
from fpsim.support.checks import shown
from fpsim.support.errors import ConfigError, DomainError, FileError, FpsimError

__all__ = ["copy_scenario", "extended", "load_scenario", "scenario_code", "scenario_from"]

HEAD = ("scenario", "name", "title", "description", "quick")
"""Keys of a TOML file that are none of the parameters."""
CODE = ("stages", "check", "claims", "tables", "figures", "conclusions", "summary", "experiments")
"""Attributes of a scenario that hold functions."""
_EXTENDED = itertools.count(1)
"""Numbers of the modules of extended scenarios, each of its own."""


def load_scenario(
    name_or_file: str | Path, *, changes: Mapping[str, Any] | None = None, quick: bool = False
) -> Scenario:
    """Read a scenario by name or from a file and put single values in place.

    Parameters
    ----------
    name_or_file : str or path
        A name that :func:`fpsim.scenario.available` knows, or the path of a ``.toml`` or ``.py`` file.
    changes : mapping
        Values by dotted key, for example ``{"sgd.learning_rate": 0.1}``.
    quick : bool
        Put the scenario's quick values in place first.

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
    path = _found(str(name_or_file))
    if path.suffix == ".toml":
        raw = _read_toml(path)
        return scenario_from({"name": _name_of(path), **raw}, changes=changes, quick=quick, where=str(path))
    return _changed(_run_python(path), changes, quick)


def scenario_code(scenario: Scenario | str | Path | None) -> Scenario | None:
    """The code of a user's scenario, given as such or as the Python file that defines it.

    Raises
    ------
    ConfigError
        If the file is not there or none of Python, or it defines no scenario.
    """
    if scenario is None or isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, str | Path) and Path(scenario).suffix != ".py":
        raise ConfigError(f"scenario {shown(str(scenario))}: a Python file that defines `scenario` is accepted")
    return load_scenario(scenario)


def extended(name: str, **tables: Mapping[str, Any]) -> Scenario:
    """A scenario of the package with own entries in its tables of functions.

    For a file of one's own that defines ``scenario = extended(...)``; the one of the package stays as it is.

    Parameters
    ----------
    name : str
        A name that :func:`fpsim.scenario.available` knows.
    **tables : mapping
        What is added, by the name of a table in the scenario's file, as in ``OBSERVABLES={"norm of W1": norm}``. An
        entry of the same name is replaced.

    Raises
    ------
    ConfigError
        If the scenario has no code in a file, or no such table.
    """
    path = _found(name)
    raw = _read_toml(path) if path.suffix == ".toml" else {}
    code = raw.get("scenario", _name_of(path))
    if code not in programs():
        raise ConfigError(f"scenario {shown(name)}: one that comes with the package is accepted")
    module = f"fpsim_scenario_{path.stem}_{next(_EXTENDED)}"
    found = _executed(programs()[code], module)
    defined = vars(sys.modules[module])
    for table, entries in tables.items():
        if not isinstance(defined.get(table), dict):
            known = [key for key, value in defined.items() if key.isupper() and isinstance(value, dict)]
            raise ConfigError(f"{name} has no table {table}: {', '.join(known) or 'none'} is accepted")
        defined[table].update(entries)
    own = scenario_from(raw, where=name, code=replace(found, source=code)) if raw else found
    return replace(own, name="", source="", defaults=None)


def copy_scenario(name: str, path: str | Path, *, overwrite: bool = False) -> Path:
    """Put a scenario into a file of one's own, to be changed.

    Parameters
    ----------
    name : str
        A name that :func:`fpsim.scenario.available` knows, or a file.
    path : str or Path
        Ends in ``.py`` for the code, in ``.toml`` for all parameters with the quick ones.
    overwrite : bool, keyword-only
        Replace a file that is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If nothing of that name exists, or it has no code of its own.
    FileError
        If the file exists or cannot be written.
    """
    target, source = Path(path), _found(str(name))
    if target.suffix == ".py":
        content = _code_to_copy(name, source)
    elif target.suffix == ".toml":
        content = _parameters_to_copy(name).encode()
    else:
        raise ConfigError(f"{target}: a file that ends in .py (code) or .toml (parameters) is accepted")
    if not overwrite and (target.is_symlink() or target.exists()):
        raise FileError(f"{target}: exists already; choose another name or allow overwriting with --force")
    with derived_file(target) as part:
        part.write_bytes(content)
    return target


def _code_to_copy(name: str, source: Path) -> bytes:
    if source.suffix == ".py":
        return source.read_bytes()
    program = _read_toml(source).get("scenario")
    way = f", or the code that it belongs to: --from {program}" if isinstance(program, str) else ""
    raise ConfigError(f"{name} has no code of its own but parameters: a file that ends in .toml is accepted{way}")


def _parameters_to_copy(name: str) -> str:
    """All parameters as TOML, with the quick ones; the name is that of the new file."""
    scenario = load_scenario(name)
    if scenario.source not in programs():
        raise ConfigError(
            f"{name} is code of your own: a file that ends in .py is accepted, or --set for single values"
        )
    quick: dict[str, Any] = {}
    for key, value in scenario.quick.items():
        if _is_of_sections(type(scenario.parameters), key):
            put_value(quick, key, value)
        else:
            quick[key] = value
    head = {"scenario": scenario.source, "title": scenario.title, "description": scenario.description}
    return toml_text({**head, **scenario.parameters.model_dump(exclude_none=True), "quick": quick})


def scenario_from(
    raw: Mapping[str, Any],
    *,
    changes: Mapping[str, Any] | None = None,
    quick: bool = False,
    where: str = "scenario",
    code: Scenario | None = None,
) -> Scenario:
    """Scenario of a nested mapping, as a TOML file or the configuration of a run holds it.

    Parameters
    ----------
    raw : mapping
        ``scenario``, the name of the file that defines it, and the values of its parameters.
    code : Scenario, optional
        The scenario itself, where it is none of the package.

    Raises
    ------
    ConfigError
        If the scenario is unknown, or a key or value is not accepted.
    """
    check_values(raw, where)
    if "kind" in raw and "scenario" not in raw:
        raise ConfigError(
            f"{where}: kind = {shown(raw['kind'])} is how version 0.1 named a scenario: scenario = NAME is accepted"
        )
    base = _defining(raw.get("scenario"), code, where)
    for key in HEAD[:-1]:
        if key in raw and not isinstance(raw[key], str):
            raise ConfigError(f"{where}: {key} = {shown(raw[key])}: text is accepted")
    sections = raw.get("quick", {})
    if not isinstance(sections, Mapping):
        raise ConfigError(f"{where}: quick = {shown(sections)}: sections with keys are accepted")
    named = {key: raw[key] for key in ("name", "title", "description") if key in raw}
    own = base.with_sections({k: v for k, v in raw.items() if k not in HEAD}, where=where)
    if sections:
        named["quick"] = _flat(sections, type(own.parameters))
        own.with_values(named["quick"])  # refuses what is no key or value
    return _changed(replace(own, **named, defaults=own.parameters), changes, quick)


def _defining(name: Any, code: Scenario | None, where: str) -> Scenario:
    """The scenario of a name: the one given, or one of the package."""
    known = programs()
    if code is not None and (code.source == name or name not in known):
        if code.source != name:
            raise ConfigError(f"{where}: scenario = {shown(name)}; the file given defines {code.source!r}")
        return code
    if not isinstance(name, str) or name not in known:
        raise ConfigError(f"{where}: scenario = {shown(name)}: accepted are {', '.join(known)}")
    return _run_python(known[name])


def _changed(scenario: Scenario, changes: Mapping[str, Any] | None, quick: bool) -> Scenario:
    if quick:
        scenario = scenario.quick_version()
    return scenario.with_values(changes) if changes else scenario


def _is_of_sections(model: type[Section], key: str) -> bool:
    """Whether all but the last part of a dotted key are sections, none a table of named parts."""
    *sections, _last = key.split(".")
    for section in sections:
        inner = section_of(model, section)
        if inner is None:
            return False
        model = inner
    return True


def _flat(values: Mapping[str, Any], model: type[Section], above: str = "") -> dict[str, Any]:
    """Values of sections by dotted key; a table of named parts is one value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = section_of(model, key)
        if inner is not None and isinstance(value, Mapping):
            flat |= _flat(value, inner, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return flat


def _found(name_or_file: str) -> Path:
    named = available()
    path = named.get(name_or_file.replace("_", "-")) or Path(name_or_file)
    if path.suffix in (".toml", ".py") and _is_file(path):
        return path
    close = difflib.get_close_matches(name_or_file, named, 1)
    hint = f"; did you mean {close[0]}?" if close else "."
    what = "is not there" if path.suffix in (".toml", ".py") else "is unknown"
    raise ConfigError(
        f"scenario {shown(name_or_file)} {what}{hint} "
        f"Accepted are a TOML file, a Python file or one of: {', '.join(named)}"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def _name_of(path: Path) -> str:
    return path.stem.replace("_", "-")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml_text(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None


def _run_python(path: Path) -> Scenario:
    """The ``scenario`` of a Python file, named after the file."""
    ours = path.resolve() in [program.resolve() for program in programs().values()]
    name = f"fpsim_scenario_{path.stem}" if ours else f"scenario_{path.stem}"
    found = getattr(sys.modules.get(name), "scenario", None) if ours else None  # a user's file may have changed
    if found is None:
        found = _executed(path, name)
    if not isinstance(found, Scenario):
        raise ConfigError(f"{path}: scenario is {shown(found)}: scenario = Scenario(...) is accepted")
    named = _name_of(path)
    source = named if ours else found.source if _is_of_the_package(found) else path.name
    return replace(found, name=found.name or named, source=source, defaults=found.parameters)


def _is_of_the_package(scenario: Scenario) -> bool:
    """Whether it is one of ours with other values: its source then finds all of its code again."""
    program = programs().get(scenario.source)
    if program is None:
        return False
    ours = _run_python(program)
    return all(getattr(scenario, part) == getattr(ours, part) for part in CODE)


def _executed(path: Path, name: str) -> Any:
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # annotations and pickles look for their module there
    try:
        specification.loader.exec_module(module)
    except (FpsimError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a user's file raises, sys.exit included
        places = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = getattr(error, "lineno", None) or (places[-1] if places else None)
        where = f"{path}, line {line}" if line else f"{path}"
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from None
    return getattr(module, "scenario", None)
