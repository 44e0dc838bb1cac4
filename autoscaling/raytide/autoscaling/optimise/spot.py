"""How many of some spot replicas are counted on, so that a shortfall stays improbable.

Within the time that a replacement needs, each spot replica survives with exp(−rate·time), and replicas are taken away
together: survivors follow a beta-binomial law, whose correlation is the share of risk that all of them have in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from raytide.autoscaling.optimise.option import Option

NO_CORRELATION: Final = 1e-6
"""Below, the beta-binomial law is the binomial one to nine digits, and its gamma functions cancel badly."""

EXPOSED_FOR_MIN_S: Final = 1.0
"""Replacements take some time even where a start is said to take none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How much shortfall is accepted, and how preemptions come."""

    shortfall: float = 0.01
    """Accepted probability that ready replicas cover less than the need when a replacement would be ready."""
    correlation: float = 0.1
    """Between two replicas: 0 where each is taken away on its own, 1 where all go at once."""


def survival(option: Option, exposed_s: float) -> float:
    """The probability that one replica is not taken away within so many seconds."""
    return math.exp(-option.preemption_rate_per_hour * max(exposed_s, EXPOSED_FOR_MIN_S) / 3600)


@lru_cache(maxsize=4096)
def counted_on(num: int, survives: float, risk: Risk) -> int:
    """The most spot replicas of `num` that survive with all but the accepted probability of shortfall."""
    below = 0.0
    for survivors in range(num + 1):
        below += _probability(survivors, num, survives, risk.correlation)
        if below > risk.shortfall + 1e-12:
            return survivors
    return num


def _probability(survivors: int, num: int, survives: float, correlation: float) -> float:
    """Beta-binomial; binomial without correlation, all or nothing with full correlation."""
    if survives >= 1 or survives <= 0 or correlation >= 1:
        return {num: survives, 0: 1 - survives}.get(survivors, 0.0) if num else 1.0
    ways = math.log(math.comb(num, survivors))
    if correlation <= NO_CORRELATION:
        return math.exp(ways + survivors * math.log(survives) + (num - survivors) * math.log1p(-survives))
    alpha, beta = (share * (1 - correlation) / correlation for share in (survives, 1 - survives))
    return math.exp(ways + _log_beta(survivors + alpha, num - survivors + beta) - _log_beta(alpha, beta))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
