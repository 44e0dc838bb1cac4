"""The workers of a run as one of them sees the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """This worker's place; what it asks of the group, every worker asks at the same point of its program."""

    rank: int
    size: int
    device: torch.device
    preempted: Callable[[], bool]
    """Whether a node of the group is about to be taken back."""

    def sum(self, values: Sequence[float]) -> list[float]:
        """Over all workers, element by element; bit for bit the same on each of them."""
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        if self.size > 1:
            torch.distributed.all_reduce(total)
        return total.tolist()  # type: ignore[no-any-return]

    def from_first(self, value: Any) -> Any:
        """The first worker's value, on every worker; plain data."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]
