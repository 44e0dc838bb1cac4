"""What a pool plan counts: replicas that are wanted, what each reserves and where it may be, and what others have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

WANTED_PATH: Final = "/raytide/wanted"
"""Where the gateway answers with the `PoolUse` of its cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is reserved on one node as a whole."""

    num: int = 1
    """Such bundles of one replica."""
    gpus: int = 0
    cpus: float = 0.0
    memory_bytes: int = 0

    def __post_init__(self) -> None:
        """It may come from another process: what is no size is refused there, and not met in an operator's loop."""
        if self.num < 1 or not all(0 <= size < math.inf for size in (self.gpus, self.cpus, self.memory_bytes)):
            raise ValueError(f"{self} is no bundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One variant's replicas."""

    service: str
    variant: str
    replicas: int
    """Decided on, or in flight where these are more."""
    bundles: tuple[Bundle, ...]
    """Of one replica; more than one kind only where it may span nodes."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """That a node must have."""
    standing: Mapping[str, int] = field(default_factory=dict)
    """Of the replicas, those that hold a node already, by its pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUse:
    """What the pools of a cluster are for at one moment."""

    variants: tuple[Wanted, ...]
    taken: Mapping[str, int] = field(default_factory=dict)
    """Nodes of each pool on which others, such as a training job, have left no room for any replica."""
