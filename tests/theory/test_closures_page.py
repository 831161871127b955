"""The closure that docs/closures.md builds works as it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fpsim.closures import mean_field
from fpsim.evolution import evolve

PAGE = Path(__file__).parents[2] / "docs" / "closures.md"


def test_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    closure, use = blocks
    assert len(closure.splitlines()) <= 35
    namespace: dict[str, object] = {}
    exec(closure, namespace)
    exec(use, namespace)
    equations = tuple(mean_field(namespace["experiment"], m) for m in ("W1", "W2"))
    start = namespace["density"]
    field = evolve(equations, (start, start), [1.0], tolerance=1e-2).densities[-1]
    for name, reference in zip(("encoder", "decoder"), field, strict=True):
        np.testing.assert_allclose(namespace[name].mean, reference.mean, atol=0.02)  # widths of 0.1: O(width^2)
