"""A replica that is slower than its kind for a minute: a bad machine, not a busy one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SURPRISE: Final = 4.0
"""Standard deviations beyond which a sample of the replica is slow."""

LASTS_S: Final = 60.0
"""A compilation, a garbage collection or a noisy neighbour passes within that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """Since when every sample of a replica was slow."""

    since_s: float | None = None
    """None where the last sample was not."""

    def after(self, surprise: float, at_s: float) -> Slowness:
        """With one more sample, whose surprise is that of the calibration of the replica's variant."""
        if surprise <= SURPRISE:
            return Slowness()
        return self if self.since_s is not None else Slowness(since_s=at_s)

    def is_slow(self, now_s: float) -> bool:
        """Whether all samples of the last minute were slow."""
        return self.since_s is not None and now_s - self.since_s >= LASTS_S
