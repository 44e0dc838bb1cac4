"""How much more, or less, a replica bears than the model says: learnt from which requests missed at which load.

The load of a second is its need over what the ready replicas are said to serve. If a share m of all requests missed,
then the factor is the load above which that share of the requests arrived: had every request above it missed and none
below, as many would have. It needs no attribution of single misses, and a start-up in which everything is overloaded
does not bend it.

The model is believed until more miss than the objective allows. A fleet in which hardly any request misses shows how
much its replicas bore, not how much they bear: the largest load of a fleet that is too large would keep it so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.forecast.decayed import Decayed

Floats = NDArray[np.float64]

LEAST: Final = 0.6
MOST: Final = 1.15
"""A factor outside means that the model is wrong, which calibration must mend, not this."""
DOUBT: Final = 400.0
"""Requests at a load of one, half of which missed, that are believed beside the budget's share of what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Loads that requests met, and how many of them missed."""

    loads: Decayed
    budget: float
    """The share of the requests that may miss."""
    missed: float = 0.0

    @property
    def factor(self) -> float:
        """On the modelled capacity of a replica."""
        return _factor(self)

    def after(self, elapsed_s: float, loads: Floats, arrivals: Floats, missed: int) -> Stretch:
        """With the loads of these seconds, and the misses that were counted in them."""
        kept = 0.5 ** (elapsed_s / self.loads.half_life_s)
        return replace(self, loads=self.loads.after(elapsed_s, loads, arrivals), missed=self.missed * kept + missed)


@lru_cache(maxsize=64)
def _factor(stretch: Stretch) -> float:
    """Remembered, because every size of a decision asks for it."""
    doubt = DOUBT + stretch.budget * stretch.loads.total
    believed = stretch.loads.after(0.0, np.array([1.0]), np.array([doubt]))
    share = min((stretch.missed + doubt / 2) / believed.total, 0.9)
    return min(max(believed.quantile(1.0 - share) or 1.0, LEAST), MOST)


def unstretched(half_life_s: float, budget: float) -> Stretch:
    """Nothing seen yet: the model is right."""
    return Stretch(loads=Decayed.on(np.geomspace(0.02, 100.0, 400), half_life_s), budget=budget)
