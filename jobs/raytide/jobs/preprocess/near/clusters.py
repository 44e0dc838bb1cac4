"""From similar pairs to the documents that go: of each group that pairs connect, the one of the least rank stays.

The rank is a salted hash of the content, so that who stays depends neither on the order of reading nor on machines.
What is in memory grows with the number of near-duplicates, not with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from raytide.jobs.preprocess.near.candidates import Ids, Pairs, ranks_of, run_and_row


def removed(pairs: Iterable[Pairs], runs: Sequence[Path]) -> list[npt.NDArray[np.uint64]]:
    """For each run the rows that go. Equal documents go or stay together: exact deduplication chooses among them."""
    members, leaders = _groups(pairs)
    ranks = ranks_of(members, runs)
    order = np.lexsort((members, ranks, leaders))
    new = np.ones(len(order), np.bool_)
    new[1:] = leaders[order][1:] != leaders[order][:-1]
    stays = ranks[order][np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    run, row = run_and_row(np.sort(members[order][ranks[order] != stays]))
    return [row[run == index] for index in range(len(runs))]


def _groups(pairs: Iterable[Pairs]) -> tuple[Ids, Ids]:
    """Each document that has a similar one, and one document that stands for its group."""
    members = leaders = np.zeros(0, np.uint64)
    for more in pairs:
        members, leaders = _connected(np.append(members, more[:, 0]), np.append(leaders, more[:, 1]))
    return members, leaders


def _connected(some: Ids, others: Ids) -> tuple[Ids, Ids]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    members, positions = np.unique(np.append(some, others), return_inverse=True)
    ends = positions.reshape(2, -1)
    graph = coo_array((np.ones(len(some), np.bool_), (ends[0], ends[1])), shape=(len(members), len(members)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return members, members[first][group]
