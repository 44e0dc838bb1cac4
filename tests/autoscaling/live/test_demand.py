from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.live.counted import ClassCount
from raytide.autoscaling.live.demand import FORGOTTEN_AFTER_S, Unobserved, demand_of, finished_of
from raytide.autoscaling.live.reports import ReplicaReport, RequestSample
from raytide.autoscaling.observation import NOT_BY_CLASS, ClassDemand, Demand
from raytide.autoscaling.terms import Objective, Terms, TrafficClass

ReportOf = Callable[..., ReplicaReport]
OBJECTIVE = Objective(ttft_s=0.5, tpot_s=0.05, attainment=0.99)
CLASSES = (TrafficClass(name="paid", priority=1), TrafficClass(name="free", priority=0))
TERMS = Terms(objective=OBJECTIVE, variants=(), min_replicas=1, max_replicas=9, classes=CLASSES)


def _seconds(demand: Demand) -> list[int]:
    counts: list[int] = demand.arrivals.tolist()
    return counts


def test_arrivals_are_counted_by_the_second_over_all_replicas(report_of: ReportOf) -> None:
    reports = [report_of(99.5, {98: 2}), report_of(100.5, {99: 1, 100: 4}), report_of(100.2, {98: 3}, replica="b")]
    demand, rest = demand_of(Unobserved(since_s=97), reports, TERMS, 102.5)
    assert (demand.span_s, _seconds(demand)) == (3.0, [0, 5, 1])
    assert demand.arrived_prompt_tokens.tolist() == [0, 500, 100]
    assert (rest.since_s, rest.arrivals[100].num) == (100, 4)


def test_a_second_is_observed_once_every_replica_could_report_it(report_of: ReportOf) -> None:
    demand, rest = demand_of(Unobserved(since_s=97), [report_of(100.9, {98: 1, 100: 9})], TERMS, 101.0)
    assert _seconds(demand) == [0, 1]
    demand, rest = demand_of(rest, [report_of(102.9, {101: 2})], TERMS, 104.0)
    assert (_seconds(demand), rest.since_s) == ([0, 9, 2], 102)


def test_what_is_told_late_counts_in_the_first_second_and_is_not_lost(report_of: ReportOf) -> None:
    demand, _ = demand_of(Unobserved(since_s=100), [report_of(103.0, {80: 2, 99: 1, 101: 5})], TERMS, 105.0)
    assert _seconds(demand) == [3, 5, 0]


def test_where_nobody_reports_time_stands_still_and_is_not_calm(report_of: ReportOf) -> None:
    demand, rest = demand_of(Unobserved(since_s=90), [report_of(93.0, {92: 1})], TERMS, 120.0)
    assert _seconds(demand) == [0, 0, 1]
    silent, rest = demand_of(rest, [], TERMS, 125.0)
    assert (silent.span_s, _seconds(silent), rest.since_s) == (0.0, [], 93)


def test_after_a_silence_it_goes_on_where_the_reports_begin(report_of: ReportOf) -> None:
    before = demand_of(Unobserved(since_s=90), [report_of(93.0, {92: 1, 93: 7})], TERMS, 95.0)[1]
    back = [report_of(161.0, {160: 2}), report_of(162.0, {161: 1})]
    demand, _ = demand_of(before.resumed(back), back, TERMS, 170.0)
    assert _seconds(demand) == [7 + 2, 1]


def test_after_a_silence_whoever_waited_through_it_is_counted_when_it_came(report_of: ReportOf) -> None:
    before = demand_of(Unobserved(since_s=90), [report_of(93.0, {92: 1})], TERMS, 95.0)[1]
    back = [report_of(161.0, {155: 1, 156: 1, 158: 2, 160: 1})]
    demand, _ = demand_of(before.resumed(back), back, TERMS, 170.0)
    assert _seconds(demand) == [1, 1, 0, 2, 0, 1]


def _shed(num: int, of: int) -> ClassCount:
    return ClassCount(num=of, prompt_tokens=100 * of, num_shed=num, shed_prompt_tokens=100 * num)


def test_who_was_turned_away_arrived_although_no_engine_has_heard_of_it(report_of: ReportOf) -> None:
    told = Unobserved(since_s=97).with_classes(98, {"paid": _shed(0, 3), "free": _shed(4, 6)})
    told = told.with_classes(99, {"free": _shed(1, 1)}).with_classes(100, {"free": _shed(9, 9)})
    demand, rest = demand_of(told, [report_of(100.5, {98: 5})], TERMS, 102.5)
    assert (_seconds(demand), demand.arrived_prompt_tokens.tolist()) == ([0, 9, 1], [0, 900, 100])
    assert demand.by_class == (
        ClassDemand(name="paid", num_arrivals=3, num_shed=0, prompt_tokens=300),
        ClassDemand(name="free", num_arrivals=7, num_shed=5, prompt_tokens=700),
    )
    later, _ = demand_of(rest, [report_of(101.5)], TERMS, 103.5)
    assert _seconds(later) == [9]


