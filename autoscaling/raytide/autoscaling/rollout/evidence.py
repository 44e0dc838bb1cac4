"""What is known of two revisions that serve at the same time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.missing import Missing

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Requests of one revision that ended, counted since it began."""

    num: int = 0
    """All of them."""
    failed: int = 0
    """Ended with an error that is not the client's."""
    missed_ttft: int = 0
    """Of those that did not fail."""
    missed_tpot: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            num=self.num + other.num,
            failed=self.failed + other.failed,
            missed_ttft=self.missed_ttft + other.missed_ttft,
            missed_tpot=self.missed_tpot + other.missed_tpot,
        )

    @property
    def answered(self) -> int:
        """Those that did not fail."""
        return self.num - self.failed

    def since(self, before: Tally) -> Tally:
        """What was counted after `before`; counters that began anew count from zero."""
        counted = Tally(
            num=self.num - before.num,
            failed=self.failed - before.failed,
            missed_ttft=self.missed_ttft - before.missed_ttft,
            missed_tpot=self.missed_tpot - before.missed_tpot,
        )
        return counted if counted._is_one else self

    @property
    def _is_one(self) -> bool:
        return 0 <= self.failed <= self.num and all(
            0 <= missed <= self.answered for missed in (self.missed_ttft, self.missed_tpot)
        )


NOTHING_COUNTED: Final = Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another model that was scored beside one."""

    model: str
    """As services show it: `chat v3`."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What an evaluation said of a model, less is better: bits per byte, perplexity."""

    metric: str
    value: float
    data: str
    """Names the held-out data: only scores on the same data compare."""
    rival: Rival | None = None
    """The model that was in production then, on the same data."""

    def of_rival(self, model: str) -> Quality | None:
        """What this model scored beside it; None where it was not."""
        if self.rival is None or self.rival.model != model:
            return None
        return Quality(metric=self.metric, value=self.rival.value, data=self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a verdict rests on."""

    canary: Tally
    stable: Tally
    canary_quality: Quality | Missing
    stable_quality: Quality | Missing
    canary_ready: int
    """Replicas that serve."""
    stable_ready: int
    most: int
    """Replicas that the service may have."""

    def needed(self, weight: float, taken: float) -> int:
        """Replicas of the canary that carry this share, as many to a request as the stable revision has at present,
        while the canary takes `taken` of the requests.
        """
        whole = self.stable_ready / (1.0 - taken)
        return max(1, min(self.most, math.ceil(weight * whole - _ROUNDING)))
