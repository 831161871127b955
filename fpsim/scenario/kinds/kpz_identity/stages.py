"""The order of the computation."""

from __future__ import annotations

from collections.abc import Iterator

import xarray as xr

from fpsim.scenario.kinds.kpz_identity.budgets import budgets
from fpsim.scenario.kinds.kpz_identity.model import KPZIdentityScenario
from fpsim.scenario.kinds.kpz_identity.solutions import cole_hopf, regression
from fpsim.support.progress import Reporter

__all__ = ["stages"]


def stages(
    scenario: KPZIdentityScenario, done: xr.DataTree, *, threads: int | None, report: Reporter
) -> Iterator[dict[str, xr.Dataset]]:
    """Groups ``/height/budget``, ``/height/cole-hopf``, ``/height/regression``, and ``/verdicts/...`` for each."""
    if "/verdicts/budget" not in done.groups:
        yield budgets(scenario, threads, report)
    if "/verdicts/cole-hopf" not in done.groups:
        yield cole_hopf(scenario, threads, report)
    if "/verdicts/regression" not in done.groups:
        yield regression(scenario, threads, report)
