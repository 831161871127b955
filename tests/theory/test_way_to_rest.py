"""The way of a covariance to its stationary value, step after step."""

from __future__ import annotations

import numpy as np
import pytest

from fpsim.theory.stationary_covariance import steps_to_rest, unrelaxed_share


def test_the_way_to_rest():
    """Covariances step after step from a point, against the share that is missing and the fewest steps."""
    h, eta = np.array([[1.0, 0.2], [0.2, 0.1]]), 0.5
    step, kick = np.eye(2) - eta * h, np.array([[0.3, 0.1], [0.1, 0.2]])
    rest = np.linalg.solve(np.eye(4) - np.kron(step, step), kick.ravel()).reshape(2, 2)
    found, missing = np.zeros((2, 2)), []
    for _ in range(200):
        found = step @ found @ step.T + kick
        missing.append(1.0 - np.trace(found) / np.trace(rest))
    for n in (1, 10, 60):
        assert unrelaxed_share(h, rest, eta, n) == pytest.approx(missing[n - 1], rel=1e-9)
    assert steps_to_rest(h, rest, eta, 0.01) == 1 + np.argmax(np.array(missing) <= 0.01)
