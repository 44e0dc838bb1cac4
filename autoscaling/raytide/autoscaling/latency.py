"""Latencies as a histogram of fixed bins: constant in size, added by adding counts, and exact to replay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing

NUM_BINS: Final = 256
FIRST_EDGE_S: Final = 1e-3
GROWTH: Final = 1.05
"""Each bin is 5 % wider than the one before: 1 ms to 265 s, and a quantile is known to 2.5 %."""

_LOG_GROWTH: Final = float(np.log(GROWTH))


def bins_of(latencies_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each latency; the first holds everything below 1 ms, the last everything above 265 s."""
    above = np.log(np.maximum(latencies_s, FIRST_EDGE_S) / FIRST_EDGE_S) / _LOG_GROWTH
    return np.minimum(above.astype(np.int64), NUM_BINS - 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latencies:
    """How many requests had which latency."""

    counts: NDArray[np.int64]
    """Shape (NUM_BINS,)."""

    @classmethod
    def of(cls, latencies_s: Iterable[float]) -> Latencies:
        """The histogram of these latencies."""
        bins = bins_of(np.fromiter(latencies_s, dtype=np.float64))
        return cls(counts=np.bincount(bins, minlength=NUM_BINS))

    @property
    def num(self) -> int:
        """Requests counted."""
        return int(self.counts.sum())

    def __add__(self, other: Latencies) -> Latencies:
        """Both together."""
        return Latencies(counts=self.counts + other.counts)

    def quantile(self, q: float) -> float | Missing:
        """The latency that a share `q` of the requests does not exceed, to the middle of its bin."""
        total = self.num
        if not total:
            return Missing(reason="no request was counted")
        at = int(np.searchsorted(np.cumsum(self.counts), max(1.0, np.ceil(q * total - 1e-9))))
        return float(FIRST_EDGE_S * GROWTH ** (at + 0.5))


NO_LATENCIES: Final = Latencies(counts=np.zeros(NUM_BINS, dtype=np.int64))
