from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.kthena import Kthena, filled, packages, settings
from raytide.autoscaling.terms import Variant


@pytest.fixture
def both(terms: Callable[..., Any], engine: Engine) -> Any:
    dear = Variant(name="dear", engine=engine, usd_per_hour=9.0, cold_start_s=60.0)
    cheap = Variant(name="cheap", engine=engine, usd_per_hour=4.0, cold_start_s=60.0, max_replicas=7)
    return terms(variants=[dear, cheap], max_replicas=10)


@pytest.fixture
def two(seen: Callable[..., Any], view: Callable[..., Any]) -> Any:
    return seen(variants=[view(name="dear", ready=1), view(name="cheap", ready=1)])


def test_packages_double_and_the_cheapest_is_filled_first(two: Any, both: Any) -> None:
    # cheap: 1, 2 and 4 at 4, 8 and 16; dear: 1, 2, 4 and 3 at 9, 18, 36 and 27
    order = [(one.variant, one.replicas, one.cost) for one in packages(two, both, 2.0)]
    assert order == [
        ("cheap", 1, 4.0),
        ("cheap", 2, 8.0),
        ("dear", 1, 9.0),
        ("cheap", 4, 16.0),
        ("dear", 2, 18.0),
        ("dear", 3, 27.0),
        ("dear", 4, 36.0),
    ]


@pytest.mark.parametrize(
    ("expansion", "target", "cheap"),
    [(2.0, 3, 3), (2.0, 4, 3), (2.0, 6, 5), (2.0, 9, 7), (1.0, 6, 6), (1.0, 9, 7)],
)
def test_a_number_becomes_a_mix(expansion: float, target: int, cheap: int, two: Any, both: Any) -> None:
    assert filled(target, packages(two, both, expansion)) == {"cheap": cheap, "dear": target - cheap}


@pytest.mark.parametrize(
    ("requests", "ready", "present", "desired"),
    [
        (100, 3, 3, 7),  # 100/48 = 2.08: ⌈6.25⌉
        (100, 3, 6, 6),  # 100/96 = 1.04 with those that start, within the tolerance
        (40, 3, 8, 3),  # 40/48 = 0.83: ⌈2.5⌉, those that start do not count
        (60, 3, 9, 9),  # 60/48 = 1.25, and 60/144 = 0.42 would turn it round
        (50, 3, 3, 3),  # 50/48 = 1.04
    ],
)
def test_the_ratio_to_the_target_decides(requests: int, ready: int, present: int, desired: int) -> None:
    assert Kthena().desired(requests, ready, present) == desired


def test_twice_as_many_is_a_panic_that_does_not_shrink(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy = loop(Kthena())
    # ⌈320/16⌉ = 20 ≥ 2·2: at most 11·2 in one step, where the stable policy would double.
    assert policy.target(seen(at_s=0.0, ready=2, running=320)) == 20
    assert policy.target(seen(at_s=45.0, ready=20, running=10)) == 20


def test_goes_down_after_five_minutes(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy = loop(Kthena())
    targets = [policy.target(seen(at_s=15.0 * tick, ready=8, running=16)) for tick in range(21)]
    assert targets == [8] * 20 + [1]


def test_holds_without_gauges(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(Kthena()).target(seen(ready=3, gauges=False)) == 3


def test_twelve_settings_begin_with_the_default() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == Kthena()
