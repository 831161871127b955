"""The page of a run: self-contained, complete, and pleasant at phone and desk width in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

from fpsim.cli import main
from fpsim.scenario.running import finished_part
from fpsim.storage import load_tree, save_tree

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
PROBE = """<script>addEventListener("load", () => {
  const images = [...document.images], page = document.documentElement;
  const out = [...document.querySelectorAll("body *")].filter(e => !e.closest(".wide, pre")
    && e.getBoundingClientRect().right > innerWidth + 1);
  document.title = JSON.stringify({width: innerWidth, scroll: page.scrollWidth, images: images.length,
    loaded: images.filter(i => i.complete && i.naturalWidth > 100).length, outside: out.length,
    text: getComputedStyle(document.body).fontSize});
});</script>"""


@pytest.fixture(scope="module")
def page(quick_run, tmp_path_factory):
    target = tmp_path_factory.mktemp("page") / "run.html"
    assert main(["report", str(quick_run.file), "--out", str(target)]) == 0
    return target


def test_page_holds_pictures_table_configuration_and_provenance(page, quick_run):
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == len(quick_run.figures)
    for part in (load_tree(quick_run.file).attrs["config"], load_tree(quick_run.file).attrs["libraries"]):
        assert html.escape(part) in text
    for line in quick_run.shortfalls:
        assert html.escape(line) in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)  # nothing from elsewhere
    for anchor in re.findall(r'href="#(\w+)"', text):
        assert f'id="{anchor}"' in text


def test_a_page_never_replaces_a_run(quick_run, capsys):
    before = quick_run.file.read_bytes()
    assert main(["report", str(quick_run.file), "--out", str(quick_run.file)]) == 2
    assert "ends in .html" in capsys.readouterr().err
    assert quick_run.file.read_bytes() == before


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_page_in_a_browser(page, width, height, tmp_path):
    """No horizontal scrolling of the page, nothing beside it, every picture loaded, text of readable size.

    In a frame of the given width, since the browser's own window cannot be as narrow as a phone.
    """
    content = page.read_text(encoding="utf-8").replace("</head>", f"{PROBE}</head>")
    (tmp_path / "run.html").write_text(content, encoding="utf-8")
    style = f"width:{width}px;height:{height}px;border:0"
    frame = f'<body style="margin:0"><iframe id="f" style="{style}" src="run.html"></iframe>'
    script = "<script>f.onload = () => setTimeout(() => document.title = f.contentDocument.title, 200)</script>"
    (tmp_path / "frame.html").write_text(frame + script, encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command = [BROWSER, *options, "--virtual-time-budget=8000", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", (tmp_path / "frame.html").as_uri()], capture_output=True, text=True, timeout=120
    )
    found = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", done.stdout).group(1)))
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["outside"] == 0
    assert found["images"] == found["loaded"] > 3
    assert found["text"] == "16px"


def test_page_of_an_interrupted_run(quick_run, tmp_path, capsys):
    """What is there, and that it is not complete; info says the same."""
    tree = load_tree(quick_run.file)
    tree.attrs["complete"] = 0
    for group in ("comparison", "outputs", "conditional"):
        del tree["symmetric"][group]
    tree["symmetric/ensemble"].attrs["complete"] = 0
    save_tree(tree, tmp_path / "run.h5")
    assert "/symmetric/ensemble" not in finished_part(tree).groups
    for command in ("report", "info"):
        assert main([command, str(tmp_path / "run.h5")]) == 0, capsys.readouterr().err
    assert "not complete" in capsys.readouterr().out
    assert "This run is not complete" in (tmp_path / "run.html").read_text(encoding="utf-8")
