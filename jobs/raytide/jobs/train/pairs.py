"""Pairs of answers to the same prompts, of which one was preferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from raytide.jobs.train.batches import Indices
from raytide.jobs.train.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Pairs:
    """N pairs as 2N rows: row 2i is the chosen answer of pair i with its prompt, row 2i + 1 the rejected one.

    They stay neighbours, so that both answers of a pair go through the model at once.
    """

    answers: Dataset
    """[2N, L]; only what was answered counts."""

    def __len__(self) -> int:
        return len(self.answers) // 2

    def some(self, indices: Indices) -> Self:
        """Some of the pairs, in rows as long as the longest of them."""
        return type(self)(self.answers.rows(_rows(indices)))

    @property
    def sequence_length(self) -> int:
        """Tokens of a row, with its padding."""
        return self.answers.sequence_length

    @property
    def checksum(self) -> int:
        """Sum of the CRC-32 of the rows; their order does not matter."""
        return self.answers.checksum

    def num_tokens_of(self, indices: Indices) -> int:
        """Tokens of both answers of some of the pairs with their prompts, without padding."""
        return self.answers.num_tokens_of(_rows(indices))

    def num_targets_of(self, indices: Indices) -> int:
        """The loss is a mean over pairs, however long their answers."""
        return len(indices)


def _rows(indices: Indices) -> Indices:
    return np.stack((2 * indices, 2 * indices + 1), axis=1).reshape(-1)
