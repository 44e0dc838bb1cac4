"""A policy played against a trace: what it gets to see, what its targets do, and what goes wrong on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_type_hints

import numpy as np
import pytest

from raytide.autoscaling import decision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.conditions import (
    Conditions,
    Faults,
    Preemption,
    Router,
    Slowdown,
    Span,
    Stockout,
)
from raytide.autoscaling.simulate.run import Played, play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

ONCE = Conditions(num_laps=1, initial_replicas=2, metric_delay_s=0, cold_start_s=30.0)
PolicyOf = Callable[..., Any]


@pytest.fixture(scope="module")
def terms(engine: Engine, terms_of: Callable[..., Terms]) -> Terms:
    return terms_of(engine)


@pytest.fixture(scope="module")
def trace() -> Trace:
    rng = np.random.default_rng(3)
    num = 2400
    return Trace(
        name="made",
        arrival_s=np.sort(rng.uniform(0.0, 295.0, num)),
        prompt_tokens=rng.integers(50, 1000, num, dtype=np.int32),
        output_tokens=rng.integers(1, 80, num, dtype=np.int32),
        span_s=300.0,
    )


def plain(value: Any) -> Any:
    """An observation as numbers that can be compared."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def test_the_policy_is_the_one_of_production_and_sees_what_production_shows(
    trace: Trace, terms: Terms, scripted: PolicyOf
) -> None:
    assert get_type_hints(play)["policy"] is decision.Policy
    policy = scripted(2)
    play(trace, policy, terms, ONCE)
    assert {type(observation) for observation in policy.seen} == {Observation}


def test_the_same_seed_replays_to_the_bit(trace: Trace, terms: Terms, scripted: PolicyOf) -> None:
    conditions = dataclasses.replace(
        ONCE, router=Router.RANDOM_TWO, metric_loss=0.2, cold_start_spread=0.3, seed=5, num_laps=2
    )

    def run(seed: int) -> tuple[Played, Any]:
        policy = scripted(lambda now_s: (2 + int(now_s / 60) % 2,))
        return play(trace, policy, terms, dataclasses.replace(conditions, seed=seed)), policy

    (one, seen), (two, seen_too), (other, _) = run(5), run(5), run(6)
    assert np.array_equal(one.ttft_s, two.ttft_s, equal_nan=True)
    assert np.array_equal(one.tpot_s, two.tpot_s, equal_nan=True)
    assert one.lives == two.lives
    assert plain(tuple(seen.seen)) == plain(tuple(seen_too.seen))
    assert not np.array_equal(one.ttft_s, other.ttft_s)


def test_nothing_is_seen_before_it_happened(trace: Trace, terms: Terms, scripted: PolicyOf) -> None:
    until_s = 150.0
    late = trace.arrival_s >= until_s
    changed = dataclasses.replace(
        trace,
        arrival_s=np.where(late, until_s + (trace.arrival_s - until_s) / 3, trace.arrival_s),
        prompt_tokens=np.where(late, 3000, trace.prompt_tokens),
        output_tokens=np.where(late, 7, trace.output_tokens),
    )
    runs = [scripted(lambda now_s: (1 + int(now_s / 50) % 3,)) for _ in range(2)]
    for given, policy in zip((trace, changed), runs, strict=True):
        play(given, policy, terms, ONCE)
    seen = [[plain(one) for one in policy.seen if one.at_s <= until_s] for policy in runs]
    assert len(seen[0]) == 15
    assert seen[0] == seen[1]
    assert plain(runs[0].seen[15]) != plain(runs[1].seen[15])


def test_an_order_serves_after_its_cold_start_and_is_paid_from_the_order(
    trace: Trace, terms: Terms, scripted: PolicyOf
) -> None:
    policy = scripted(lambda now_s: (3 if now_s >= 100 else 2,))
    played = play(trace, policy, terms, ONCE)
    assert sorted((life.ordered_s, life.ready_s) for life in played.lives) == [(0.0, 0.0), (0.0, 0.0), (100.0, 130.0)]
    line = played.timeline
    assert line.ready[line.at_s == 120.0].tolist() == [[2]]
    assert line.holding[line.at_s == 120.0].tolist() == [[3]]
    assert line.ready[line.at_s == 130.0].tolist() == [[3]]
    assert score(played, terms).gpu_hours == pytest.approx((2 * 300 + 200) / 3600)