def test_where_no_gateway_spoke_the_classes_are_missing_and_where_one_did_they_may_be_empty(
    report_of: ReportOf,
) -> None:
    silent, _ = demand_of(Unobserved(since_s=97), [report_of(100.5, {98: 5})], TERMS, 102.5)
    assert silent.by_class == NOT_BY_CLASS
    calm, _ = demand_of(Unobserved(since_s=97).with_classes(98, {}), [report_of(100.5)], TERMS, 102.5)
    assert calm.by_class == tuple(
        ClassDemand(name=name, num_arrivals=0, num_shed=0, prompt_tokens=0) for name in ("paid", "free")
    )


def test_what_gateways_say_while_no_replica_reports_is_no_burst_of_the_first_second_after_it(
    report_of: ReportOf,
) -> None:
    told = Unobserved(since_s=100)
    for second in range(100, 163):
        told = told.with_classes(second, {"free": _shed(2, 2)})
    back = [report_of(161.0, {160: 1}), report_of(162.0, {161: 1})]
    demand, _ = demand_of(told.resumed(back), back, TERMS, 170.0)
    assert _seconds(demand) == [3, 3]


def test_what_gateways_said_long_ago_is_forgotten() -> None:
    told = Unobserved(since_s=100)
    for second in range(100, 100 + 2 * FORGOTTEN_AFTER_S):
        told = told.with_classes(second, {"free": _shed(1, 1)})
    assert len(told.classes) == FORGOTTEN_AFTER_S + 1


def test_latencies_are_those_of_first_tokens_and_of_answers_with_more_than_one(
    report_of: ReportOf, sample: RequestSample
) -> None:
    single = replace(sample, output_tokens=1, tpot_s=0.0)
    said = report_of(100.0, first_tokens_s=(0.1, 0.2, 0.3), finished=(sample, single))
    demand, _ = demand_of(Unobserved(since_s=99), [said], TERMS, 110.0)
    assert (demand.ttft.num, demand.tpot.num, demand.finished.num) == (3, 1, 2)


def test_sums_say_what_finished_and_which_bound_was_missed(sample: RequestSample) -> None:
    late, slow = replace(sample, ttft_s=0.51), replace(sample, tpot_s=0.051, cached_tokens=60)
    both = replace(sample, ttft_s=9.0, tpot_s=9.0)
    done = finished_of([sample, late, slow, both, replace(sample, ttft_s=0.5, tpot_s=0.05)], 3, OBJECTIVE)
    assert (done.num, done.attained, done.missed_ttft, done.missed_tpot, done.errors) == (5, 2, 2, 2, 3)
    assert (done.prompt_tokens, done.cached_tokens, done.output_tokens) == (500.0, 60.0, 400.0)
    assert (done.prompt_tokens_squared, done.output_tokens_squared) == (5 * 100.0**2, 5 * 80.0**2)
    assert done.kv_token_steps == 5 * 80 * (100 + 40)


REPORTS = st.lists(
    st.tuples(st.integers(100, 160), st.dictionaries(st.integers(95, 160), st.integers(1, 9))), max_size=30
)


@given(REPORTS, st.lists(st.integers(1, 12), min_size=1, max_size=12))
def test_every_arrival_is_observed_once_however_reports_and_looks_fall(
    report_of: ReportOf, told: list[tuple[int, dict[int, int]]], waits_s: list[int]
) -> None:
    unobserved, now_s, observed = Unobserved(since_s=100), 100.0, 0
    waiting = sorted(told, key=lambda one: one[0])
    for waited_s in [*waits_s, 300]:
        now_s += waited_s
        new = [report_of(float(at_s), arrived) for at_s, arrived in waiting if at_s <= now_s]
        waiting = [one for one in waiting if one[0] > now_s]
        new += [report_of(now_s)]
        demand, after = demand_of(unobserved, new, TERMS, now_s)
        assert after.since_s == unobserved.since_s + len(demand.arrivals)
        observed, unobserved = observed + demand.num_arrivals, after
    assert observed == sum(sum(arrived.values()) for _, arrived in told)
