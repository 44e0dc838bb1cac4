from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.dstack import Dstack

POLICY = Dstack(target_rps=2.0)


def test_the_first_change_is_made_at_once(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    minute = demand(arrivals=540, span_s=60.0)  # 9 requests/s: ⌈4.5⌉
    assert loop(POLICY).target(seen(ready=2, demand=minute)) == 5


def test_an_increase_waits_for_five_minutes_after_the_last_change(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    dstack = loop(POLICY)
    assert dstack.target(seen(at_s=0.0, ready=2, demand=demand(arrivals=360, span_s=60.0))) == 3
    busier = demand(arrivals=1200, span_s=60.0)  # 20 requests/s
    assert dstack.target(seen(at_s=290.0, ready=3, demand=busier)) == 3
    assert dstack.target(seen(at_s=350.0, ready=3, demand=busier)) == 10


def test_a_decrease_waits_for_ten(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    dstack = loop(POLICY)
    assert dstack.target(seen(at_s=0.0, ready=2, demand=demand(arrivals=360, span_s=60.0))) == 3
    calm = demand(arrivals=60, span_s=60.0)
    assert dstack.target(seen(at_s=590.0, ready=3, demand=calm)) == 3
    assert dstack.target(seen(at_s=650.0, ready=3, demand=calm)) == 1


def test_the_rate_is_of_the_last_sixty_seconds(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    dstack = loop(POLICY)
    for at_s in range(0, 70, 10):
        decision = dstack.see(seen(at_s=float(at_s), demand=demand(arrivals=10, span_s=10.0)))
    assert decision.variants[0].reasons[0].facts["rps"] == 1.0  # the first of seven is 60 s old


def test_from_zero_the_rate_is_followed_at_once(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    dstack = loop(POLICY, min_replicas=0)
    assert dstack.target(seen(at_s=0.0, ready=1)) == 0
    assert dstack.target(seen(at_s=10.0, ready=0, demand=demand(arrivals=200, span_s=10.0))) == 2  # 3.33 requests/s


def test_the_fleet_is_held_while_demand_is_missing(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(POLICY).target(seen(ready=4, demand=Missing(reason="no stats"))) == 4
