"""The error budget, spent where it buys most: what a replica must be worth to be kept.

At every decision each further replica would save some share of the requests from missing. Over the past hours, order
all of these by the misses that one replica avoids per second: buying the best until the rest adds up to the error
budget is the cheapest way to keep the objective, and the value of the last one bought is the price. A replica is worth
having where it avoids more. So the budget is spent in the hours in which protecting a request costs most, which a
quantile that is the same at all times cannot do.

Where one replica helps nothing before another is beside it, as under an even load, what they avoid together is shared
among them: values are the slopes of the lower convex envelope, on whose corners every choice at a price lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.forecast.decayed import Decayed

Floats = NDArray[np.float64]

_VALUES: Final = np.geomspace(1e-6, 1e4, 400)
"""Misses avoided per second by one replica; 6 % between two cells."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Worth:
    """Misses that replicas of the past hours would have avoided, by value."""

    avoided: Decayed
    arrived: float = 0.0

    def price(self, budget: float) -> float:
        """The value of the last replica to buy so that a share `budget` of the requests is left to miss."""
        left = self.avoided.weights.cumsum()
        cell = int(left.searchsorted(budget * self.arrived))
        # The lower edge: the replicas of this cell are bought too, for without them more than the budget is left.
        return float(self.avoided.grid[max(0, min(cell, len(left)) - 1)])

    def after(self, elapsed_s: float, missing: Floats, requests_per_s: float) -> Worth:
        """With one decision more: `missing` is the share that would miss with 0, 1, 2, … replicas."""
        envelope = _envelope(missing)
        values = -requests_per_s * (envelope[1:] - envelope[:-1])
        values = values[values > _VALUES[0]]
        kept = 0.5 ** (elapsed_s / self.avoided.half_life_s)
        return replace(
            self,
            avoided=self.avoided.after(elapsed_s, values, values * elapsed_s),
            arrived=self.arrived * kept + requests_per_s * elapsed_s,
        )


def nothing_learnt(half_life_s: float) -> Worth:
    """Before the first decision."""
    return Worth(avoided=Decayed.on(_VALUES, half_life_s))


def _envelope(missing: Floats) -> Floats:
    """The largest convex sequence that is nowhere above this one."""
    num_above = int(missing.argmin())  # from there on it is flat, since more replicas never miss more
    heights, corners = missing[: num_above + 1].tolist(), [0]
    for at, height in enumerate(heights[1:], start=1):
        # The last corner goes where it lies on or above the line between the corner before it and this point.
        while len(corners) > 1 and (heights[corners[-1]] - heights[corners[-2]]) * (at - corners[-1]) >= (
            height - heights[corners[-1]]
        ) * (corners[-1] - corners[-2]):
            corners.pop()
        corners.append(at)
    envelope: Floats = np.interp(np.arange(len(missing)), corners, missing[corners])
    return envelope


def worth_having(missing: Floats, requests_per_s: float, price: float) -> int:
    """The number of replicas at which one more is not worth its price."""
    return int(np.argmin(price * np.arange(len(missing)) + requests_per_s * missing))
