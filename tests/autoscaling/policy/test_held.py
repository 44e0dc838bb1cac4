from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from raytide.autoscaling.decision import Decision, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation, VariantView
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.terms import Terms, Variant

BLIND = Missing(reason="no metrics arrived")
Declare = Callable[..., Terms]
Make = Callable[..., Variant]
View = Callable[..., VariantView]


def _decided(terms: Terms, demand: Demand | Missing, *views: VariantView) -> Decision:
    seen = Observation(at_s=100.0, demand=demand, variants=views)
    return Raytide().decide(seen, terms, Raytide().begin(seen, terms), 100.0)


def _targets(decision: Decision) -> list[int]:
    return [wanted.target for wanted in decision.variants]


def test_targets_stay_and_the_reason_is_said_where_demand_is_missing(terms_of: Declare, view_of: View) -> None:
    decision = _decided(terms_of(), BLIND, view_of(ready=4))
    assert _targets(decision) == [4]
    assert decision.variants[0].binding.rule is Rule.HELD
    assert "no metrics arrived" in decision.variants[0].binding.says


def test_what_was_learnt_survives_a_blackout(
    terms_of: Declare, view_of: View, demand_of: Callable[..., Demand]
) -> None:
    seen = Observation(at_s=5.0, demand=demand_of((20,) * 5), variants=(view_of(ready=4),))
    ours, terms = Raytide(), terms_of()
    learnt = ours.decide(seen, terms, ours.begin(seen, terms), 5.0).state
    blind = replace(seen, at_s=10.0, demand=BLIND)
    held = ours.decide(blind, terms, ours.decide(blind, terms, learnt, 10.0).state, 15.0)
    assert held.variants[0].binding.facts["in_a_row"] == 2
    assert held.state.forecast is learnt.forecast
    seen_again = ours.decide(replace(seen, at_s=20.0), terms, held.state, 20.0)
    assert seen_again.state.num_missing == 0


def test_missing_demand_is_not_an_idle_service(
    terms_of: Declare, view_of: View, demand_of: Callable[..., Demand]
) -> None:
    ours, terms, state = Raytide(), terms_of(min_replicas=0), None
    for tick in range(1, 200):
        seen = Observation(at_s=5.0 * tick, demand=BLIND if tick > 1 else demand_of((20,) * 5), variants=(view_of(),))
        decision = ours.decide(seen, terms, state or ours.begin(seen, terms), seen.at_s)
        state = decision.state
    assert _targets(decision) == [1]


def test_targets_stay_where_no_engine_is_known(
    terms_of: Declare, variant_of: Make, view_of: View, demand_of: Callable[..., Demand]
) -> None:
    terms = terms_of(variant_of(engine=Missing(reason="nothing was declared")))
    decision = _decided(terms, demand_of((50,) * 5), view_of(ready=3))
    assert _targets(decision) == [3]
    assert "nothing was declared" in decision.variants[0].binding.says


def test_an_engine_that_the_replicas_measured_stands_in_for_a_declared_one(
    terms_of: Declare, variant_of: Make, view_of: View, demand_of: Callable[..., Demand]
) -> None:
    known = variant_of()
    terms = terms_of(variant_of(engine=Missing(reason="nothing was declared")))
    decision = _decided(terms, demand_of((50,) * 5), view_of(ready=3, engine=known.engine))
    assert decision.variants[0].reasons[0].rule is Rule.DEMAND


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [({"max_replicas": 3}, 3), ({"min_replicas": 7}, 7), ({"max_usd_per_hour": 20.0}, 2)],
)
def test_bounds_hold_while_targets_are_held(
    bounds: dict[str, float], expected: int, terms_of: Declare, view_of: View
) -> None:
    assert _targets(_decided(terms_of(**bounds), BLIND, view_of(ready=5))) == [expected]


def test_a_floor_is_filled_beside_a_quota_while_targets_are_held(
    terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a", max_replicas=2), variant_of("b"), min_replicas=5)
    assert _targets(_decided(terms, BLIND, view_of("a", 1), view_of("b", 0))) == [2, 3]


def test_a_span_of_no_length_changes_nothing_and_raises_nothing(
    terms_of: Declare, view_of: View, demand_of: Callable[..., Demand]
) -> None:
    decision = _decided(terms_of(), demand_of((), span_s=0.0), view_of(ready=2))
    assert _targets(decision) == [2]
    assert decision.state.requests_per_s == 0.0


def test_an_engine_without_any_slope_still_gets_a_decision(
    terms_of: Declare, variant_of: Make, view_of: View, demand_of: Callable[..., Demand]
) -> None:
    engine = variant_of().engine
    assert not isinstance(engine, Missing)
    flat = replace(engine.iteration, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=0.0)
    terms = terms_of(variant_of(engine=replace(engine, iteration=flat)), variant_of("b"))
    decision = _decided(terms, demand_of((50,) * 5), view_of("a", 2), view_of("b", 1))
    assert all(wanted.reasons for wanted in decision.variants)
