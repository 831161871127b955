"""``python -m fpsim``: the command line."""

from fpsim.cli import main

raise SystemExit(main())
