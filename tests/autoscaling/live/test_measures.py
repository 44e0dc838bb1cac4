from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.forecast.ensemble import JUDGED_Q, coverage, update
from raytide.autoscaling.forecast.work import Seconds
from raytide.autoscaling.live.measures import COUNTED, NAMES, Measure, counts_of, measures_of
from raytide.autoscaling.live.metrics import TAGS
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.learn import begin
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.terms import Terms

FACTS = {"missing_share": 0.004, "need_q50": 1.0, "need_q90": 1.5, "need_q99": 2.5}
DEMAND = Reason(rule=Rule.DEMAND, says="two", facts=FACTS)
BOUND = Reason(rule=Rule.BUDGET, says="one")


def _decision(*reasons: Reason) -> Decision:
    decided = VariantDecision(variant="v", target=2, previous=1, reasons=reasons)
    return Decision(at_s=5.0, variants=(decided,), state=None, served={"free": 0.5})


def _seen(**happened: Any) -> Observation:
    view = VariantView(name="v", target=2, num_ready=1, **happened)
    return Observation(at_s=5.0, demand=Missing(reason="none"), variants=(view,))


def _said(measures: Iterable[Measure]) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.tags.values()): one.value for one in measures}


@pytest.fixture
def new(terms: Terms) -> Knowledge:
    return begin(terms, Settings())


@pytest.fixture
def judged(new: Knowledge) -> Knowledge:
    """Forecasts of a steady need of 2, each of them judged ten seconds later, until the last need is 9."""
    forecast = new.forecast
    for at_s in range(120):
        need = np.full(1, 9.0 if at_s == 119 else 2.0)
        seconds = Seconds(arrivals=np.ones(1), work=need, need=need)
        forecast = update(forecast, seconds, now_s=float(at_s), lead_s=10.0, num_due=10)
    return replace(new, forecast=forecast, cold_starts_s={"v": 12.5})


def test_a_decision_is_told_in_numbers(terms: Terms, new: Knowledge) -> None:
    said = _said(measures_of(_decision(DEMAND, BOUND), new, terms))
    assert said["raytide_desired_replicas", "v"] == 2.0
    assert said["raytide_usd_per_hour", "v"] == 2 * 3600.0
    assert said["raytide_predicted_attainment",] == pytest.approx(0.996)
    assert [said["raytide_forecast_replicas", q] for q in ("0.5", "0.9", "0.99")] == [1.0, 1.5, 2.5]
    assert said["raytide_served_share", "free"] == 0.5
    binding = {key[1]: value for key, value in said.items() if key[0] == "raytide_binding_constraint"}
    assert [rule for rule, value in binding.items() if value] == ["budget"]
    assert len(binding) == len(Rule)


def test_what_was_learnt_is_told_in_numbers(terms: Terms, judged: Knowledge) -> None:
    said = _said(measures_of(_decision(DEMAND), judged, terms))
    assert said["raytide_learnt_cold_start_seconds", "v"] == 12.5
    covered = said["raytide_forecast_coverage", f"{JUDGED_Q:g}"]
    assert covered == coverage(judged.forecast)
    assert 0.9 < covered < 1.0


def test_what_is_not_known_is_left_out(terms: Terms, new: Knowledge) -> None:
    unpriced = replace(terms, variants=(replace(terms.variants[0], usd_per_hour=Missing(reason="none")),))
    held = _decision(Reason(rule=Rule.HELD, says="held"))
    names = {key[0] for key in _said(measures_of(held, new, unpriced))}
    assert names == {"raytide_desired_replicas", "raytide_binding_constraint", "raytide_served_share"}


def test_starts_and_losses_are_counted_as_they_happen() -> None:
    assert _said(counts_of(_seen(became_ready_after_s=(4.0, 6.5), num_failed_starts=1, num_preempted=3))) == {
        ("raytide_cold_starts", "v", "ready"): 2.0,
        ("raytide_cold_starts", "v", "failed"): 1.0,
        ("raytide_cold_start_seconds", "v"): 10.5,
        ("raytide_lost_replicas", "v"): 3.0,
    }


def test_a_counter_is_never_asked_to_add_nothing() -> None:
    """Ray's refuses it."""
    assert list(counts_of(_seen())) == []


def test_every_measure_has_a_description_and_the_tags_of_its_metric(terms: Terms, judged: Knowledge) -> None:
    shown = list(measures_of(_decision(DEMAND), judged, terms))
    counted = list(counts_of(_seen(became_ready_after_s=(4.0,), num_preempted=1)))
    assert {one.name for one in shown} == set(NAMES)
    assert {one.name for one in counted} == set(COUNTED)
    assert set(TAGS) == {*NAMES, *COUNTED}
    assert all(tuple(one.tags) == TAGS[one.name] for one in (*shown, *counted))
