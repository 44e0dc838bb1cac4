from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.spothedge import SpotHedge, spread
from raytide.autoscaling.terms import Variant

UNKNOWN = Missing(reason="unknown")
PRICES = {"od": 10.0, "a": 3.0, "b": 4.0, "c": 5.0}


def _variants(*names: str) -> tuple[Variant, ...]:
    return tuple(
        Variant(name=name, engine=UNKNOWN, usd_per_hour=PRICES[name], cold_start_s=60.0, spot=name != "od")
        for name in names
    )


def _targets(decision: Any) -> dict[str, int]:
    return {variant.variant: variant.target for variant in decision.variants}


@pytest.fixture
def hedged(seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]) -> Callable[..., Any]:
    """The targets of a first decision that wants this many replicas of the given views."""

    def decide(policy: SpotHedge, wanted: int, *views: Any, max_replicas: int = 40) -> dict[str, int]:
        hedge = loop(policy, max_replicas=max_replicas, variants=_variants(*(view.name for view in views)))
        rate = demand(arrivals=round(wanted * policy.target_qps * 60), span_s=20.0)
        observation = seen(variants=views, demand=rate)
        begun = policy.begin(observation, hedge.terms)
        hedge.state = replace(begun, wanted=replace(begun.wanted, replicas=wanted))
        return _targets(hedge.see(observation))

    return decide


def test_on_demand_replicas_stand_in_for_spot_ones_that_are_not_ready(
    hedged: Callable[..., Any], view: Callable[..., Any]
) -> None:
    policy = SpotHedge(base_on_demand=1, num_overprovision=1)
    # final 4 + 1 = 5, spot 5 − 1 = 4, on-demand 1 + (4 − 1) = 4
    views = (view(name="od", ready=1), view(name="a", ready=1))
    assert hedged(policy, 4, *views) == {"od": 4, "a": 4}


def test_with_all_spot_replicas_ready_only_the_base_is_on_demand(
    hedged: Callable[..., Any], view: Callable[..., Any]
) -> None:
    views = (view(name="od", ready=3), view(name="a", ready=4))
    assert hedged(SpotHedge(base_on_demand=1), 5, *views) == {"od": 1, "a": 4}
    assert hedged(SpotHedge(), 4, *views) == {"od": 0, "a": 4}


def test_the_fallback_is_what_the_maximum_cuts_first(hedged: Callable[..., Any], view: Callable[..., Any]) -> None:
    views = (view(name="od", ready=0), view(name="a", ready=0))
    assert hedged(SpotHedge(), 6, *views, max_replicas=8) == {"od": 2, "a": 6}


def test_new_replicas_go_to_the_least_used_location_the_cheapest_first(
    view: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    zones = (view(name="a", ready=2), view(name="b", ready=0), view(name="c", ready=0))
    known = terms(variants=_variants("a", "b", "c"))
    assert spread(3, zones, frozenset(), known) == {"a": 2, "b": 1, "c": 0}
    assert spread(7, zones, frozenset(), known) == {"a": 3, "b": 2, "c": 2}


def test_replicas_leave_the_most_used_location_the_dearest_first(
    view: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    zones = (view(name="a", ready=2), view(name="b", ready=2), view(name="c", ready=1))
    known = terms(variants=_variants("a", "b", "c"))
    assert spread(4, zones, frozenset(), known) == {"a": 2, "b": 1, "c": 1}


def test_a_location_that_took_a_replica_away_gets_no_new_one_until_one_is_ready_there(
    seen: Callable[..., Any], view: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    hedge = loop(SpotHedge(), variants=_variants("od", "a", "b", "c"))
    calm = (view(name="od", ready=0), view(name="a", ready=2), view(name="b", ready=2), view(name="c", ready=2))
    assert _targets(hedge.see(seen(at_s=0.0, variants=calm))) == {"od": 0, "a": 2, "b": 2, "c": 2}
    lost = (calm[0], view(name="a", ready=1, target=2, num_preempted=1), calm[2], calm[3])
    assert _targets(hedge.see(seen(at_s=20.0, variants=lost))) == {"od": 1, "a": 1, "b": 3, "c": 2}
    assert hedge.state.inactive == {"a"}
    back = (calm[0], view(name="a", ready=1, became_ready_after_s=(60.0,)), view(name="b", ready=3), calm[3])
    hedge.see(seen(at_s=40.0, variants=back))
    assert hedge.state.inactive == frozenset()


def test_with_fewer_than_two_active_locations_all_are_active_again(
    seen: Callable[..., Any], view: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    hedge = loop(SpotHedge(), variants=_variants("a", "b"))
    hedge.see(seen(variants=(view(name="a", num_failed_starts=1), view(name="b"))))
    assert hedge.state.inactive == frozenset()


def test_without_spot_variants_all_is_on_demand(hedged: Callable[..., Any], view: Callable[..., Any]) -> None:
    assert hedged(SpotHedge(), 3, view(name="od", ready=1)) == {"od": 3}
