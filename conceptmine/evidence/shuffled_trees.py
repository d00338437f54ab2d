"""Shuffled trees as a control: what is mined when a root's best line is set against another root's subpar line?

Such a row differs by two unrelated positions and not by one choice. What is mined from these rows fits them as well as
a concept fits its own, and keeps whatever best lines have in common against subpar ones at large; what it has lost is
the comparison within one tree, where all else is equal. A concept that orders true rows no better than it did not need
the tree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conceptmine.errors import InputError


def shuffled_partners(roots: ArrayLike, plies: ArrayLike, *, seed: int | np.random.Generator = 0) -> NDArray[np.int64]:
    """For each row another root's row at the same ply, whose subpar position takes the place of its own.

    roots, plies  integers [n].

    Returns int64 [n] row numbers, −1 where no other root has a row at that ply. At one ply all rows of a root get rows
    of one and the same other root where it has enough of them, so that a shuffled tree is made of two trees, as the
    mined ones are of one; partners are a cycle of chance through the roots, so that no root serves twice at a ply.

    Raises InputError on misshapen input.
    """
    root, ply = np.asarray(roots), np.asarray(plies)
    if root.ndim != 1 or ply.shape != root.shape or root.dtype.kind not in "iu" or ply.dtype.kind not in "iu":
        raise InputError("roots and plies must be integers of one shape [n], one for each row")
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.unique(root))
    partners = np.full(len(root), -1, dtype=np.int64)
    for depth in np.unique(ply):
        here = np.flatnonzero(ply == depth)
        ring = order[np.isin(order, root[here])]
        if len(ring) < 2:
            continue
        for own, other in zip(ring, np.roll(ring, 1), strict=True):
            mine, theirs = here[root[here] == own], here[root[here] == other]
            partners[mine] = np.resize(theirs, len(mine))
    return partners
