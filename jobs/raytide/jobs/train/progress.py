"""How far a run has come: what a checkpoint holds beside weights and optimizer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from raytide.jobs.train.stability import History

CHECKSUM_MODULUS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A point between two steps."""

    step: int = 0
    """Steps that are done; the learning rate follows it."""
    position: int = 0
    """Batches of the data that were taken; ahead of `step` by those that a rollback left behind."""
    tokens: int = 0
    samples_checksum: int = 0
    """Sum of the CRC-32 of every sequence that was taken, modulo 2^32: equal where the same samples were seen."""
    elapsed_s: float = 0.0
    """Training time, without the interruptions."""
    worker_s: float = 0.0
    """The same, times the workers of each moment: what is paid for."""
    history: History = field(default_factory=History)

    def written(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return asdict(self)

    @classmethod
    def read(cls, content: dict[str, Any]) -> Self:
        """What `written` gave."""
        return cls(**content | {"history": History(**content["history"])})
