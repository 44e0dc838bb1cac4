"""Which sequences a worker sees at a step: a function of seed, position and rank, with no state.

A run that resumes therefore repeats and skips nothing, wherever it was interrupted. A step is cut into micro-batches,
whose number does not depend on how many workers share them: with fewer workers each takes more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Indices: TypeAlias = npt.NDArray[np.int64]


class MicroBatch(NamedTuple):
    """What a worker takes through the model in one pass."""

    number: int
    """Of the micro-batches of all workers in the run, in order; seeds what is random in the pass."""
    indices: Indices
    counts: bool
    """False where a worker only keeps step with the others, because there was none left for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How an endless, shuffled stream of sequences is cut into batches, and these into micro-batches."""

    num_sequences: int
    """In the data; within an epoch each comes once, and a batch may span two epochs."""
    seed: int
    micro_batches: int
    """In a batch, over all workers."""
    micro_batch: int
    """Sequences in one."""

    def batch(self, position: int) -> Indices:
        """All sequences of the batch at `position`, counted from 0."""
        return self._stream(position * self.micro_batches, self.micro_batches)

    def share(self, position: int, *, rank: int, workers: int) -> tuple[MicroBatch, ...]:
        """One worker's micro-batches; equally many for each worker, because sharded models compute in step."""
        first = position * self.micro_batches
        passes = -(-self.micro_batches // workers)
        own = (rank + turn * workers for turn in range(passes))
        return tuple(
            MicroBatch(first + at, self._stream(first + at % self.micro_batches, 1), at < self.micro_batches)
            for at in own
        )

    def _stream(self, first: int, count: int) -> Indices:
        start, stop = first * self.micro_batch, (first + count) * self.micro_batch
        epochs, positions = np.divmod(np.arange(start, stop), self.num_sequences)
        orders = {epoch: _order(self.num_sequences, self.seed, int(epoch)) for epoch in np.unique(epochs)}
        return np.array([orders[epoch][at] for epoch, at in zip(epochs, positions, strict=True)], dtype=np.int64)


@lru_cache(maxsize=2)
def _order(num_sequences: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng((seed, epoch)).permutation(num_sequences)
