"""How many on-demand replicas to keep beside spot ones, so that a shortfall stays improbable.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Spot replicas and the on-demand ones beside them."""

    num_spot: int
    num_on_demand: int
    num_surviving: int
    """Spot replicas counted on."""
    usd_per_hour: float


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


def on_demand_beside(spot: Option, on_demand: Option, num_ready: int, work: float, base: int, risk: Risk) -> int:
    """On-demand replicas to keep while `num_ready` spot replicas are ready; never fewer than `base`.

    With a certain survival it is base + what the ready spot replicas leave, the rule of a plain fallback.
    """
    counted = counted_on(num_ready, survival(spot, on_demand.cold_start_s), risk)
    left = work - base * on_demand.capacity - counted * spot.capacity
    return base + max(0, math.ceil(left / on_demand.capacity - 1e-9))


def cheapest_hedge(spot: Option, on_demand: Option, work: float, base: int, risk: Risk) -> Hedge:
    """The cheapest numbers of spot and on-demand replicas that cover `work` at the accepted risk."""
    quota = math.inf if spot.max_replicas is None else spot.max_replicas
    needed = math.ceil(max(0.0, work) / spot.capacity - 1e-9)
    most = int(min(quota, 2 * needed + 2)) if spot.available else min(int(min(quota, 2 * needed + 2)), spot.num_now)
    hedges = (_hedge(spot, on_demand, num, work, base, risk) for num in range(most + 1))
    return min(hedges, key=lambda hedge: (hedge.usd_per_hour, hedge.num_spot))


def _hedge(spot: Option, on_demand: Option, num_spot: int, work: float, base: int, risk: Risk) -> Hedge:
    beside = on_demand_beside(spot, on_demand, num_spot, work, base, risk)
    return Hedge(
        num_spot=num_spot,
        num_on_demand=beside,
        num_surviving=counted_on(num_spot, survival(spot, on_demand.cold_start_s), risk),
        usd_per_hour=num_spot * spot.usd_per_hour + beside * on_demand.usd_per_hour,
    )
