from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.option import Option
from raytide.autoscaling.optimise.spot import Risk, cheapest_hedge, counted_on, on_demand_beside, survival

RISKS = st.builds(
    Risk, shortfall=st.sampled_from((0.001, 0.01, 0.1)), correlation=st.floats(0, 0.95) | st.floats(0, 1e-5)
)
PROBABILITIES = st.floats(0.05, 0.999)


@given(num=st.integers(0, 40), survives=PROBABILITIES, risk=RISKS)
def test_more_replicas_or_safer_ones_are_never_counted_on_less(num: int, survives: float, risk: Risk) -> None:
    counted = counted_on(num, survives, risk)
    assert 0 <= counted <= num
    assert counted <= counted_on(num + 1, survives, risk) <= num + 1
    assert counted <= counted_on(num, (1 + survives) / 2, risk)


@pytest.mark.parametrize("correlation", [0.0, 0.2])
def test_a_shortfall_is_as_rare_as_promised(correlation: float) -> None:
    risk, random = Risk(shortfall=0.05, correlation=correlation), np.random.default_rng(4)
    counted = counted_on(12, 0.9, risk)
    shared = 1 / correlation - 1 if correlation else math.inf
    chance = random.beta(0.9 * shared, 0.1 * shared, 100_000) if correlation else np.full(100_000, 0.9)
    survivors = random.binomial(12, chance)
    assert (survivors < counted).mean() <= 0.053
    assert (survivors < counted + 1).mean() > 0.047


def test_without_preemptions_it_is_the_plain_fallback(option: Callable[..., Option]) -> None:
    spot, steady = option("spot", spot=True), option("steady", usd_per_hour=3.0)
    beside = [on_demand_beside(spot, steady, ready, 5.0, 1, Risk()) for ready in range(7)]
    assert beside == [1 + max(0, 4 - ready) for ready in range(7)]


def test_spot_that_saves_nothing_at_its_risk_is_not_used(option: Callable[..., Option]) -> None:
    steady = option("steady", usd_per_hour=1.1, cold_start_s=300.0)
    wild = option("wild", spot=True, preemption_rate_per_hour=20.0)
    calm = option("calm", spot=True, usd_per_hour=0.4, preemption_rate_per_hour=0.01)
    assert cheapest_hedge(wild, steady, 6.0, 0, Risk()).num_spot == 0
    assert cheapest_hedge(calm, steady, 6.0, 0, Risk()).num_on_demand == 0


STEP_S = 60.0
COLD_STEPS = 4
NEED = 8
SHAPE = 0.05
"""Of the common risk of a step, which has mean 1 and variance 1 / SHAPE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    attainment: float
    usd: float


def _simulated(spot: Option, steady: Option, target: int, beside: Callable[[int], int], seed: int) -> Outcome:
    """A market that takes replicas away together at times; both kinds need the same time to start."""
    random, num_steps = np.random.default_rng(seed), 12_000
    ready, extra, kept, usd = target, beside(target), 0, 0.0
    coming, ordered = [0] * COLD_STEPS, [0] * COLD_STEPS
    taken = 1 - survival(spot, STEP_S)
    for _ in range(num_steps):
        chance = min(1.0, taken * random.gamma(SHAPE) / SHAPE)
        ready += coming.pop(0) - random.binomial(ready, chance)
        extra += ordered.pop(0)
        kept += ready * spot.capacity + extra * steady.capacity >= NEED
        coming.append(max(0, target - ready - sum(coming)))
        extra = min(extra, max(0, beside(ready)))
        ordered.append(max(0, beside(ready) - extra - sum(ordered)))
        usd += (ready + sum(coming)) * spot.usd_per_hour + (extra + sum(ordered)) * steady.usd_per_hour
    return Outcome(attainment=kept / num_steps, usd=usd * STEP_S / 3600)


def _correlation(spot: Option) -> float:
    """Of two replicas over a cold start: the variance of their common risk in units of the largest possible."""
    taken = 1 - survival(spot, COLD_STEPS * STEP_S)
    return taken / (1 - taken) / (SHAPE * COLD_STEPS)


@pytest.mark.parametrize("rate_per_hour", [0.05, 0.2, 0.5])
def test_it_is_no_dearer_than_fixed_overprovision_that_attains_as_much(
    option: Callable[..., Option], rate_per_hour: float
) -> None:
    spot = option("spot", usd_per_hour=0.35, spot=True, preemption_rate_per_hour=rate_per_hour)
    steady = option("steady", cold_start_s=COLD_STEPS * STEP_S)
    risk = Risk(shortfall=0.01, correlation=_correlation(spot))
    num_spot = cheapest_hedge(spot, steady, NEED, 0, risk).num_spot
    ours = _simulated(spot, steady, num_spot, lambda ready: on_demand_beside(spot, steady, ready, NEED, 0, risk), 1)
    fixed = [
        _simulated(spot, steady, NEED + more, lambda ready, more=more: max(0, NEED + more - ready), 1)  # type: ignore[misc]
        for more in range(7)
    ]
    as_good = [outcome.usd for outcome in fixed if outcome.attainment >= ours.attainment]
    assert ours.attainment >= 0.99
    assert ours.usd <= min(as_good, default=math.inf) * 1.0001
