"""The level of the load at three time scales: exponentially weighted means that are right from the first second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCALES_S: Final = (30.0, 120.0, 600.0)
_GAINS: Final = tuple((1.0 - np.exp(-1.0 / np.array(SCALES_S))).tolist())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """Weighted sums and their weights; a mean of three seconds is the mean of three seconds, not mostly zero."""

    sums: Floats
    weights: Floats
    age_s: float = 0.0

    @property
    def values(self) -> Floats:
        """Work per second at each scale; shape (scales,)."""
        values: Floats = self.sums / np.maximum(self.weights, 1e-12)
        return values

    def after(self, work: Floats) -> Levels:
        """With these seconds of work."""
        seconds, ones = work.tolist(), [1.0] * len(work)
        return Levels(
            sums=np.array([_moved(s, g, seconds) for s, g in zip(self.sums.tolist(), _GAINS, strict=True)]),
            weights=np.array([_moved(w, g, ones) for w, g in zip(self.weights.tolist(), _GAINS, strict=True)]),
            age_s=self.age_s + len(work),
        )


def _moved(mean: float, gain: float, values: list[float]) -> float:
    for value in values:
        mean = mean + gain * (value - mean)
    return mean


NO_LEVELS: Final = Levels(sums=np.zeros(len(SCALES_S)), weights=np.zeros(len(SCALES_S)))
