from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.observe import Observer
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Gauges, Iterations, Observation
from raytide.autoscaling.terms import Objective, Terms

ReportOf = Callable[..., ReplicaReport]
FleetOf = Callable[..., Fleet]
TERMS = Terms(
    objective=Objective(ttft_s=0.5, tpot_s=0.05, attainment=0.99), variants=(), min_replicas=1, max_replicas=9
)
SILENT = Missing(reason="no ready replica reports")


def _observe(observer: Observer, *fleets: Fleet, now_s: float) -> Observation:
    return observer.observe(fleets, TERMS, now_s, stale_after_s=15.0)


def _heard(*reports: ReplicaReport) -> Observer:
    observer = Observer()
    for report in reports:
        observer.hear(report, report.at_s)
    return observer


def _gauges(observation: Observation) -> Gauges:
    gauges = observation.variants[0].gauges
    assert isinstance(gauges, Gauges)
    return gauges


def test_a_view_joins_what_serve_and_the_replicas_say(report_of: ReportOf, fleet_of: FleetOf) -> None:
    reports = [
        report_of(running=3, waiting=1, waiting_prompt_tokens=70, kv_tokens=900),
        report_of(replica="b", running=2, kv_tokens=40),
    ]
    seen = _observe(_heard(*reports), fleet_of("ab", draining="d", target=4, c=88.0, e=93.0), now_s=103.0)
    (view,) = seen.variants
    assert (seen.at_s, view.name, view.target, view.num_ready, view.num_draining) == (103.0, "v", 4, 2, 1)
    assert view.starting_for_s == (15.0, 10.0)
    assert view.engine == reports[0].engine
    gauges = _gauges(seen)
    assert (gauges.running.tolist(), gauges.waiting.tolist()) == ([3, 2], [1, 0])
    assert (gauges.waiting_prompt_tokens.tolist(), gauges.kv_tokens.tolist()) == ([70, 0], [900, 40])


def test_silence_is_missing_and_never_zero(report_of: ReportOf, fleet_of: FleetOf) -> None:
    for observer, now_s in ((Observer(), 100.0), (_heard(report_of(100.0)), 115.1)):
        seen = _observe(observer, fleet_of("ab"), now_s=now_s)
        assert seen.demand == Missing(reason="none of 2 ready replicas reported within 15 s")
        assert (seen.variants[0].gauges, seen.variants[0].iterations) == (SILENT, SILENT)
        assert seen.variants[0].engine == Missing(reason="no replica has reported its capacity yet")


def test_an_idle_replica_that_reports_asks_for_nothing(report_of: ReportOf, fleet_of: FleetOf) -> None:
    seen = _observe(_heard(report_of(100.0), report_of(101.0)), fleet_of(), now_s=110.0)
    assert isinstance(seen.demand, Demand)
    assert (seen.demand.arrivals.tolist(), seen.variants[0].iterations) == ([0, 0], Iterations())


def test_the_seconds_of_two_observations_follow_on_each_other(report_of: ReportOf, fleet_of: FleetOf) -> None:
    observer, spans = Observer(), []
    for at_s in range(100, 131):
        observer.hear(report_of(float(at_s), 1), float(at_s))
        if at_s % 5 == 0:
            demand = _observe(observer, fleet_of(), now_s=at_s + 0.4).demand
            assert isinstance(demand, Demand)
            spans.append(demand.arrivals.tolist())
    assert spans == [[], [1] * 4, *[[1] * 5] * 5]


def test_what_finished_while_draining_counts_and_its_batch_does_not(report_of: ReportOf, fleet_of: FleetOf) -> None:
    reports = [report_of(100.0, 1, running=1), report_of(100.0, 2, replica="b", running=7)]
    seen = _observe(_heard(*reports), fleet_of("a", draining="b"), now_s=105.0)
    assert isinstance(seen.demand, Demand)
    assert (seen.demand.finished.num, _gauges(seen).running.tolist()) == (3, [1])


def test_a_lost_replica_takes_nothing_back(report_of: ReportOf, fleet_of: FleetOf) -> None:
    observer = _heard(*(report_of(float(at_s), 3) for at_s in range(101, 106)))
    first = _observe(observer, fleet_of("a"), now_s=107.0).demand
    for at_s in range(106, 111):
        observer.hear(report_of(float(at_s), 1, replica="b", number=at_s - 105), float(at_s))
    seen = _observe(observer, fleet_of("b", target=1), now_s=112.0)
    assert isinstance(first, Demand)
    assert isinstance(seen.demand, Demand)
    assert (first.finished.num, seen.demand.finished.num) == (15, 5)
    assert min(first.arrivals.tolist() + seen.demand.arrivals.tolist()) >= 0


def test_iterations_add_up_over_replicas_and_reports(report_of: ReportOf, fleet_of: FleetOf) -> None:
    one = Iterations(num=10, seconds=0.5, sequences=40.0, root_sequences=20.0, kv_tokens=900.0, prefill_tokens=60.0)
    reports = [report_of(at_s, replica=name, iterations=one) for at_s in (100.0, 101.0) for name in "ab"]
    seen = _observe(_heard(*reports), fleet_of("ab"), now_s=103.0)
    assert seen.variants[0].iterations == Iterations(
        num=40, seconds=2.0, sequences=160.0, root_sequences=80.0, kv_tokens=3600.0, prefill_tokens=240.0
    )


