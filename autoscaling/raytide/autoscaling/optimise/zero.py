"""When the last replica is worth its idle time: ski rental, and gaps between sessions as they were seen.

Idling costs `usd_per_hour`, a restart costs its replica time and its waiting requests. Stopping once idling has cost as
much as a restart never costs more than twice what hindsight would; knowing how long gaps last does better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from raytide.autoscaling.optimise.program import Floats

TRUST: Final = 4.0
"""The learned wait stays within this factor of the deterministic one: at worst 1 + TRUST times hindsight."""

MIN_GAPS: Final = 20
"""Gaps seen below which the deterministic wait holds."""

WAKE_PROBABILITY: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survival:
    """Kaplan and Meier's estimate of how long gaps last."""

    ends_s: Floats
    """Lengths at which gaps ended, rising; shape (lengths,)."""
    lasting: Floats
    """The share of gaps that last longer than each."""
    num_gaps: int
    """That ended."""

    def beyond(self, length_s: float) -> float:
        """The share of gaps that last longer than this."""
        index = int(np.searchsorted(self.ends_s, length_s, side="right"))
        return 1.0 if index == 0 else float(self.lasting[index - 1])


def survival_of(ended_s: Floats, unended_s: Floats) -> Survival:
    """The estimate from gaps that ended, and from those of which only a lower bound is known."""
    ends, ended = np.unique(ended_s, return_counts=True)
    lengths = np.sort(np.concatenate([ended_s, unended_s]))
    at_risk = lengths.size - np.searchsorted(lengths, ends, side="left")
    lasting: Floats = np.cumprod(1 - ended / at_risk).astype(np.float64)
    return Survival(ends_s=ends, lasting=lasting, num_gaps=int(ended_s.size))


def break_even_s(restart_usd: float, usd_per_hour: float) -> float:
    """How long idling costs as much as a restart; for ever where idling is free."""
    return np.inf if usd_per_hour <= 0 else restart_usd / usd_per_hour * 3600


def off_after_s(restart_usd: float, usd_per_hour: float, gaps: Survival | None = None) -> float:
    """Idle seconds after which to stop: of least expected cost where enough gaps were seen, else at break-even."""
    even_s = break_even_s(restart_usd, usd_per_hour)
    if gaps is None or gaps.num_gaps < MIN_GAPS or not 0 < even_s < np.inf:
        return even_s
    waits_s = np.concatenate([[0.0], gaps.ends_s[gaps.ends_s < TRUST * even_s], [even_s, TRUST * even_s]])
    waits_s = np.unique(np.clip(waits_s, even_s / TRUST, TRUST * even_s))
    return float(waits_s[int(np.argmin(_expected_s(waits_s, gaps, even_s)))])


def _expected_s(waits_s: Floats, gaps: Survival, even_s: float) -> Floats:
    """Expected cost per gap of each wait, in seconds of idling: idling until then, and a restart if it goes on."""
    edges = np.concatenate([[0.0], gaps.ends_s])
    lasting = np.concatenate([[1.0], gaps.lasting])
    idle_s = np.concatenate([[0.0], np.cumsum(np.diff(edges) * lasting[:-1])])
    index = np.searchsorted(edges, waits_s, side="right") - 1
    within_s: Floats = idle_s[index] + (waits_s - edges[index]) * lasting[index]
    return within_s + even_s * lasting[index]


def wakes(gaps: Survival | None, idle_s: float, cold_start_s: float, num_waiting: int) -> bool:
    """Whether to start a replica: a request waits, or is more likely than not to before a replica could be ready."""
    if num_waiting > 0:
        return True
    lasted = 0.0 if gaps is None or gaps.num_gaps < MIN_GAPS else gaps.beyond(idle_s)
    if gaps is None or lasted <= 0:
        return False
    return 1 - gaps.beyond(idle_s + cold_start_s) / lasted >= WAKE_PROBABILITY
