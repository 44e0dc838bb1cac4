from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.simulate.baselines.aibrix_kpa import AibrixKpa

KPA = AibrixKpa(requests_per_replica=32.0)


@pytest.mark.parametrize(
    ("present", "stable", "short", "recommended"),
    [
        (4, 150.0, 160.0, 5),  # ⌈150/32⌉
        (4, 90.0, 300.0, 8),  # 300/90 > 2, a panic: ⌈300/32⌉ = 10, at most 2·4
        (4, 90.0, 180.0, 3),  # 180/90 = 2 is none
        (4, 0.0, 0.0, 2),  # no load is one, but ⌈0⌉ stays at ⌊4/2⌋
        (9, 33.0, 33.0, 9),  # 33 is within 0.9·32 … 1.1·32: the present number
    ],
)
def test_a_panic_counts_the_short_window(present: int, stable: float, short: float, recommended: int) -> None:
    assert KPA.recommend(present, stable, short) == recommended


def test_the_windows_are_three_minutes_and_one(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    kpa = loop(KPA)
    for at_s in (0.0, 60.0):
        kpa.target(seen(at_s=at_s, ready=2, running=60))
    facts = kpa.see(seen(at_s=120.0, ready=2, running=240)).variants[0].binding.facts
    assert (facts["stable"], facts["short"]) == (120.0, 240.0)  # (60 + 60 + 240)/3, and the last alone
    assert facts["recommended"] == 4  # 240/120 = 2 is no panic: ⌈120/32⌉


def test_an_increase_is_made_at_once_and_a_decrease_after_five_minutes(
    seen: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    kpa = loop(KPA)
    assert kpa.target(seen(at_s=0.0, ready=3, running=190)) == 6
    assert kpa.target(seen(at_s=250.0, ready=6, running=100)) == 6
    assert kpa.target(seen(at_s=301.0, ready=6, running=100)) == 4  # ⌈100/32⌉


def test_one_replica_always_stays(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    kpa = loop(KPA, min_replicas=0)
    assert [kpa.target(seen(at_s=float(at_s), ready=1)) for at_s in (0, 400, 800)] == [1, 1, 1]