def test_each_variant_has_its_own(report_of: ReportOf, fleet_of: FleetOf) -> None:
    other = replace(fleet_of("b"), variant="w")
    seen = _observe(
        _heard(report_of(running=2), report_of(replica="b", variant="w")), fleet_of("a"), other, now_s=103.0
    )
    assert [view.name for view in seen.variants] == ["v", "w"]
    assert _gauges(seen).running.tolist() == [2]


def test_what_happened_to_the_replicas_is_seen_once(report_of: ReportOf, fleet_of: FleetOf) -> None:
    observer = _heard(report_of(100.0))
    looks = [fleet_of("a", b=80.0), fleet_of("ab"), fleet_of("ab"), fleet_of("a", target=2)]
    seen = [_observe(observer, fleet, now_s=100.0 + 5 * at).variants[0] for at, fleet in enumerate(looks)]
    assert [view.became_ready_after_s for view in seen] == [(), (25.0,), (), ()]
    assert [view.num_preempted for view in seen] == [0, 0, 0, 1]


@pytest.mark.parametrize(("names", "middle"), [("abc", "b"), ("bc", "b"), ("c", "c")])
def test_the_middle_replica_says_what_one_can_do(
    report_of: ReportOf, fleet_of: FleetOf, capacity: Capacity, names: str, middle: str
) -> None:
    def faster(factor: float) -> Capacity:
        points = tuple(replace(p, output_tokens_per_s=p.output_tokens_per_s * factor) for p in capacity.points)
        return replace(capacity, points=points)

    measured = {"a": faster(0.1), "b": faster(1), "c": faster(9)}
    observer = _heard(*(report_of(replica=name, capacity=measured[name]) for name in names))
    assert observer.capacity(fleet_of(names), 90.0) == measured[middle]


def test_a_service_that_is_asleep_is_calm_and_not_silent(fleet_of: FleetOf) -> None:
    observer, asleep = Observer(), fleet_of("", target=0)
    demands = [_observe(observer, asleep, now_s=now_s).demand for now_s in (100.0, 105.0, 110.0)]
    known = [(demand.span_s, demand.num_arrivals) for demand in demands if isinstance(demand, Demand)]
    assert known == [(0.0, 0), (5.0, 0), (5.0, 0)]


def test_while_the_first_replica_is_on_its_way_it_is_still_calm(fleet_of: FleetOf, report_of: ReportOf) -> None:
    observer = Observer()
    _observe(observer, fleet_of("", target=0), now_s=100.0)
    waking = _observe(observer, fleet_of("", target=1, a=101.0), now_s=105.0)
    assert isinstance(waking.demand, Demand)
    observer.hear(report_of(110.0, {108: 3}), 110.0)
    awake = _observe(observer, fleet_of("a"), now_s=111.0).demand
    assert isinstance(awake, Demand)
    assert awake.num_arrivals == 3


def test_who_waits_for_a_service_to_wake_is_counted_when_it_came_and_not_when_a_replica_took_it(
    fleet_of: FleetOf, report_of: ReportOf
) -> None:
    observer, waking = Observer(), fleet_of("", target=1, a=103.0)
    _observe(observer, fleet_of("", target=0), now_s=100.0)
    for now_s in (105.0, 110.0, 115.0):
        seen = observer.observe((waking,), TERMS, now_s, 15.0, num_queued=9)
        assert isinstance(seen.demand, Demand)
        assert (seen.demand.span_s, seen.num_queued) == (0.0, 9)
    observer.hear(report_of(120.0, dict.fromkeys(range(103, 116), 1)), 120.0)
    awake = _observe(observer, fleet_of("a"), now_s=121.0).demand
    assert isinstance(awake, Demand)
    assert awake.arrivals.max() == 1
    assert (awake.num_arrivals, awake.span_s) == (13, 21.0)


def test_a_service_whose_replicas_are_lost_is_silent_and_not_asleep(fleet_of: FleetOf, report_of: ReportOf) -> None:
    observer = _heard(report_of(100.0))
    _observe(observer, fleet_of("a"), now_s=100.0)
    lost = _observe(observer, fleet_of("", target=1, b=104.0), now_s=105.0)
    assert lost.demand == Missing(reason="none of 0 ready replicas reported within 15 s")


def test_what_a_replica_measured_stays_known_when_none_runs(fleet_of: FleetOf, report_of: ReportOf) -> None:
    observer = _heard(report_of(100.0))
    _observe(observer, fleet_of("a"), now_s=100.0)
    (view,) = _observe(observer, fleet_of("", target=0), now_s=200.0).variants
    assert view.engine == report_of(100.0).engine
    (other_life,) = _observe(Observer(observer.engines), fleet_of("", target=0), now_s=300.0).variants
    assert other_life.engine == view.engine
