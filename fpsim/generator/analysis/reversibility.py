"""Detailed balance of a generator: Kolmogorov's criterion, without a stationary density.

Rates are reversible if ``ln(Q[a, b] / Q[b, a])`` is a difference ``u_b - u_a`` along every link, that is, sums to zero
around every loop; then ``exp(u)`` is the stationary weight and every eigenvalue is real. ``u`` is summed along a
spanning tree and every other link is compared with it, to rounding. Walls that absorb do not matter.

Limits: exact up to rounding; where some cells do not communicate there is no balance to speak of, and it is denied.

Reference: Kelly, Reversibility and Stochastic Networks (1979), section 1.5.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from fpsim.generator.generator import Generator, require_generator

__all__ = ["is_reversible"]

_ROUNDING = 1e-9  # of the largest logarithm along a link


@require_generator
def is_reversible(generator: Generator) -> bool:
    """Whether all jump rates are in detailed balance with some density; cells that do not communicate count as no."""
    size = generator.grid.size
    both = [(link.forward > 0.0) & (link.backward > 0.0) for link in generator.links]
    for link, two in zip(generator.links, both, strict=True):
        if ((link.forward > 0.0) | (link.backward > 0.0))[~two].any():
            return False  # there is no way back
    if size < 2 or not both:
        return size < 2
    parts = [
        (link.tail[two], link.head[two], np.log(link.forward[two]) - np.log(link.backward[two]))
        for link, two in zip(generator.links, both, strict=True)
    ]
    tail, head, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
    graph = csr_array((np.ones(len(tail)), (tail, head)), shape=(size, size))
    order, before = breadth_first_order(graph, 0, directed=False)
    if len(order) < size:
        return False
    before[0] = 0
    # the slope of the link to the cell before each cell, then sums along the tree by doubling the stretch
    height, known = np.zeros(size), np.full(size, False)
    for a, b, s in ((tail, head, slope), (head, tail, -slope)):
        step = (before[b] == a) & (b != 0) & ~known[b]
        height[b[step]], known[b[step]] = s[step], True
    while before.any():
        height += height[before]
        before = before[before]
    scale = max(float(np.abs(slope).max()), 1.0)
    # rounding adds up along the tree, at most a grid's diameter long
    return bool(np.abs(height[head] - height[tail] - slope).max() <= _ROUNDING * scale)
