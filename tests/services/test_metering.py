from __future__ import annotations

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.reports import ReplicaReport, RequestSample
from raytide.services.engines.meter import ReplicaMeter

SAMPLE = RequestSample(prompt_tokens=10, output_tokens=5, ttft_s=0.1, tpot_s=0.01)


def _fill(meter: ReplicaMeter) -> None:
    meter.count_arrival()
    meter.count_arrival()
    meter.count_error()
    meter.see_finished(SAMPLE)
    meter.see_engine(running=3, waiting=2, kv_used_fraction=0.25)


def test_a_report_holds_everything_since_the_last_one(meter: ReplicaMeter, capacity: Capacity) -> None:
    _fill(meter)
    assert meter.report(101.5, capacity) == ReplicaReport(
        replica="a",
        variant="v",
        at_s=101.5,
        span_s=1.5,
        arrivals=2,
        errors=1,
        running=3,
        waiting=2,
        kv_used_fraction=0.25,
        finished=(SAMPLE,),
        capacity=capacity,
    )


def test_counting_starts_again_and_the_engines_state_stays(meter: ReplicaMeter, capacity: Capacity) -> None:
    _fill(meter)
    meter.report(101.0, capacity)
    second = meter.report(103.0, capacity)
    assert (second.span_s, second.arrivals, second.errors, second.finished) == (2.0, 0, 0, ())
    assert (second.running, second.waiting, second.kv_used_fraction) == (3, 2, 0.25)


def test_what_the_warm_up_counted_is_nobodys_traffic(meter: ReplicaMeter, capacity: Capacity) -> None:
    _fill(meter)
    meter.reset(160.0)
    report = meter.report(161.0, capacity)
    assert (report.span_s, report.arrivals, report.errors, report.finished) == (1.0, 0, 0, ())


def test_two_reports_hold_nothing_twice(meter: ReplicaMeter, capacity: Capacity) -> None:
    _fill(meter)
    first = meter.report(101.0, capacity)
    meter.see_finished(SAMPLE)
    assert first.finished == (SAMPLE,)
    assert meter.report(102.0, capacity).finished == (SAMPLE,)
