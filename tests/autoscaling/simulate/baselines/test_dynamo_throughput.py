from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.dynamo_throughput import DynamoThroughput, settings
from raytide.autoscaling.simulate.baselines.predictors import Kind

CONSTANT = DynamoThroughput(predictor=Kind.CONSTANT)
INTERVAL_S = 180.0


def traffic(demand: Callable[..., Any], rate_rps: float) -> Any:
    return demand(arrivals=round(rate_rps * INTERVAL_S), span_s=INTERVAL_S)


def test_as_many_engines_as_the_predicted_rate_takes(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # ITL(n) = 13.5 ms + n·(30 µs + 79 ns·1100 + 5·49.5 µs) = 13.5 + n·0.3644 ms ≤ 50 ms: n = 100
    # rate = 100/(200·49.94 ms) = 10.012 requests/s; ⌈60/10.012⌉ = 6, and of 60.2 requests/s 7
    for rate_rps, engines in ((60.0, 6), (60.2, 7), (1.0, 1)):
        observation = seen(ready=3, demand=traffic(demand, rate_rps))
        assert loop(CONSTANT, tpot_s=0.05).target(observation) == engines


def test_tighter_targets_take_more(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # 13.5 + n·0.3644 ms ≤ 30 ms: n = 45; rate = 45/(200·29.898 ms) = 7.526 requests/s; ⌈60/7.526⌉ = 8
    policy = DynamoThroughput(predictor=Kind.CONSTANT, tpot_share=0.6)
    assert loop(policy, tpot_s=0.05).target(seen(ready=3, demand=traffic(demand, 60.0))) == 8


def test_a_trend_is_sized_one_interval_ahead(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(DynamoThroughput(predictor=Kind.KALMAN), tpot_s=0.05)
    rates = [10.0 + 4.0 * step for step in range(20)]
    for step, rate_rps in enumerate(rates):
        target = policy.target(seen(at_s=INTERVAL_S * step, ready=3, demand=traffic(demand, rate_rps)))
    # Level and trend foretell 90 requests/s from 86: ⌈90/10.012⌉ = 9
    assert target == 9


def test_an_interval_without_traffic_keeps_what_runs(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(CONSTANT, tpot_s=0.05)
    policy.target(seen(at_s=0.0, ready=6, demand=traffic(demand, 60.0)))
    decision = policy.see(seen(at_s=INTERVAL_S, ready=6, demand=traffic(demand, 0.0)))
    assert decision.variants[0].target == 6
    assert "length" in decision.variants[0].binding.says


def test_holds_without_metrics(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(CONSTANT).target(seen(ready=5, demand=Missing(reason="scrape failed"))) == 5


@pytest.mark.parametrize("kind", Kind)
def test_each_predictor_is_tried(kind: Kind) -> None:
    assert kind in {setting.predictor for setting in settings()}


def test_twelve_settings_begin_with_the_products() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == DynamoThroughput()
