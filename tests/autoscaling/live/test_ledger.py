from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.ledger import KEPT_RECORDS, Ledger, records_of
from raytide.autoscaling.live.summary import summarise
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Finished, Gauges, Observation, VariantView
from raytide.autoscaling.spend import Spend
from raytide.autoscaling.terms import Terms

STAYS = VariantDecision(
    variant="v",
    target=1,
    previous=1,
    reasons=(Reason(rule=Rule.DEMAND, says="calm", facts={"need": 1, "need_q50": 0.123456}),),
)
GROWS = replace(STAYS, target=2)
FLEET = Fleet(variant="v", target=1, ready=frozenset("a"))
BLIND = Missing(reason="nothing came")


def _demand(num: int = 2, attained: int = 2, ttft_s: float = 0.25) -> Demand:
    return Demand(
        span_s=5.0,
        arrivals=np.array([num, 0, 0, 0, 0]),
        arrived_prompt_tokens=np.array([10 * num, 0, 0, 0, 0]),
        finished=Finished(num=num, attained=attained, prompt_tokens=10.0 * num, output_tokens=4.0 * num, errors=1),
        ttft=Latencies.of([ttft_s] * num),
        tpot=Latencies.of([0.01] * num),
    )


def _seen(at_s: float, demand: Demand | Missing = BLIND) -> Observation:
    two = np.array([1, 2])
    gauges = Gauges(running=two, waiting=two - 1, waiting_prompt_tokens=two, kv_tokens=two)
    view = VariantView(name="v", target=2, num_ready=2, starting_for_s=(3.0,), gauges=gauges)
    return Observation(at_s=at_s, demand=demand, variants=(view,))


def _enter(ledger: Ledger, terms: Terms, *variants: VariantDecision, demand: Demand | Missing = BLIND) -> None:
    at_s = ledger.last.at_s + 1 if ledger.last else 0.0
    for variant in variants:
        decision = Decision(at_s=at_s, variants=(variant,), state=None)
        ledger.enter(_seen(at_s, demand), decision, (FLEET,), terms)
        at_s += 1


def _summary(ledger: Ledger, terms: Terms, capacity: Capacity | Missing) -> dict[str, Any]:
    told = json.dumps(summarise(terms, ledger, {"v": capacity}, {"v": 12.34}), allow_nan=False)
    found: dict[str, Any] = json.loads(told)
    return found


def test_a_record_has_every_number_and_the_price_of_its_target(terms: Terms) -> None:
    (entry,) = records_of(Decision(at_s=12.3456, variants=(GROWS,), state=None), terms)
    assert json.loads(json.dumps(entry)) == {
        "at_s": 12.346,
        "variant": "v",
        "previous": 1,
        "target": 2,
        "rule": "demand",
        "usd_per_hour": 7200.0,
        "reasons": [{"rule": "demand", "says": "calm", "facts": {"need": 1, "need_q50": 0.1235}}],
    }


def test_a_target_without_a_price_costs_nothing_that_is_known(terms: Terms) -> None:
    unpriced = replace(terms, variants=(replace(terms.variants[0], usd_per_hour=BLIND),))
    (entry,) = records_of(Decision(at_s=1.0, variants=(GROWS,), state=None), unpriced)
    assert entry["usd_per_hour"] is None


def test_only_news_is_recorded(terms: Terms) -> None:
    ledger, grown = Ledger(), replace(GROWS, previous=2)
    _enter(ledger, terms, STAYS, STAYS, GROWS, grown, grown)
    moves = [(entry["at_s"], entry["previous"], entry["target"]) for entry in ledger.records]
    assert moves == [(0, 1, 1), (2, 1, 2), (3, 2, 2)]


def test_another_binding_rule_is_news(terms: Terms) -> None:
    ledger, held = Ledger(), replace(STAYS, reasons=(Reason(rule=Rule.HELD, says="blind"),))
    _enter(ledger, terms, STAYS, held, STAYS)
    assert [entry["rule"] for entry in ledger.records] == ["demand", "held", "demand"]


def test_the_latest_records_are_kept(terms: Terms) -> None:
    ledger = Ledger()
    _enter(ledger, terms, *[GROWS] * (KEPT_RECORDS + 5))
    assert [ledger.records[0]["at_s"], len(ledger.records)] == [5.0, KEPT_RECORDS]


def test_spend_and_attainment_go_on_from_the_life_before(terms: Terms) -> None:
    ledger = Ledger(Spend(replica_seconds=10.0, usd=10.0))
    _enter(ledger, terms, STAYS, STAYS, STAYS, demand=_demand(num=4, attained=3))
    assert ledger.spend == Spend(replica_seconds=12.0, usd=12.0)
    assert (ledger.kept.num, ledger.kept.share) == (12, 0.75)


def test_a_summary_is_plain_data_of_the_last_minute(terms: Terms, capacity: Capacity) -> None:
    ledger = Ledger()
    for demand in (_demand(num=100, attained=100, ttft_s=9.0), *[_demand()] * 60):
        _enter(ledger, terms, STAYS, demand=demand)
    summary = _summary(ledger, terms, capacity)
    assert summary["traffic"] == {
        "arrivals_per_s": 0.4,
        "prompt_tokens": 10.0,
        "output_tokens": 4.0,
        "running": 3,
        "waiting": 1,
        "errors": 60,
        "finished": 120,
        "ttft_p99_s": pytest.approx(0.25, rel=0.05),
        "tpot_p99_s": pytest.approx(0.01, rel=0.05),
    }
    (variant,) = summary["variants"]
    assert (variant["ready"], variant["starting"], variant["target"], variant["usd_per_hour"]) == (2, 1, 2, 3600.0)
    assert (variant["cold_start_s"], variant["cold_start_is_learnt"]) == (12.3, True)
    assert Capacity.from_json(variant["capacity"]) == capacity
    assert summary["attainment"] == {"share": 1.0, "wanted": 0.99, "requests": 220}
    assert (summary["at_s"], len(summary["decisions"]), summary["replica_seconds"]) == (60.0, 1, 60.0)


def test_a_summary_says_what_is_missing(terms: Terms) -> None:
    nothing = _summary(Ledger(), terms, BLIND)
    assert (nothing["variants"], nothing["traffic"]) == ([], {"missing": "nothing was observed yet"})
    assert nothing["attainment"]["share"] == {"missing": "no request has finished so far"}
    blind = Ledger()
    _enter(blind, terms, STAYS)
    summary = _summary(blind, terms, BLIND)
    assert [summary["traffic"], summary["variants"][0]["capacity"]] == [{"missing": "nothing came"}] * 2
    quiet = Ledger()
    _enter(quiet, terms, STAYS, demand=_demand(num=0, attained=0))
    assert _summary(quiet, terms, BLIND)["traffic"]["ttft_p99_s"] == {"missing": "no request was counted"}
