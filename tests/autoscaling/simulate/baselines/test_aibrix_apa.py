from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.simulate.baselines.aibrix_apa import AibrixApa, settings

APA = AibrixApa(metric="requests", target=10.0)


@pytest.mark.parametrize(
    ("present", "requests", "recommended"),
    [
        (4, 13.0, 6),  # ρ = 1.3: min(⌈5.2⌉, 8)
        (4, 30.0, 8),  # ρ = 3: min(12, 8)
        (4, 11.0, 4),  # ρ = 1.1 is within the band
        (4, 9.0, 4),  # ρ = 0.9 is too
        (10, 7.2, 8),  # ρ = 0.72: max(⌈7.2⌉, 5)
        (10, 1.0, 5),  # ρ = 0.1: max(1, 5)
    ],
)
def test_the_ratio_to_the_target_scales_the_fleet(present: int, requests: float, recommended: int) -> None:
    assert APA.recommend(present, requests) == recommended


def test_the_share_of_the_kv_cache_is_the_default_metric(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    full = seen(ready=4, kv_tokens=[175_500] * 4)  # 0.65 of 270 000, 1.3 times the target of 0.5
    assert loop(AibrixApa()).target(full) == 6


def test_the_metric_is_the_mean_of_three_minutes(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    apa = loop(APA)
    assert apa.target(seen(at_s=0.0, ready=4, running=[10, 10, 10, 10])) == 4
    assert apa.target(seen(at_s=10.0, ready=4, running=[15, 15, 15, 13])) == 5  # (10 + 14.5)/2 = 12.25: ⌈4·1.225⌉


def test_fewer_replicas_come_after_the_cooldown(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    apa = loop(APA)
    assert apa.target(seen(at_s=0.0, ready=4, running=40)) == 4
    assert apa.target(seen(at_s=200.0, ready=4, running=4)) == 4
    assert apa.target(seen(at_s=310.0, ready=4, running=4)) == 2


def test_nothing_changes_while_no_replica_reports(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(APA).target(seen(ready=0, starting_for_s=(5.0, 5.0), num_queued=50)) == 2


def test_both_metrics_are_tried() -> None:
    assert {policy.metric for policy in settings()} == {"kv", "requests"}
