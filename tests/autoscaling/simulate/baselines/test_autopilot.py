from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.autopilot import (
    NUM_BUCKETS,
    Autopilot,
    buckets,
    percentile,
    sampled_rps,
    settings,
)


def histogram(*loads: tuple[float, float]) -> np.ndarray:
    """Weights by load."""
    weights = np.zeros(NUM_BUCKETS)
    for load, weight in loads:
        weights[buckets(np.array([load]))] += weight
    return weights


def test_a_percentile_is_of_the_work_not_of_the_time() -> None:
    # 90 s at load 1 and 10 s at load 10 are 90 and 100 units of work: 47 % below load 1, the rest at 10.
    seen = histogram((1.0, 90.0), (10.0, 10.0))
    assert percentile(seen, 0.40) == pytest.approx(1.0, rel=0.025)
    assert percentile(seen, 0.50) == pytest.approx(10.0, rel=0.025)
    # 999 s at load 1 and 4 s at load 10: 999/1039 = 96.1 %
    rare = histogram((1.0, 999.0), (10.0, 4.0))
    assert percentile(rare, 0.95) == pytest.approx(1.0, rel=0.025)
    assert percentile(rare, 0.98) == pytest.approx(10.0, rel=0.025)


def test_nothing_seen_is_no_load() -> None:
    assert percentile(np.zeros(NUM_BUCKETS), 0.95) == 0.0


def test_load_is_sampled_by_ten_seconds(demand: Callable[..., Any]) -> None:
    counts = [10] * 10 + [20] * 10 + [30] * 5
    assert sampled_rps(demand(arrivals=counts, span_s=25.0)).tolist() == [10.0, 20.0, 30.0]


@pytest.mark.parametrize(("rate_rps", "target"), [(10, 1), (40, 4), (60, 6), (100, 11)])
def test_a_steady_load_is_sized_to_the_utilisation(
    rate_rps: float, target: int, loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # A replica serves 237.4/(200·100 ms) = 11.87 requests/s; 100/11.87 = 8.42, a bucket's edge at most 2.5 % above:
    # ⌈8.42…8.63/0.85⌉ = 10 or 11.
    policy = loop(Autopilot())
    wanted = policy.target(seen(ready=3, demand=demand(arrivals=300 * rate_rps, span_s=300.0)))
    assert wanted == pytest.approx(target, abs=1)
    assert wanted >= rate_rps / 11.87 / 0.85


def test_the_past_counts_half_after_its_half_life(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(Autopilot(half_life_s=3600.0))
    policy.target(seen(at_s=0.0, ready=3, demand=demand(arrivals=300 * 60, span_s=300.0)))
    first = policy.state.weights.sum()
    for tick in range(1, 13):
        policy.target(seen(at_s=300.0 * tick, ready=3, demand=demand(arrivals=300, span_s=300.0)))
    busy = policy.state.weights[int(buckets(np.array([60.0 / 11.87]))[0]) - 3 :].sum()
    assert first == pytest.approx(30.0)
    assert busy == pytest.approx(15.0)


def test_a_peak_is_forgotten_sooner_with_a_shorter_half_life(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    def after_a_peak(half_life_s: float) -> int:
        policy = loop(Autopilot(half_life_s=half_life_s))
        target = 0
        for tick in range(24):
            rate_rps = 100 if tick < 4 else 10
            traffic = demand(arrivals=300 * rate_rps, span_s=300.0)
            target = policy.target(seen(at_s=300.0 * tick, ready=3, demand=traffic))
        return target

    assert after_a_peak(600.0) < after_a_peak(43_200.0)


def test_holds_without_metrics(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(Autopilot()).target(seen(ready=5, demand=Missing(reason="scrape failed"))) == 5


def test_twelve_settings_begin_with_the_papers() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == Autopilot()
