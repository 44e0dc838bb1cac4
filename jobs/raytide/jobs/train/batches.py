"""Which sequences a worker sees at a step: a function of seed, step and rank, with no state.

A run that resumes therefore repeats and skips nothing, wherever it was interrupted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Indices: TypeAlias = npt.NDArray[np.int64]


def batch_indices(num_sequences: int, *, seed: int, step: int, rank: int, workers: int, batch: int) -> Indices:
    """The sequences of one worker at `step`, counted from 0.

    Within an epoch each sequence comes once, over all workers; a batch may span two epochs.
    """
    first = (step * workers + rank) * batch
    epochs, positions = np.divmod(np.arange(first, first + batch), num_sequences)
    return np.array([_order(num_sequences, seed, epoch)[at] for epoch, at in zip(epochs, positions, strict=True)])


@lru_cache(maxsize=2)
def _order(num_sequences: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng((seed, epoch)).permutation(num_sequences)
