"""One self-contained HTML page of a run: what to see, pictures, table, configuration, provenance."""

from __future__ import annotations

import base64
import html
import io
import tomllib

import xarray as xr

from fpsim.plots import styled
from fpsim.scenario.running import figures_of, report

__all__ = ["html_report"]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #0072b2; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.see { max-width: 44rem; border-left: 4px solid var(--accent); padding-left: 1rem; }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; opacity: .8; }
.wide { overflow-x: auto; } .wide img { max-width: 100%; min-width: 38rem; background: #fff; border-radius: 6px; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: 6px; font-size: .82rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: .9rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
"""


def html_report(tree: xr.DataTree) -> str:
    """The page as text; it needs no other file and no network."""
    attributes = {k: str(v) for k, v in tree.attrs.items()}
    title = html.escape(attributes["title"])
    see = html.escape(tomllib.loads(attributes["config"]).get("see", "").strip())
    pictures = []
    with styled():
        for name, figure in figures_of(tree):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            data = base64.b64encode(buffer.getvalue()).decode()
            pictures.append(
                f'<figure><figcaption>{html.escape(name)}</figcaption><div class="wide">'
                f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></div></figure>'
            )
    provenance = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(attributes[key])}</dd>"
        for key in ("scenario", "command", "seed", "created", "fpsim_version", "libraries", "machine")
    )
    unfinished = "" if attributes.get("complete") == "1" else "<p><strong>This run is not complete.</strong></p>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f'<h1>{title}</h1>{unfinished}<p class="see">{see}</p>'
        f"<h2>Theory beside experiment</h2><pre>{html.escape(report(tree))}</pre>"
        f"<h2>Pictures</h2>{''.join(pictures)}"
        f"<h2>Configuration</h2><pre>{html.escape(attributes['config'])}</pre>"
        f"<h2>Provenance</h2><dl>{provenance}</dl></body></html>\n"
    )
