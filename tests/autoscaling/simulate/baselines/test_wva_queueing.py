from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths
from raytide.autoscaling.simulate.baselines.queueing import Queue, Service
from raytide.autoscaling.simulate.baselines.wva_actuator import SAMPLE
from raytide.autoscaling.simulate.baselines.wva_queueing import WvaQueueing, settings
from raytide.autoscaling.terms import Variant

AT_ONCE = WvaQueueing(behaviour=SAMPLE)
CHAT = Lengths(prompt_tokens=1000.0, output_tokens=200.0)
DECLARED = Service(alpha_s=13.5e-3, beta_s=49.5e-6, gamma_s=79e-9)


def test_loose_bounds_leave_the_highest_stable_rate(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    # T(256) = 13.5 ms + 256·(49.5 µs·5.970 + 79 ns·1100) = 13.5 + 256·0.38242 = 111.40 ms
    # μ(256) = 256/(111.40 + 49.58 ms + 200·(111.40 + 0.136 ms)) = 256/22.468 s = 11.394 requests/s
    one_rps = AT_ONCE.replica_rps(Queue.of(DECLARED, CHAT, 256), terms(ttft_s=1e4, tpot_s=1.0))
    assert one_rps == pytest.approx(11.394 * 0.999, rel=1e-3)
    # ⌈40/11.38⌉ = 4 and ⌈100/11.38⌉ = 9
    for rate_rps, replicas in ((40, 4), (100, 9)):
        traffic = demand(arrivals=60 * rate_rps, span_s=60.0)
        assert loop(AT_ONCE, ttft_s=1e4, tpot_s=1.0).target(seen(ready=9, demand=traffic)) == replicas


def test_the_rate_of_a_replica_is_where_a_token_takes_its_bound(terms: Callable[..., Any]) -> None:
    queue = Queue.of(DECLARED, CHAT, 256)
    rate = queue.highest_within(2.0, 0.03)
    assert not isinstance(rate, Missing)
    assert queue.at(rate).token_s == pytest.approx(0.03, rel=1e-6)
    assert AT_ONCE.replica_rps(queue, terms(tpot_s=0.03)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("rate_rps", [10.0, 40.0, 100.0])
def test_as_many_replicas_as_the_rate_takes(
    rate_rps: float,
    loop: Callable[..., Any],
    seen: Callable[..., Any],
    demand: Callable[..., Any],
    terms: Callable[..., Any],
) -> None:
    # With a bound of 50 ms nothing waits, so what a replica serves is the highest rate itself.
    one_rps = AT_ONCE.replica_rps(Queue.of(DECLARED, CHAT, 256), terms(tpot_s=0.05))
    assert not isinstance(one_rps, Missing)
    traffic = demand(arrivals=round(60 * rate_rps), span_s=60.0)
    target = loop(AT_ONCE, tpot_s=0.05, max_replicas=100).target(seen(ready=9, demand=traffic))
    assert target == min(9 + 10, math.ceil(rate_rps / one_rps))


def test_no_traffic_asks_for_the_minimum(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    assert loop(AT_ONCE, min_replicas=2).target(seen(ready=9, demand=demand(span_s=60.0))) == 2


def test_the_chart_adds_at_most_ten_after_four_minutes(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy, traffic = loop(WvaQueueing(), tpot_s=0.03), demand(arrivals=60 * 200, span_s=60.0)
    targets = [policy.target(seen(at_s=60.0 * tick, ready=3, demand=traffic)) for tick in range(5)]
    assert targets == [3, 3, 3, 3, 13]


def test_slower_answers_than_the_model_expects_ask_for_more(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(AT_ONCE, tpot_s=0.03)
    expected = Queue.of(DECLARED, CHAT, 256).at(100.0 / 16)

    def target(at_s: float, slower: float) -> int:
        ttft_s, tpot_s = [slower * (expected.wait_s + expected.prefill_s)] * 50, [slower * expected.token_s] * 50
        traffic = demand(arrivals=60 * 100, span_s=60.0, ttft_s=ttft_s, tpot_s=tpot_s)
        wanted: int = policy.target(seen(at_s=at_s, ready=16, demand=traffic))
        return wanted

    first = target(0.0, 1.0)
    later = [target(60.0 * minute, 1.08) for minute in range(1, 25)]
    assert later[-1] > first


def test_the_cheapest_variant_for_the_whole_rate_is_taken(
    seen: Callable[..., Any],
    demand: Callable[..., Any],
    terms: Callable[..., Any],
    view: Callable[..., Any],
    engine: Engine,
) -> None:
    cheap = Variant(name="cheap", engine=engine, usd_per_hour=4.0, cold_start_s=60.0)
    dear = Variant(name="dear", engine=engine, usd_per_hour=9.0, cold_start_s=60.0)
    both = terms(variants=[dear, cheap])
    views = [view(name="dear", ready=2), view(name="cheap", ready=0, gauges=False)]
    observation = seen(demand=demand(arrivals=600, span_s=60.0), variants=views)
    decision = AT_ONCE.decide(observation, both, AT_ONCE.begin(observation, both), observation.at_s)
    # Alike but for the price: 4·n + 0.1·(4·n + 18) is less than 9·n + 0.1·(9·n + 18).
    dear_target, cheap_target = (variant.target for variant in decision.variants)
    assert dear_target == 0
    assert cheap_target >= 1


def test_holds_where_the_bound_is_met_at_no_rate(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    decision = loop(AT_ONCE, tpot_s=0.01).see(seen(ready=3, demand=demand(arrivals=60)))
    assert decision.variants[0].target == 3
    assert "with no variant" in decision.variants[0].binding.says


def test_holds_without_metrics(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(AT_ONCE).target(seen(ready=5, demand=Missing(reason="scrape failed"))) == 5


def test_twelve_settings_begin_with_the_products() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == WvaQueueing()
