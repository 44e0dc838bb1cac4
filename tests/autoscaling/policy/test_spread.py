"""One replica of "a" bears 0.865 of its own work a second and costs 8 $/h; "b" is the same engine at its own price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.optimise.breaker import NUM_FAILURES, REST_S, Breaker
from raytide.autoscaling.policy.ahead import Ahead
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.learn import begin
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.policy.spread import spread
from raytide.autoscaling.policy.supply import Supply, supplies_of
from raytide.autoscaling.terms import Terms, Variant

NOW_S = 1000.0
Spread = Callable[..., tuple[Mapping[str, int], list[Rule]]]


def _supplies(terms: Terms, views: tuple[VariantView, ...], known: Knowledge) -> tuple[Supply, ...]:
    seen = Observation(at_s=NOW_S, demand=Missing(reason="not asked"), variants=views)
    found = supplies_of(seen, terms, known)
    assert not isinstance(found, Missing)
    return found


@pytest.fixture(scope="session")
def spread_over() -> Spread:
    """Targets and rules for so many replicas of the first variant, beside what runs."""

    def make(
        count: int | Ahead, terms: Terms, *views: VariantView, others: tuple[VariantView, ...] = (), **learnt: Any
    ) -> tuple[Mapping[str, int], list[Rule]]:
        known = replace(begin(terms, Settings()), **learnt)
        needed = Ahead(soon=count, later=count) if isinstance(count, int) else count
        targets, reasons = spread(needed, _supplies(terms, views, known), others, terms, known, NOW_S)
        return targets, [reason.rule for reason in reasons]

    return make


Declare = Callable[..., Terms]
Make = Callable[..., Variant]
View = Callable[..., VariantView]


def test_one_variant_gets_what_is_wanted(spread_over: Spread, terms_of: Declare, view_of: View) -> None:
    assert spread_over(5, terms_of(), view_of(ready=2)) == ({"a": 5}, [])


def test_the_cheapest_mix_is_chosen(spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=5.0))
    assert spread_over(4, terms, view_of("a", 0), view_of("b", 0)) == ({"a": 0, "b": 4}, [Rule.PRICE])


def test_a_quota_leaves_the_rest_to_the_next_cheapest(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=5.0, max_replicas=3))
    assert spread_over(4, terms, view_of("a", 0), view_of("b", 0))[0] == {"a": 1, "b": 3}


def test_replicas_are_not_moved_for_a_cent(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=7.9))
    assert spread_over(4, terms, view_of("a", 4), view_of("b", 0))[0] == {"a": 4, "b": 0}


def test_what_runs_stays_until_its_replacement_is_ready(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=4.0))
    before, during, after = (
        spread_over(4, terms, view_of("a", 4), view_of("b", ready, starting_for_s=(9.0,) * (4 - ready)))[0]
        for ready in (0, 3, 4)
    )
    assert before == {"a": 4, "b": 4}
    assert during == {"a": 1, "b": 4}
    assert after == {"a": 0, "b": 4}


def test_an_order_gives_way_to_what_runs_where_both_are_too_many(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=4.0), max_replicas=6)
    targets, rules = spread_over(4, terms, view_of("a", 4), view_of("b", 0))
    assert targets == {"a": 4, "b": 2}
    assert rules[-1] is Rule.MAX_REPLICAS


def test_the_most_replicas_hold_whatever_is_wanted(spread_over: Spread, terms_of: Declare, view_of: View) -> None:
    assert spread_over(90, terms_of(max_replicas=7), view_of(ready=2)) == ({"a": 7}, [Rule.MAX_REPLICAS])


def test_at_least_the_declared_number_is_kept_beside_a_mix_that_needs_fewer(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=9.0), min_replicas=3)
    targets, rules = spread_over(2, terms, view_of("a", 2), view_of("b", 0))
    assert sum(targets.values()) == 3
    assert Rule.MIN_REPLICAS in rules


def test_a_quota_that_was_lowered_holds_for_what_runs(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a", max_replicas=3))
    assert spread_over(5, terms, view_of(ready=5)) == ({"a": 3}, [Rule.QUOTA])


def test_the_budget_pays_for_draining_replicas_before_new_ones(
    spread_over: Spread, terms_of: Declare, view_of: View
) -> None:
    terms = terms_of(max_usd_per_hour=48.0)
    targets, rules = spread_over(6, terms, view_of(ready=2, num_draining=2))
    assert targets == {"a": 4}
    assert rules == [Rule.BUDGET]


def test_a_budget_that_was_lowered_stops_what_it_no_longer_pays_and_no_more(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    one = terms_of(max_usd_per_hour=40.0)
    assert spread_over(9, one, view_of(ready=9))[0] == {"a": 5}
    assert spread_over(9, one, view_of(ready=5, num_draining=4))[0] == {"a": 5}
    two = terms_of(variant_of("a"), variant_of("b", usd_per_hour=50.0), max_usd_per_hour=40.0)
    assert spread_over(9, two, view_of("a", 5, num_draining=4), view_of("b", 0))[0] == {"a": 5, "b": 0}


def test_an_order_that_keeps_failing_goes_to_another_variant(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=5.0))
    failing = Breaker().seen(num_started=0, num_failed=NUM_FAILURES, now_s=NOW_S)
    views = (view_of("a", 1), view_of("b", 1))
    assert spread_over(4, terms, *views, breakers={"b": failing})[0] == {"a": 3, "b": 1}
    assert spread_over(4, terms, *views)[0]["b"] > 1


def test_one_replica_probes_a_variant_that_rested(spread_over: Spread, terms_of: Declare, view_of: View) -> None:
    rested = Breaker().seen(num_started=0, num_failed=NUM_FAILURES, now_s=NOW_S - REST_S)
    assert spread_over(5, terms_of(), view_of(ready=2), breakers={"a": rested}) == ({"a": 3}, [Rule.UNAVAILABLE])


def test_where_a_price_is_missing_gpus_are_compared(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    unpriced = Missing(reason="no price")
    terms = terms_of(variant_of("a", num_gpus=2, usd_per_hour=1.0), variant_of("b", usd_per_hour=unpriced, num_gpus=1))
    assert spread_over(3, terms, view_of("a", 0), view_of("b", 0))[0] == {"a": 0, "b": 3}


def test_a_spot_replica_counts_for_what_survives(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", usd_per_hour=4.0, spot=True))
    calm = spread_over(4, terms, view_of("a", 0), view_of("b", 0), preempted_per_hour={"b": 0.01})[0]
    rough = spread_over(4, terms, view_of("a", 0), view_of("b", 0), preempted_per_hour={"b": 60.0})[0]
    assert calm["b"] > 0
    assert rough == {"a": 4, "b": 0}


def test_a_variant_of_which_nothing_is_known_keeps_its_share_of_the_bounds(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    unknown = variant_of("b", engine=Missing(reason="nothing was declared"))
    terms = terms_of(variant_of("a"), unknown, max_replicas=6, max_usd_per_hour=40.0)
    targets, _ = spread_over(9, terms, view_of("a", 1), others=(view_of("b", 2),))
    assert targets == {"a": 3, "b": 2}


def _ahead(soon: int, later: int) -> Ahead:
    return Ahead(soon=soon, later=later, soon_s=60.0, later_s=600.0)


@pytest.fixture(scope="session")
def slow_and_fast(terms_of: Declare, variant_of: Make) -> Callable[..., Terms]:
    """A cheap variant that takes ten minutes to start, and a dear one that takes one."""

    def make(**said: Any) -> Terms:
        slow = variant_of("a", usd_per_hour=4.0, cold_start_s=600.0)
        return terms_of(slow, variant_of("b", cold_start_s=60.0, **said))

    return make


def test_a_fast_start_bridges_a_slow_one(spread_over: Spread, slow_and_fast: Declare, view_of: View) -> None:
    targets, rules = spread_over(_ahead(4, 4), slow_and_fast(), view_of("a", 1), view_of("b", 0))
    assert targets == {"a": 4, "b": 3}
    assert rules == [Rule.PRICE, Rule.PRICE]


def test_the_bridge_stays_until_the_slow_start_is_in(
    spread_over: Spread, slow_and_fast: Declare, view_of: View
) -> None:
    on_its_way = view_of("a", 1, starting_for_s=(400.0,) * 3)
    assert spread_over(_ahead(4, 4), slow_and_fast(), on_its_way, view_of("b", 0))[0] == {"a": 4, "b": 3}
    assert spread_over(_ahead(4, 4), slow_and_fast(), on_its_way, view_of("b", 3))[0] == {"a": 4, "b": 3}
    assert spread_over(_ahead(4, 4), slow_and_fast(), view_of("a", 4), view_of("b", 3))[0] == {"a": 4, "b": 0}


def test_what_starts_fast_is_not_ordered_for_what_may_come_later(
    spread_over: Spread, slow_and_fast: Declare, view_of: View
) -> None:
    views = view_of("a", 4), view_of("b", 0)
    failing = Breaker().seen(num_started=0, num_failed=NUM_FAILURES, now_s=NOW_S)
    assert spread_over(_ahead(4, 7), slow_and_fast(), *views, breakers={"a": failing})[0] == {"a": 4, "b": 0}
    assert spread_over(_ahead(6, 7), slow_and_fast(), *views, breakers={"a": failing})[0] == {"a": 4, "b": 2}


def test_a_slow_start_is_not_ordered_for_a_peak_that_will_be_over(
    spread_over: Spread, slow_and_fast: Declare, view_of: View
) -> None:
    assert spread_over(_ahead(6, 4), slow_and_fast(), view_of("a", 4), view_of("b", 0))[0] == {"a": 4, "b": 2}


def test_what_starts_slowly_is_kept_for_later_and_what_starts_fast_is_not(
    spread_over: Spread, slow_and_fast: Declare, view_of: View
) -> None:
    assert spread_over(_ahead(2, 6), slow_and_fast(), view_of("a", 4), view_of("b", 2))[0]["a"] >= 4
    assert spread_over(_ahead(4, 4), slow_and_fast(), view_of("a", 4), view_of("b", 2))[0] == {"a": 4, "b": 0}


def test_a_replica_that_is_paid_in_any_case_is_not_stopped(
    spread_over: Spread, terms_of: Declare, variant_of: Make, view_of: View
) -> None:
    terms = terms_of(variant_of("a"), variant_of("b", min_billing_s=3600.0))
    views = view_of("a", 1), view_of("b", 3)
    assert sum(spread_over(1, terms, *views)[0].values()) == 1
    billed = {"b": (NOW_S + 1800.0, NOW_S + 1800.0)}
    assert spread_over(1, terms, *views, billed_until_s=billed)[0] == {"a": 0, "b": 2}


def test_a_budget_bounds_the_bridge_too(spread_over: Spread, slow_and_fast: Declare, view_of: View) -> None:
    terms = replace(slow_and_fast(), max_usd_per_hour=24.0)
    targets, _ = spread_over(_ahead(4, 4), terms, view_of("a", 1), view_of("b", 0))
    assert 4.0 * targets["a"] + 8.0 * targets["b"] <= 24.0
