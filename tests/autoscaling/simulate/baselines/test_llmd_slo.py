from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.hpa import Behaviour
from raytide.autoscaling.simulate.baselines.llmd_slo import LlmdSlo, settings


def test_grows_by_what_is_above_the_band() -> None:
    # s = max(0.9/3, 88/100) = 0.88; 4 + ⌈4·(0.88/0.55 − 1)⌉ = 4 + ⌈2.4⌉ = 7
    assert LlmdSlo().asked(0.88, 4, 4) == 7


def test_replicas_that_start_are_credited() -> None:
    # c = 4/7; 7 + ⌈7·(0.88·(4/7)/0.55 − 1)⌉ = 7 + ⌈7·(−0.0857)⌉ = 7 + ⌈−0.6⌉ = 7
    assert LlmdSlo().asked(0.88, 7, 4) == 7
    # s at the clamp of 2: 7 + ⌈7·(2·(4/7)/0.55 − 1)⌉ = 7 + ⌈7·1.0779⌉ = 7 + ⌈7.55⌉ = 15
    assert LlmdSlo().asked(2.0, 7, 4) == 15


def test_shrinks_by_what_is_below_the_band_without_credit() -> None:
    # 10 − ⌊10·(1 − 0.25/0.40)⌋ = 10 − ⌊3.75⌋ = 7
    assert LlmdSlo().asked(0.25, 10, 10) == 7


@pytest.mark.parametrize("saturation", [0.40, 0.5, 0.55])
def test_stays_inside_the_band(saturation: float) -> None:
    assert LlmdSlo().asked(saturation, 6, 6) == 6


def test_waits_for_its_thirty_seconds_before_it_grows(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    policy = loop(LlmdSlo(), ttft_s=3.0)
    slow = demand(arrivals=60, ttft_s=[0.9] * 20, tpot_s=[0.088] * 20)
    targets = [policy.target(seen(at_s=at_s, ready=4, demand=slow)) for at_s in (0.0, 15.0, 30.0)]
    assert targets == [4, 4, 7]


def test_a_minute_of_latencies_and_three_samples_of_saturation_decide(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(LlmdSlo(behaviour=Behaviour()), ttft_s=3.0)
    slow, idle = demand(arrivals=60, ttft_s=[9.0] * 20), demand()
    # A P90 of three bounds is clamped to s = 2 at once: 1 + ⌈2/0.55 − 1⌉ = 4.
    assert policy.target(seen(at_s=0.0, ready=1, demand=slow)) == 4
    # The slow quarter of a minute stays in the P90 of the next three samples: 4 + ⌈4·(2/0.55 − 1)⌉ = 15, at most 8.
    assert policy.target(seen(at_s=15.0, ready=4, demand=idle)) == 8


def test_no_traffic_reads_as_no_saturation(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy = loop(LlmdSlo(behaviour=Behaviour()), min_replicas=2)
    at_300 = [policy.target(seen(at_s=15.0 * tick, ready=6)) for tick in range(22)]
    assert at_300[0] == 6
    assert at_300[-1] == 2


def test_goes_down_by_one_replica_in_two_minutes(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy, wanted, targets = loop(LlmdSlo()), 8, []
    for tick in range(30):
        wanted = policy.target(seen(at_s=15.0 * tick, ready=wanted))
        targets.append(wanted)
    # 180 s of stabilisation, then one per 120 s.
    assert targets[11] == 8
    assert targets[12] == 7
    assert targets[19] == 7
    assert targets[20] == 6
    assert targets[28] == 5


def test_holds_without_metrics(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    decision = loop(LlmdSlo()).see(seen(ready=5, demand=Missing(reason="scrape failed")))
    assert decision.variants[0].target == 5
    assert "scrape failed" in decision.variants[0].binding.says


def test_twelve_settings_begin_with_the_guides() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == LlmdSlo()
