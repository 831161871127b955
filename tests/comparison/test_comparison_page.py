"""What docs/comparison.md shows runs and comes out as it says."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"


def test_the_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, object] = {}
    exec(block, found)
    assert found["agrees"].verdict == found["close"].verdict == "holds"
    assert found["paired"].floor < 0.5 * found["found"].floor
    assert found["theories"].floor == 0.0
    assert found["theories"].z < 3.0
