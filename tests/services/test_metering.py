from __future__ import annotations

from collections.abc import Callable

import pytest

from raytide.autoscaling.live.reports import Arrivals, ReplicaReport, RequestSample
from raytide.autoscaling.observation import Iterations
from raytide.services.engines.meter import ReplicaMeter, Step

SAMPLE = RequestSample(prompt_tokens=10, output_tokens=5, ttft_s=0.1, tpot_s=0.01)
Reported = Callable[[float], ReplicaReport]


def _fill(meter: ReplicaMeter) -> None:
    meter.count_arrival(100.2, num=1, prompt_tokens=10)
    meter.count_arrival(100.9, num=2, prompt_tokens=7)
    meter.count_arrival(101.0, num=1, prompt_tokens=3)
    meter.count_error()
    meter.see_engine(running=3, waiting=2, kv_used_fraction=0.25)
    meter.see_step(Step(seconds=0.02, sequences=4, prefill_tokens=0, kv_used_fraction=0.5))
    meter.see_step(Step(seconds=0.03, sequences=9, prefill_tokens=40, kv_used_fraction=0.25))
    meter.see_first_token(0.125)
    meter.see_finished(SAMPLE)


def test_a_report_holds_everything_since_the_last_one(meter: ReplicaMeter, reported: Reported) -> None:
    _fill(meter)
    report = reported(101.5)
    assert (report.replica, report.variant, report.since_s, report.at_s) == ("a", "v", 100.0, 101.5)
    assert report.arrivals == {100: Arrivals(num=3, prompt_tokens=17), 101: Arrivals(num=1, prompt_tokens=3)}
    assert (report.errors, report.first_tokens_s, report.finished) == (1, (0.125,), (SAMPLE,))
    assert (report.running, report.waiting, report.waiting_prompt_tokens, report.kv_tokens) == (3, 2, 70, 250)
    assert report.engine.max_num_seqs == 4


def test_iterations_are_summed_in_the_units_of_the_engine(meter: ReplicaMeter, reported: Reported) -> None:
    _fill(meter)
    ran = reported(101.5).iterations
    assert (ran.num, ran.sequences, ran.root_sequences, ran.prefill_tokens) == (2, 13.0, 5.0, 40.0)
    assert ran.seconds == pytest.approx(0.05)
    assert ran.kv_tokens == pytest.approx(750.0)


def test_counting_starts_again_and_the_engines_state_stays(meter: ReplicaMeter, reported: Reported) -> None:
    _fill(meter)
    first, second = reported(101.0), reported(103.0)
    assert (second.since_s, second.arrivals, second.errors, second.finished) == (101.0, {}, 0, ())
    assert (second.first_tokens_s, second.iterations) == ((), Iterations())
    assert (second.running, second.waiting, second.kv_tokens) == (3, 2, 250)
    assert second.number == first.number + 1


def test_what_the_warm_up_counted_is_nobodys_traffic(meter: ReplicaMeter, reported: Reported) -> None:
    _fill(meter)
    meter.reset(160.0)
    report = reported(161.0)
    assert (report.since_s, report.arrivals, report.errors, report.finished) == (160.0, {}, 0, ())
    assert (report.first_tokens_s, report.iterations) == ((), Iterations())


def test_two_reports_hold_nothing_twice(meter: ReplicaMeter, reported: Reported) -> None:
    _fill(meter)
    first = reported(101.0)
    meter.see_finished(SAMPLE)
    meter.count_arrival(101.5, num=1, prompt_tokens=1)
    assert (first.finished, first.arrivals[100].num) == ((SAMPLE,), 3)
    again = reported(102.0)
    assert (again.finished, again.arrivals) == ((SAMPLE,), {101: Arrivals(num=1, prompt_tokens=1)})
