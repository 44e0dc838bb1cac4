from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.bounds import held, mixed, sized
from raytide.autoscaling.terms import Variant

WHY = Reason(rule=Rule.DEMAND, says="because")
UNKNOWN = Missing(reason="unknown")


def _variant(name: str, usd_per_hour: float | Missing = 1.0, max_replicas: int | None = None) -> Variant:
    return Variant(name=name, engine=UNKNOWN, usd_per_hour=usd_per_hour, cold_start_s=60.0, max_replicas=max_replicas)


def test_a_wanted_number_within_the_bounds_is_the_target(seen: Callable[..., Any], terms: Callable[..., Any]) -> None:
    decision = sized(seen(ready=3), terms(min_replicas=1, max_replicas=10), 7, (WHY,), None, 5.0)
    (decided,) = decision.variants
    assert (decided.target, decided.previous, decided.reasons) == (7, 3, (WHY,))
    assert decision.at_s == 5.0


def test_the_bound_that_a_wanted_number_meets_is_the_binding_reason(
    seen: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    bounds = terms(min_replicas=2, max_replicas=10)
    above, below = (sized(seen(), bounds, wanted, (WHY,), None, 0.0).variants[0] for wanted in (50, 0))
    assert (above.target, above.binding.rule) == (10, Rule.MAX_REPLICAS)
    assert (below.target, below.binding.rule) == (2, Rule.MIN_REPLICAS)


def test_a_quota_caps_its_variant(seen: Callable[..., Any], terms: Callable[..., Any]) -> None:
    quota = terms(variants=(_variant("v", max_replicas=4),))
    decided = sized(seen(), quota, 9, (WHY,), None, 0.0).variants[0]
    assert (decided.target, decided.binding.rule) == (4, Rule.QUOTA)


def test_what_runs_of_other_variants_stays_and_counts(
    seen: Callable[..., Any], view: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    observation = seen(variants=(view(name="a", ready=2), view(name="b", ready=3)))
    both = terms(max_replicas=10, variants=(_variant("a", 5.0), _variant("b", 1.0)))
    decision = sized(observation, both, 20, (WHY,), None, 0.0)
    assert [variant.target for variant in decision.variants] == [7, 3]


def test_the_dearest_variant_gives_way_at_the_maximum(
    seen: Callable[..., Any], view: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    observation = seen(variants=(view(name="cheap"), view(name="dear"), view(name="unpriced")))
    three = terms(
        max_replicas=6, variants=(_variant("cheap", 1.0), _variant("dear", 9.0), _variant("unpriced", UNKNOWN))
    )
    wanted = {"cheap": 4, "dear": 3, "unpriced": 1}  # two too many: the unpriced one, and one dear one
    decision = mixed(observation, three, wanted, dict.fromkeys(wanted, (WHY,)), None, 0.0)
    assert [variant.target for variant in decision.variants] == [4, 2, 0]


def test_a_lack_is_made_up_by_the_first_variant_with_quota(
    seen: Callable[..., Any], view: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    observation = seen(variants=(view(name="a"), view(name="b")))
    both = terms(min_replicas=5, variants=(_variant("a", max_replicas=2), _variant("b")))
    decision = mixed(observation, both, {"a": 0, "b": 1}, {}, None, 0.0)
    assert [variant.target for variant in decision.variants] == [2, 3]


def test_what_is_missing_holds_every_variant_and_says_so(
    seen: Callable[..., Any], view: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    observation = seen(variants=(view(name="a", ready=2), view(name="b", ready=3)))
    decision = held(observation, terms(variants=(_variant("a"), _variant("b"))), "no gauges", None, 0.0)
    assert [variant.target for variant in decision.variants] == [2, 3]
    assert all(variant.binding.rule == Rule.HELD for variant in decision.variants)
    assert "no gauges" in decision.variants[1].binding.says
