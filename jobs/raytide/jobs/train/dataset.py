"""What a run trains on: rows of tokens, and which of them count in the loss."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from raytide.core.errors import RaytideError
from raytide.jobs.train.batches import Indices

Sequences: TypeAlias = npt.NDArray[np.int32]

IGNORED: Final = -100
"""The label of a token that the loss leaves out, as PyTorch's cross-entropy has it."""


class Samples(Protocol):
    """What is shuffled, cut into batches and counted; a sample is never divided."""

    def __len__(self) -> int: ...

    @property
    def sequence_length(self) -> int:
        """Tokens of the longest row."""

    @property
    def checksum(self) -> int:
        """Equal where the samples are, whatever their order."""

    def num_tokens_of(self, indices: Indices) -> int:
        """Tokens that go through the model with some of the samples, without padding."""

    def num_targets_of(self, indices: Indices) -> int:
        """What the loss of some of the samples is a mean over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Rows of one length; N rows of L tokens."""

    tokens: Sequences
    """[N, L], padded at the right."""
    labels: Sequences
    """[N, L]: the tokens, or IGNORED."""
    lengths: Sequences
    """[N]: tokens of a row without its padding."""
    targets: Sequences
    """[N]: tokens of a row that the loss counts; the first one has nothing before it."""

    @classmethod
    def of(cls, tokens: Sequences, labels: Sequences, lengths: Sequences) -> Self:
        """The data set with its targets counted."""
        targets = (labels[:, 1:] != IGNORED).sum(axis=1, dtype=np.int32)
        return cls(tokens=tokens, labels=labels, lengths=lengths, targets=targets)

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, indices: Indices) -> Self:
        """Some of the rows, as long as the longest of them."""
        lengths, targets = self.lengths[indices], self.targets[indices]
        longest = int(lengths.max())
        tokens, labels = self.tokens[indices, :longest], self.labels[indices, :longest]
        return type(self)(tokens=tokens, labels=labels, lengths=lengths, targets=targets)

    def num_tokens_of(self, indices: Indices) -> int:
        """Tokens of some of the rows, without padding."""
        return int(self.lengths[indices].sum())

    def num_targets_of(self, indices: Indices) -> int:
        """Tokens of some of the rows that the loss counts."""
        return int(self.targets[indices].sum())

    @property
    def sequence_length(self) -> int:
        """Tokens of a row, with its padding."""
        return int(self.tokens.shape[1])

    @property
    def checksum(self) -> int:
        """Sum of the CRC-32 of the rows; their order does not matter."""
        return sum(zlib.crc32(row[:length].tobytes()) for row, length in zip(self.tokens, self.lengths, strict=True))


def packed(tokens: Sequences) -> Dataset:
    """Rows that are full, and count throughout."""
    every, length = np.ones(len(tokens), dtype=np.int32), tokens.shape[1]
    return Dataset(tokens=tokens, labels=tokens, lengths=length * every, targets=(length - 1) * every)


def load_sequences(data: Path) -> Sequences:
    """All training sequences, one per row, in the order of the shards; four bytes of memory per token.

    Raises:
        RaytideError: A shard is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = sorted((data / "sequences").glob("train-*.parquet"))
    try:
        columns = [pq.read_table(shard)["tokens"] for shard in shards]
    except (OSError, pa.ArrowInvalid) as error:
        raise RaytideError(
            f"The data in {data} is damaged ({error}); delete it and run the preprocess job again."
        ) from error
    return np.concatenate([_rows(column) for column in columns])


def _rows(column: object) -> Sequences:
    chunk = column.combine_chunks()  # type: ignore[attr-defined]
    return np.asarray(chunk.flatten(), dtype=np.int32).reshape(len(chunk), -1)
