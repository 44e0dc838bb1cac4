"""What every worker of a run needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytide.core.spec.train import TrainSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run; the paths are absolute and reachable from every node."""

    spec: TrainSpec
    output: Path
    lineage: dict[str, Any]
    """Data hash, code version and configuration."""
    data: Path | None = None
    """A preprocess job's output; None where the run has examples or preferences."""
    start: Path | None = None
    """The model to go on from; None for a new one."""
    sequence_length: int = 0
    """Of the data; 0 where examples have lengths of their own."""

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer files that belong to the model."""
        if self.data is not None:
            return self.data / "tokenizer"
        assert self.start is not None, "the spec refuses examples and preferences without a start"
        return self.start

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.output / "checkpoints"

    @property
    def export(self) -> Path:
        """The folder of the finished model."""
        return self.output / "export"
