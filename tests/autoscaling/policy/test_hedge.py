from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.option import Option
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.policy.hedge import assured, hedged, usd_per_hour
from raytide.autoscaling.simulate.conditions import Conditions, Faults, Preemption
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.workloads import staircase
from raytide.autoscaling.terms import Terms

SPOT = Option(variant="spot", capacity=1.0, usd_per_hour=3.0, spot=True, preemption_rate_per_hour=2.0, cold_start_s=120)
FIRM = Option(variant="firm", capacity=1.0, usd_per_hour=8.0, cold_start_s=120)


def test_on_demand_replicas_stand_beside_spot_that_may_be_gone_before_it_is_replaced() -> None:
    counts = hedged({"spot": 6, "firm": 0}, (SPOT, FIRM), 6.0, max_replicas=20)
    assert counts["spot"] == 6
    assert counts["firm"] > 0
    assert assured(counts, (SPOT, FIRM)) >= 6.0


def test_a_market_that_takes_nothing_away_needs_nothing_beside_it() -> None:
    calm = replace(SPOT, preemption_rate_per_hour=0.0)
    assert hedged({"spot": 6, "firm": 0}, (calm, FIRM), 6.0, max_replicas=20) == {"spot": 6, "firm": 0}


def test_where_there_is_only_spot_more_of_it_is_the_hedge() -> None:
    counts = hedged({"spot": 6}, (SPOT,), 6.0, max_replicas=20)
    assert counts["spot"] > 6
    assert assured(counts, (SPOT,)) >= 6.0


@given(st.integers(0, 8), st.integers(0, 8), st.floats(0.0, 12.0), st.integers(1, 12))
def test_a_hedge_takes_nothing_away_and_stays_within_the_bound(spot: int, firm: int, work: float, most: int) -> None:
    before = {"spot": spot, "firm": firm}
    after = hedged(before, (SPOT, FIRM), work, max_replicas=most)
    assert all(after[name] >= before[name] for name in before)
    assert sum(after.values()) <= max(most, spot + firm)
    assert usd_per_hour(after, (SPOT, FIRM)) >= usd_per_hour(before, (SPOT, FIRM))


def test_requests_survive_when_a_hedged_service_loses_spot_replicas(
    terms_of: Callable[..., Terms], variant_of: Callable[..., Any]
) -> None:
    terms = terms_of(variant_of("spot", usd_per_hour=3.0, spot=True), variant_of("firm"), max_replicas=20)
    terms = replace(terms, variants=tuple(replace(v, cold_start_s=120.0) for v in terms.variants))
    trace = staircase([(40.0, 1200.0)], lengths_from=None, seed=2)
    taken = tuple(Preemption(at_s=at_s, variant="spot", num_replicas=1, notice_s=120.0) for at_s in (700.0, 1000.0))
    played = play(trace, Raytide(), terms, Conditions(num_laps=1, faults=Faults(preemptions=taken)))
    late = played.arrival_s > 600
    kept = (played.ttft_s <= terms.objective.ttft_s) & (played.tpot_s <= terms.objective.tpot_s)
    assert kept[late].mean() >= 0.98
    assert score(played, terms).aborted == 0
