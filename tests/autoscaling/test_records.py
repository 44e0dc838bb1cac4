from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.live import journal
from raytide.autoscaling.live.decided import Decision, State, VariantDecision
from raytide.autoscaling.live.ledger import KEPT_RECORDS, Ledger
from raytide.autoscaling.live.reports import Observation, RequestSample, Traffic, VariantView
from raytide.autoscaling.live.sizing import Limits
from raytide.autoscaling.live.summary import summarise
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.spend import Spend

STAYS = VariantDecision(
    variant="v",
    target=1,
    previous=1,
    reasons=(Reason(rule=Rule.DEMAND, says="calm", facts={"need": 1, "replicas_busy": 0.123456}),),
    usd_per_hour=2.0,
)
GROWS = replace(STAYS, target=2)


def _decision(at_s: float, variant: VariantDecision) -> Decision:
    return Decision(at_s=at_s, variants=(variant,), state=State())


def test_spend_is_replicas_times_time_times_price() -> None:
    assert Spend().after(2, 1800.0, 3.0) == Spend(replica_seconds=3600.0, usd=3.0)


def test_without_a_price_only_time_is_counted() -> None:
    assert Spend().after(2, 10.0, Missing(reason="no pool")) == Spend(replica_seconds=20.0, usd=0.0)


def test_a_clock_that_is_set_back_gives_no_money_back() -> None:
    spent = Spend(replica_seconds=5.0, usd=1.0)
    assert spent.after(2, -60.0, 3.0) == spent


@given(st.integers(0, 100), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 100))
def test_spend_adds_up(num_replicas: int, first_s: float, then_s: float, price: float) -> None:
    apart = Spend().after(num_replicas, first_s, price).after(num_replicas, then_s, price)
    at_once = Spend().after(num_replicas, first_s + then_s, price)
    assert apart.usd == pytest.approx(at_once.usd)
    assert apart.replica_seconds == pytest.approx(at_once.replica_seconds)
    assert min(apart.usd, apart.replica_seconds) >= 0


def test_a_record_is_a_line_of_json_with_every_number() -> None:
    (entry,) = journal.record(_decision(12.3456, GROWS))
    line = journal.line(entry)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line) == entry
    assert entry == {
        "at_s": 12.346,
        "variant": "v",
        "previous": 1,
        "target": 2,
        "rule": "demand",
        "usd_per_hour": 2.0,
        "reasons": [{"rule": "demand", "says": "calm", "facts": {"need": 1, "replicas_busy": 0.1235}}],
    }


def test_the_ledger_writes_only_news(tmp_path: Path) -> None:
    file = tmp_path / "journal" / "chat.jsonl"
    ledger = Ledger(file)
    for at_s, variant in enumerate([STAYS, STAYS, GROWS, replace(GROWS, previous=2), replace(GROWS, previous=2)]):
        ledger.enter(_decision(float(at_s), variant), 1, 3600.0)
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(entry["at_s"], entry["previous"], entry["target"]) for entry in written] == [
        (0, 1, 1),
        (2, 1, 2),
        (3, 2, 2),
    ]
    assert written == ledger.records
    assert ledger.spend == Spend(replica_seconds=4.0, usd=4.0)


def test_another_binding_rule_is_news() -> None:
    ledger = Ledger(None)
    held = replace(STAYS, reasons=(Reason(rule=Rule.HELD, says="blind"),))
    for at_s, variant in enumerate([STAYS, held, STAYS]):
        ledger.enter(_decision(float(at_s), variant), 1, 1.0)
    assert [entry["rule"] for entry in ledger.records] == ["demand", "held", "demand"]


def test_the_status_keeps_the_latest_records() -> None:
    ledger = Ledger(None)
    for at_s in range(KEPT_RECORDS + 5):
        ledger.enter(_decision(float(at_s), GROWS), 1, 1.0)
    assert [ledger.records[0]["at_s"], len(ledger.records)] == [5.0, KEPT_RECORDS]


def test_attainment_is_the_share_of_judged_moments_that_held(view: VariantView, limits: Limits) -> None:
    ledger = Ledger(None)
    assert ledger.attainment.share == Missing(reason="too few requests for a verdict so far")
    fast = RequestSample(prompt_tokens=1, output_tokens=2, ttft_s=0.25, tpot_s=0.01)
    slow = replace(fast, ttft_s=0.75)
    assert isinstance(view.traffic, Traffic)
    for samples in ((fast,) * 20, (slow,) * 20, (fast,) * 20, (fast,) * 20, (slow,) * 19, ()):
        seen = replace(view, traffic=replace(view.traffic, samples=samples))
        ledger.judge(Observation(at_s=7.0, variants=(seen,)), limits)
    ledger.judge(Observation(at_s=8.0, variants=(replace(view, traffic=Missing(reason="silent")),)), limits)
    judged = ledger.attainment
    assert (judged.judged, judged.share) == (4, 0.75)


def test_a_summary_is_plain_data_with_the_objectives_quantiles(view: VariantView, limits: Limits) -> None:
    sample = RequestSample(prompt_tokens=1, output_tokens=2, ttft_s=0.25, tpot_s=0.01)
    assert isinstance(view.traffic, Traffic)
    busy = replace(view, traffic=replace(view.traffic, samples=(sample,)))
    summary = json.loads(json.dumps(summarise(limits, Observation(at_s=7.0, variants=(busy,)), Ledger(None))))
    (variant,) = summary["variants"]
    assert (variant["ready"], variant["target"], variant["usd_per_hour"]) == (1, 1, 2.0)
    assert (variant["traffic"]["ttft_p95_s"], variant["traffic"]["tpot_p95_s"]) == (0.25, 0.01)
    assert (summary["at_s"], summary["decisions"], summary["usd"]) == (7.0, [], 0.0)


def test_a_summary_says_what_is_missing(view: VariantView, limits: Limits) -> None:
    blind = Missing(reason="nothing came")
    unknown = replace(view, traffic=blind, capacity=blind, usd_per_hour=blind)
    (variant,) = summarise(limits, Observation(at_s=7.0, variants=(unknown,)), Ledger(None))["variants"]
    assert {variant[key]["missing"] for key in ("traffic", "capacity", "usd_per_hour")} == {"nothing came"}
    assert summarise(limits, None, Ledger(None))["variants"] == []