def test_without_an_own_cold_start_each_variant_has_the_declared_one(
    trace: Trace, terms: Terms, scripted: PolicyOf
) -> None:
    played = play(trace, scripted(3), terms, dataclasses.replace(ONCE, cold_start_s=None))
    assert max(life.ready_s - life.ordered_s for life in played.lives) == 60.0


def test_stockouts_are_reported_and_ordered_again_until_they_end(
    trace: Trace, terms: Terms, scripted: PolicyOf
) -> None:
    faults = Faults(stockouts=(Stockout(variant="v0", span=Span(start_s=50.0, end_s=100.0)),))
    policy = scripted(lambda now_s: (4 if now_s >= 60 else 2,))
    played = play(trace, policy, terms, dataclasses.replace(ONCE, faults=faults))
    assert [life.ordered_s for life in played.lives if life.ordered_s > 0] == [100.0, 100.0]
    failed = {observation.at_s: observation.variants[0].num_failed_starts for observation in policy.seen}
    assert [failed[at_s] for at_s in (60.0, 70.0, 100.0, 110.0)] == [0, 2, 2, 0]


def test_in_a_blackout_demand_is_missing_and_the_next_scrape_makes_up_for_it(
    trace: Trace, terms: Terms, scripted: PolicyOf
) -> None:
    faults = Faults(blackouts=(Span(start_s=95.0, end_s=135.0),))
    policy = scripted(2)
    play(trace, policy, terms, dataclasses.replace(ONCE, faults=faults))
    blind = [one.at_s for one in policy.seen if isinstance(one.demand, Missing)]
    assert blind == [100.0, 110.0, 120.0, 130.0]
    assert all(one.variants[0].num_ready == 2 for one in policy.seen)
    assert num_arrived(policy.seen, 300.0) == len(trace)
    after = next(one for one in policy.seen if one.at_s == 140.0)
    assert not isinstance(after.demand, Missing)
    assert after.demand.span_s == 50.0


def test_lost_scrapes_lose_no_counts(trace: Trace, terms: Terms, scripted: PolicyOf) -> None:
    policy = scripted(2)
    play(trace, policy, terms, dataclasses.replace(ONCE, metric_loss=0.4, num_laps=2))
    share = np.mean([isinstance(one.demand, Missing) for one in policy.seen])
    assert 0.2 < share < 0.6
    last_s = max(one.at_s for one in policy.seen if not isinstance(one.demand, Missing))
    arrivals_s = np.concatenate([trace.arrival_s, trace.arrival_s + 300.0])
    assert num_arrived(policy.seen, 600.0) == (arrivals_s < last_s).sum()


def num_arrived(seen: list[Observation], until_s: float) -> int:
    return sum(one.demand.num_arrivals for one in seen if one.at_s <= until_s and not isinstance(one.demand, Missing))


@pytest.mark.parametrize(("delay_s", "interval_s"), [(0, 10.0), (1, 10.0), (4, 10.0), (1, 1.0), (25, 10.0)])
def test_a_decision_sees_what_was_scraped_the_delay_before(
    trace: Trace, terms: Terms, scripted: PolicyOf, delay_s: int, interval_s: float
) -> None:
    policy = scripted(2, interval_s)
    play(trace, policy, terms, dataclasses.replace(ONCE, metric_delay_s=delay_s))
    ages_s = [
        at_s - one.at_s
        for one, at_s in zip(policy.seen, policy.asked_at_s, strict=True)
        if not isinstance(one.demand, Missing)
    ]
    assert len(ages_s) >= len(policy.seen) - 3
    assert set(ages_s) == {delay_s}


def test_a_controller_that_crashes_begins_anew_beside_what_runs(trace: Trace, terms: Terms, scripted: PolicyOf) -> None:
    policy = scripted(2)
    played = play(trace, policy, terms, dataclasses.replace(ONCE, faults=Faults(crashes_s=(95.0, 200.0))))
    assert policy.num_begun == 3
    assert len(played.lives) == 2


