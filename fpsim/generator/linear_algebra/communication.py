"""Communicating classes of a Markov generator: closed classes, cells that reach a set, rates among some cells.

Promises: rates count by being positive, however small; the work is linear in their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

__all__ = ["closed_classes", "reaching", "restrict"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def restrict(jumps: csr_array, cells: NDArray[Any]) -> csr_array:
    """Jump rates among some cells (a mask or flat indices)."""
    return csr_array(jumps[cells][:, cells])


def closed_classes(jumps: csr_array, outflow: Array) -> tuple[NDArray[Any], list[int]]:
    """Communicating class of every cell, and the classes that nothing leaves."""
    count, label = connected_components(jumps, directed=True, connection="strong")
    coo = jumps.tocoo()
    leaving = label[coo.row] != label[coo.col]
    opened = np.zeros(count, bool)
    opened[label[coo.row[leaving]]] = True
    opened[label[outflow > 0.0]] = True
    return label, [int(c) for c in np.flatnonzero(~opened)]


def reaching(jumps: csr_array, goal: Mask) -> Mask:
    """Cells from which a goal can be reached by jumps (the goal's own cells included)."""
    backward = csr_array(jumps.T)
    ends = np.flatnonzero(goal)
    graph = csr_array(  # one more node, from which an edge leads to every cell of the goal
        (
            np.append(backward.data, np.ones(len(ends))),
            np.append(backward.indices, ends),
            np.append(backward.indptr, backward.nnz + len(ends)),
        ),
        shape=(len(goal) + 1, len(goal) + 1),
    )
    found = np.zeros(len(goal) + 1, bool)
    found[breadth_first_order(graph, len(goal), return_predecessors=False)] = True
    return found[:-1]
