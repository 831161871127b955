"""Surfaces that several tests look at."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.diagnostics.surface_growth.surface import simulate_surface


@pytest.fixture(scope="session")
def flat_growth():
    """KPZ growth from a flat start, a million sites, t = 4 ... 32."""
    return simulate_surface(512, 4.0 * 2.0 ** np.arange(4), lam=3.0, replicas=2048, rng=1)


@pytest.fixture(scope="session")
def long_flat_growth():
    """Eight million sites, t = 8 ... 256."""
    return simulate_surface(2048, 8.0 * 2.0 ** np.arange(6), lam=3.0, replicas=4096, rng=2)
