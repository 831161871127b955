"""The command line: ``fpsim list | run | resume | plot | info``.

Exit status: 0 on success, 1 when interrupted, 2 on bad use (one line on standard error, no traceback).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    import logging

    from fpsim.cli.app import app
    from fpsim.errors import FpsimError

    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        app(args=None if argv is None else list(argv), prog_name="fpsim")
    except SystemExit as stop:
        return int(stop.code or 0)
    except FpsimError as error:
        sys.stderr.write(f"fpsim: {error}\n")
        return 2
    return 0