def test_a_preemption_aborts_what_its_notice_does_not_suffice_for(
    terms: Terms, trace_of: Callable[..., Trace], scripted: PolicyOf
) -> None:
    long = trace_of([(20.0 + i / 10, 100, 4500) for i in range(10)], 300.0)
    taken = Preemption(at_s=55.0, variant="v0", num_replicas=5, notice_s=3.0)
    policy = scripted(2, interval_s=60.0)
    played = play(long, policy, terms, dataclasses.replace(ONCE, faults=Faults(preemptions=(taken,))))
    assert played.num_aborted == 10
    assert np.isnan(played.tpot_s).all()
    assert sorted(life.gone_s for life in played.lives)[:2] == [58.0, 58.0]  # not at the next decision
    at_60 = policy.seen[0].variants[0]
    assert (at_60.num_preempted, at_60.num_ready) == (2, 0)
    assert policy.seen[1].variants[0].num_preempted == 0
    assert [life.ordered_s for life in played.lives if life.ordered_s > 0] == [60.0, 60.0]


def test_a_draining_replica_is_paid_until_its_last_token(
    terms: Terms, trace_of: Callable[..., Trace], scripted: PolicyOf
) -> None:
    trace = trace_of([(5.0, 100, 2000), (5.0, 100, 2000)], 300.0)
    played = play(trace, scripted(lambda now_s: (1 if now_s < 200 else 0,)), terms, ONCE)
    finished_s = played.arrival_s + played.ttft_s + played.tpot_s * 1999
    assert finished_s[0] == finished_s[1] > 10.0
    assert sorted(life.gone_s for life in played.lives) == pytest.approx([finished_s[0], 200.0])
    assert played.num_aborted == 0


def test_a_slow_machine_slows_the_requests_on_it(trace: Trace, terms: Terms, scripted: PolicyOf) -> None:
    faults = Faults(slowdowns=(Slowdown(at_s=100.0, factor=2.0),))
    sound, slow = (
        play(trace, scripted(2), terms, dataclasses.replace(ONCE, faults=some)) for some in (Faults(), faults)
    )
    early, late = trace.arrival_s < 90.0, trace.arrival_s > 110.0
    assert np.array_equal(sound.tpot_s[early], slow.tpot_s[early])
    assert slow.tpot_s[late].mean() > 1.3 * sound.tpot_s[late].mean()


def test_costs_run_to_the_end_of_the_lap_whatever_the_interval(
    terms: Terms, trace_of: Callable[..., Trace], scripted: PolicyOf
) -> None:
    played = play(trace_of([(1.0, 10, 2)], 300.0), scripted(2, interval_s=70.0), terms, ONCE)
    assert score(played, terms).mean_replicas == pytest.approx(2.0)


def test_a_service_at_zero_holds_requests_until_a_replica_is_ready(
    terms: Terms, trace_of: Callable[..., Trace], scripted: PolicyOf
) -> None:
    for cold_start_s in (0.0, 30.0):
        policy = scripted(lambda now_s: (1 if now_s >= 20 else 0,))
        conditions = dataclasses.replace(ONCE, initial_replicas=0, cold_start_s=cold_start_s)
        played = play(trace_of([(12.0, 100, 5), (13.0, 100, 5)], 60.0), policy, terms, conditions)
        assert policy.seen[1].num_queued == 2
        assert played.arrival_s + played.ttft_s == pytest.approx(
            [20 + cold_start_s + 0.015, 20 + cold_start_s + 0.03011]
        )


def test_a_run_starts_with_replicas_for_its_first_minutes(trace: Trace, terms: Terms, scripted: PolicyOf) -> None:
    policy = scripted(lambda now_s: (8,))
    play(trace, policy, terms, dataclasses.replace(ONCE, initial_replicas=None, cold_start_s=1000.0))
    busy = [one.variants[0].num_ready for one in policy.seen]
    assert 1 <= busy[0] <= 3


def test_a_policy_that_decides_faster_than_metrics_come_still_knows_what_it_wanted(
    engine: Engine, terms_of: Callable[..., Terms], trace_of: Callable[..., Trace], scripted: Callable[..., Any]
) -> None:
    trace = trace_of([(float(at), 100, 10) for at in range(60)], span_s=60.0)
    policy = scripted(lambda now_s: (1 + int(now_s) // 10,), interval_s=1.0)
    play(trace, policy, terms_of(engine), Conditions(metric_delay_s=3, num_laps=1, initial_replicas=1))
    late = [(now_s, seen) for now_s, seen in zip(policy.asked_at_s, policy.seen, strict=True) if 20 <= now_s < 60]
    assert late
    assert all(seen.variants[0].target == 1 + int(now_s - 1) // 10 for now_s, seen in late)
