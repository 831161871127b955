"""Description of a run's file in words, for ``fpsim info``.

A complete file carries its table, so that describing it needs none of the code that made it.
"""

from __future__ import annotations

import textwrap

import xarray as xr

from fpsim.support.errors import FileError

__all__ = ["describe"]

WIDTH = 110


def describe(tree: xr.DataTree) -> str:
    """Title, provenance, groups with their variables, and the table of a run."""
    attributes = tree.attrs
    name, source = attributes["scenario"], attributes["kind"]
    lines = [str(attributes["title"]), f"scenario {name}" + (f", defined by {source}" if source != name else ""), ""]
    state = "complete" if attributes["complete"] == 1 else "not complete: go on with fpsim resume"
    rows = {
        "state": state,
        "made by": f"fpsim {attributes['fpsim_version']} on {attributes['machine']}, {attributes['created']}",
        "libraries": attributes["libraries"],
        "seed": attributes["seed"],
        "command": attributes["command"],
    }
    rows |= {key: attributes[key] for key in ("data", "data_sha256") if key in attributes}
    lines += [f"{key:<12}{value}" for key, value in rows.items()]
    lines += ["", "groups"]
    for node in tree.subtree:
        if node.data_vars:
            unfinished = "" if node.attrs.get("complete", 1) or node.path == "/" else "  (still growing)"
            sizes = ", ".join(f"{name} {node.sizes[name]}" for name in own_dimensions(node))
            lines.append(f"  {node.path}{unfinished}  [{sizes}]")
            names = ", ".join(map(str, node.data_vars))
            lines += textwrap.wrap(names, WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join([*lines, "", _table(tree)])


def _table(tree: xr.DataTree) -> str:
    if "table" in tree.attrs:
        return str(tree.attrs["table"])
    from fpsim.scenario import report

    try:
        return report(tree)
    except FileError as error:  # of a kind that only another version knows
        return f"no table: {error}"


def own_dimensions(node: xr.DataTree) -> tuple[str, ...]:
    """Dimensions of a group's own variables, without those that it only inherits."""
    return tuple(dict.fromkeys(str(d) for variable in node.data_vars.values() for d in variable.dims))
