"""The problem under every mix: whole counts that meet a few covering rows at the least cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.optimise.program import Floats

Counts = NDArray[np.int64]

TIE: Final = 1e-7
"""What one changed replica weighs, in the unit of the costs: less than any price difference that matters."""

SLACK: Final = 1e-9
"""Rounding allowed in a row, relative to its bound."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covering:
    """Minimise `costs·y + TIE·|y − now|` so that `rows·y ≥ least`, with `0 ≤ y ≤ most` and y whole."""

    costs: Floats
    rows: Floats
    """Shape (rows, columns)."""
    least: Floats
    most: Counts
    now: Counts
    max_total: int
    """No more replicas in all are ever of use."""

    needs: Floats = field(init=False)
    """What the rows must reach, less the rounding allowed; a search asks for it at every node."""

    def __post_init__(self) -> None:
        """Fills in what follows from the rest."""
        object.__setattr__(self, "needs", self.least - SLACK * np.maximum(1.0, np.abs(self.least)))

    def admits(self, counts: Counts) -> bool:
        """Whether these counts keep every row."""
        return bool(np.all(self.rows @ counts >= self.needs))

    def cost(self, counts: Counts) -> float:
        """The objective at these counts."""
        return float(self.costs @ counts + TIE * np.abs(counts - self.now).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """When to stop looking; counted, never timed."""

    gap: float
    """A share of the cost that is not worth looking further."""
    max_nodes: int
    """Of the dive."""
    max_states: int
    """Of the sweep, at any level."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """The best counts seen so far; none, at infinite cost, where none were."""

    counts: Counts | None
    cost: float
    is_complete: bool = False
    """Whether nothing better exists."""

    def better(self, covering: Covering, counts: Counts) -> Found:
        """These counts if they are feasible and cheaper, else what was found before."""
        cost = covering.cost(counts)
        if cost >= self.cost - 1e-12 or not covering.admits(counts):
            return self
        return Found(counts=counts.copy(), cost=cost)
