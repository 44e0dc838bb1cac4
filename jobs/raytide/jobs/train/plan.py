"""What every worker of a run needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytide.core.spec.job import TrainSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run; the paths are absolute and reachable from every node."""

    spec: TrainSpec
    data: Path
    output: Path
    sequence_length: int
    lineage: dict[str, Any]
    """Data hash, code version and configuration."""

    @property
    def tokens_per_step(self) -> int:
        """Tokens that all workers together train on in a step."""
        return self.spec.workers * self.spec.batch_size_per_worker * self.sequence_length

    @property
    def export(self) -> Path:
        """The folder of the finished model."""
        return self.output / "export"
