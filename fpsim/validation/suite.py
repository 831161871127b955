"""All checks, subject by subject.

Promises: every exact number comes from a closed form, quadrature, a published figure or conservation, never from the
code that is checked; seeds are fixed, so that a machine gives the same table every time. Limits: a table that passes
says that this machine computes what the package expects, at the resolutions named; it does not replace the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fpsim.validation import densities, renormalisation, training
from fpsim.validation.check import Check

__all__ = ["SUBJECTS", "validate"]

SUBJECTS: dict[str, Callable[[], Iterator[Check]]] = {
    "Fokker-Planck engine": densities.engine,
    "Markov generator": densities.generator,
    "gradients": training.gradients,
    "stochastic gradient descent": training.stochastic_gradient_descent,
    "Callan-Symanzik": renormalisation.callan_symanzik,
    "Kardar-Parisi-Zhang": renormalisation.kardar_parisi_zhang,
}
"""Name of a subject and the function that yields its checks."""


def validate() -> Iterator[tuple[str, Check]]:
    """Run every check; answers (subject, check) as they are done.

    An error inside a subject is not hidden: it is raised as it is, because a machine on which a check cannot run at all
    must not look like one on which it failed by a little.
    """
    for subject, checks in SUBJECTS.items():
        for check in checks():
            yield subject, check
