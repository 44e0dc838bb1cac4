from __future__ import annotations

from dataclasses import replace

import pytest

from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.live.gauges import _TAGS
from raytide.autoscaling.live.measures import NAMES, Measure, measures_of
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Terms

FACTS = {"missing_share": 0.004, "need_q50": 1.0, "need_q90": 1.5, "need_q99": 2.5}
DEMAND = Reason(rule=Rule.DEMAND, says="two", facts=FACTS)
BOUND = Reason(rule=Rule.BUDGET, says="one")


def _decision(*reasons: Reason) -> Decision:
    decided = VariantDecision(variant="v", target=2, previous=1, reasons=reasons)
    return Decision(at_s=5.0, variants=(decided,), state=None, served={"free": 0.5})


def _said(decision: Decision, terms: Terms) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.tags.values()): one.value for one in measures_of(decision, terms)}


def test_a_decision_is_told_in_numbers(terms: Terms) -> None:
    said = _said(_decision(DEMAND, BOUND), terms)
    assert said["raytide_desired_replicas", "v"] == 2.0
    assert said["raytide_usd_per_hour", "v"] == 2 * 3600.0
    assert said["raytide_predicted_attainment",] == pytest.approx(0.996)
    assert [said["raytide_forecast_replicas", q] for q in ("0.5", "0.9", "0.99")] == [1.0, 1.5, 2.5]
    assert said["raytide_served_share", "free"] == 0.5
    binding = {key[1]: value for key, value in said.items() if key[0] == "raytide_binding_constraint"}
    assert [rule for rule, value in binding.items() if value] == ["budget"]
    assert len(binding) == len(Rule)


def test_what_is_not_known_is_left_out(terms: Terms) -> None:
    unpriced = replace(terms, variants=(replace(terms.variants[0], usd_per_hour=Missing(reason="none")),))
    names = {key[0] for key in _said(_decision(Reason(rule=Rule.HELD, says="held")), unpriced)}
    assert names == {"raytide_desired_replicas", "raytide_binding_constraint", "raytide_served_share"}


def test_every_measure_has_a_description_and_the_tags_of_its_gauge(terms: Terms) -> None:
    shown: list[Measure] = list(measures_of(_decision(DEMAND), terms))
    assert {one.name for one in shown} == set(NAMES) == set(_TAGS)
    assert all(tuple(one.tags) == _TAGS[one.name] for one in shown)
