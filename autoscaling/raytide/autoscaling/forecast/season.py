"""What a day looks like: the mean work of every ten minutes, learnt over days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S: Final = 86400.0
NUM_SLOTS: Final = 144
_SLOT_S: Final = DAY_S / NUM_SLOTS
_FADE: Final = 0.9995
"""Per second of a slot: a day that is past counts three quarters of the latest one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Season:
    """Sums and weights by time of day."""

    sums: Floats
    weights: Floats
    first_s: float | None = None

    def after(self, now_s: float, work: Floats) -> Season:
        """With the seconds that end at `now_s`; they are entered where the last of them lies."""
        if not len(work):
            return self
        slot, kept = self._slot(now_s - 1.0), _FADE ** len(work)
        sums, weights = self.sums.copy(), self.weights.copy()
        sums[slot] = sums[slot] * kept + work.sum()
        weights[slot] = weights[slot] * kept + len(work)
        return replace(self, sums=sums, weights=weights, first_s=now_s if self.first_s is None else self.first_s)

    def change(self, now_s: float, ahead_s: float) -> float | None:
        """By how much the day's curve rises until then; None until a whole day was seen."""
        if self.first_s is None or now_s - self.first_s < DAY_S:
            return None
        return self._at(now_s + ahead_s) - self._at(now_s)

    def _at(self, at_s: float) -> float:
        """The curve between the middles of its slots."""
        place = at_s % DAY_S / _SLOT_S - 0.5
        low, share = int(np.floor(place)), place - np.floor(place)
        mean = self.sums / np.maximum(self.weights, 1e-12)
        return float((1 - share) * mean[low % NUM_SLOTS] + share * mean[(low + 1) % NUM_SLOTS])

    def _slot(self, at_s: float) -> int:
        return int(at_s % DAY_S / _SLOT_S) % NUM_SLOTS


NO_SEASON: Final = Season(sums=np.zeros(NUM_SLOTS), weights=np.zeros(NUM_SLOTS))
