"""Which shard a document belongs to: a function of its content alone.

Equal documents meet in one shard, where all but one are dropped. No document changes sides when others come or
go, and neither the number of machines nor the order of reading matters.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

HELD_OUT: Final = "held_out-00000"


class Place(NamedTuple):
    """Where a document goes: the shard, and its rank there."""

    shard: str
    rank: str
    """The salted hash of the content: sorting by it shuffles a shard, the same way each time."""


def place(text: str, *, seed: int, held_out: float, shards: int) -> Place:
    """The shard and rank of a document."""
    rank = hashlib.sha256(f"{seed}:".encode() + text.encode()).hexdigest()
    if int(rank[:16], 16) < held_out * 16**16:
        return Place(HELD_OUT, rank)
    return Place(train_shard(int(rank[16:32], 16) % shards), rank)


def train_shard(index: int) -> str:
    """The name of a training shard."""
    return f"train-{index:05d}"
