"""HTML page of a run, self-contained: purpose, changed keys, tables, verdicts, conclusions, pictures, provenance.

Tables and verdicts are those of the file. Limits: a run of a version that kept no tables shows its table as text.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping
from typing import Any

import xarray as xr

from fpsim.plots import styled
from fpsim.runs.pictures import pictures, pictures_need
from fpsim.scenario.missing import missing_from
from fpsim.scenario.parameters.toml_text import read_toml_text
from fpsim.scenario.running import account_cells, report, run_shortfalls
from fpsim.scenario.scenario import Scenario

__all__ = ["html_report"]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #0072b2; --short: #d55e00; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; scroll-margin-top: 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .95rem; } a { color: var(--accent); }
.see { max-width: 44rem; border-left: 4px solid var(--accent); padding-left: 1rem; }
.short { max-width: 60rem; border-left: 4px solid var(--short); padding-left: 1rem; }
.short ul { margin: .3rem 0; padding-left: 1.2rem; }
figure { margin: 1.4rem 0; } figcaption { font-size: .95rem; font-weight: 600; margin-bottom: .3rem; }
.wide { overflow-x: auto; } .wide img { max-width: 100%; min-width: 38rem; background: #fff; border-radius: 6px; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: 6px; font-size: .82rem; }
summary { cursor: pointer; }
@media (max-width: 40rem) { pre { font-size: .7rem; } }
table { border-collapse: collapse; font-size: .9rem; margin: 1.4rem 0 .3rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .word { text-align: left; } td:not(.word) { white-space: nowrap; }
td.word:first-child { min-width: 11rem; }
.note { font-size: .85rem; margin: .2rem 0; max-width: 60rem; } .changed { font-size: .9rem; overflow-wrap: anywhere; }
.conclusions { max-width: 44rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: .9rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
"""


def html_report(tree: xr.DataTree, *, code: Scenario | None = None) -> str:
    """The page as text; it needs no other file and no network.

    An interrupted run gives a page of what is there, and says that it is not complete. One whose scenario is code that
    is not here gives everything but pictures, and says how to get them.

    Parameters
    ----------
    tree : xarray.DataTree
        The run.
    code : Scenario, optional, keyword-only
        The scenario of a user's own file, which a run names but never brings.
    """
    attributes = {str(k): str(v) for k, v in tree.attrs.items()}
    complete = attributes.get("complete") == "1"
    title = html.escape(attributes["title"])
    parts = {
        "table": ("Tables", _shortfalls(tree, complete) + _tables(tree)),
        "pictures": ("Pictures", "".join(_pictures(tree, code))),
        "configuration": ("Configuration", f"<pre>{html.escape(attributes['config'])}</pre>"),
        "provenance": ("Provenance", _provenance(attributes)),
    }
    links = "".join(f'<a href="#{key}">{name}</a>' for key, (name, _) in parts.items())
    body = "".join(f'<h2 id="{key}">{name}</h2>{content}' for key, (name, content) in parts.items())
    state = "" if complete else "<p><strong>This run is not complete; fpsim resume goes on with it.</strong></p>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1><nav>{links}</nav>{state}{_purpose(attributes)}{body}</body></html>\n"
    )


def _purpose(attributes: Mapping[str, str]) -> str:
    """What the scenario is for, and the keys whose values are not its own."""
    old = read_toml_text(attributes["config"], "the page").get("see", "")
    paragraphs = attributes.get("description", str(old)).strip().split("\n\n")
    said = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)
    keys = "".join(f"<li><code>{html.escape(line)}</code></li>" for line in attributes.get("changed", "").splitlines())
    changed = f'<div class="changed">Changed here:<ul>{keys}</ul></div>' if keys else ""
    return f'<div class="see">{said}{changed}</div>' if said or changed else ""


def _tables(tree: xr.DataTree) -> str:
    """Tables, verdicts and conclusions; the text of the table where the file has only that."""
    if "tables" not in tree.attrs:
        return f"<pre>{html.escape(report(tree))}</pre>"
    missing = "".join(f'<p class="short">missing: {html.escape(line)}</p>' for line in missing_from(tree))
    sentences = "".join(f"<p>{html.escape(line)}</p>" for line in str(tree.attrs.get("conclusions", "")).splitlines())
    said = f'<div class="conclusions">{sentences}</div>' if sentences else ""
    return missing + "".join(map(_table, account_cells(tree))) + said


def _table(cells: Mapping[str, Any]) -> str:
    """One table; it scrolls by itself where the page is narrower."""
    words = set(cells["words"])

    def row(values: list[Any], tag: str) -> str:
        inner = "".join(
            f"<{tag}{' class=word' if i in words else ''}>{html.escape(str(value))}</{tag}>"
            for i, value in enumerate(values)
        )
        return f"<tr>{inner}</tr>"

    head = f"<caption>{html.escape(str(cells['title']))}</caption><thead>{row(cells['headings'], 'th')}</thead>"
    body = "".join(row(values, "td") for values in cells["rows"])
    notes = "".join(f'<p class="note">{html.escape(str(note))}</p>' for note in cells["notes"])
    return f'<div class="wide" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>{notes}'


def _pictures(tree: xr.DataTree, code: Scenario | None) -> Iterator[str]:
    file = pictures_need(tree, code=code)
    if file:
        command = f"<code>fpsim report RUN.h5 --scenario {html.escape(file)}</code>"
        yield f"<p>The scenario of this run is in a file of its own, which draws the pictures: {command}</p>"
        return
    with styled():
        for name, figure in pictures(tree, code=code):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            data = base64.b64encode(buffer.getvalue()).decode()
            caption = html.escape(name.replace("-", " ").replace("_", " "))
            yield (
                f'<figure><figcaption>{caption}</figcaption><div class="wide" tabindex="0">'
                f'<img alt="{caption}" src="data:image/png;base64,{data}"></div></figure>'
            )


def _shortfalls(tree: xr.DataTree, complete: bool) -> str:
    """What did not hold, before the table that says by how much."""
    lines = run_shortfalls(tree) if complete else ()
    if not lines:
        return ""
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    open_ = " open" if len(lines) <= 6 else ""
    count = f"Did not hold in this run: {len(lines)}"
    return f'<details class="short"{open_}><summary>{count}</summary><ul>{rows}</ul></details>'


def _provenance(attributes: dict[str, str]) -> str:
    keys = ["scenario", "command", "seed", "created", "fpsim_version", "libraries", "machine"]
    keys += [key for key in ("data", "data_sha256") if key in attributes]
    rows = (f"<dt>{html.escape(k.replace('_', ' '))}</dt><dd>{html.escape(attributes[k])}</dd>" for k in keys)
    return f"<dl>{''.join(rows)}</dl>"
