from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.reports import (
    Fleet,
    ReplicaReport,
    RequestSample,
    Traffic,
    VariantView,
    observe,
    quantile,
)
from raytide.autoscaling.missing import Missing

FLEET = Fleet(variant="v", num_ready=2, num_starting=1, num_stopping=1, target=3)
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def _view(*reports: ReplicaReport, now_s: float = 100.0) -> VariantView:
    observation = observe([FLEET], reports, usd_per_hour=2.0, now_s=now_s, window_s=20.0, stale_after_s=15.0)
    return observation.variants[0]


def _traffic(*reports: ReplicaReport, now_s: float = 100.0) -> Traffic:
    traffic = _view(*reports, now_s=now_s).traffic
    assert isinstance(traffic, Traffic)
    return traffic


def test_a_view_joins_what_serve_and_the_replicas_say(report: ReplicaReport) -> None:
    view = _view(report)
    assert (view.num_ready, view.num_starting, view.target, view.usd_per_hour) == (2, 1, 3, 2.0)
    assert view.capacity == report.capacity
    assert FLEET.num_holding == 4


def test_replicas_add_up_and_only_their_latest_state_counts(report: ReplicaReport) -> None:
    earlier = replace(report, at_s=99.0, running=9, waiting=9, errors=1)
    other = replace(report, replica="b", arrivals=4, running=5, waiting=0)
    traffic = _traffic(report, earlier, other)
    assert traffic.arrivals_per_s == pytest.approx((2 + 2 + 4) / 2)
    assert (traffic.running, traffic.waiting, traffic.errors) == (3 + 5, 1, 1)
    assert traffic.mean_running == (3 + 9) / 2 + 5


def test_a_replica_that_follows_another_does_not_double_the_rate(report: ReplicaReport) -> None:
    gone = [replace(report, at_s=float(at_s)) for at_s in range(86, 91)]
    new = [replace(report, replica="b", at_s=float(at_s)) for at_s in range(91, 101)]
    assert _traffic(*gone, *new).arrivals_per_s == pytest.approx(2.0)


def test_time_that_no_report_covers_is_not_calm(report: ReplicaReport) -> None:
    assert _traffic(replace(report, at_s=85.0), report).arrivals_per_s == pytest.approx(2.0)


def test_a_report_leaves_the_window(report: ReplicaReport) -> None:
    old = replace(report, at_s=79.9, arrivals=1000)
    edge = replace(report, at_s=80.0, arrivals=4)
    assert _traffic(old, edge, report).arrivals_per_s == pytest.approx((4 + 2) / 2)


def test_means_are_over_the_finished_requests(report: ReplicaReport) -> None:
    sample = RequestSample(prompt_tokens=10, output_tokens=1, ttft_s=0.1, tpot_s=0.0)
    busy = replace(report, finished=(sample, replace(sample, prompt_tokens=30, output_tokens=3)))
    traffic = _traffic(busy)
    assert (traffic.prompt_tokens, traffic.output_tokens, len(traffic.samples)) == (20.0, 2.0, 2)
    calm = _traffic(report)
    assert (calm.prompt_tokens, calm.output_tokens) == (0.0, 0.0)


def test_silence_is_not_zero_load(report: ReplicaReport) -> None:
    for view in (_view(), _view(report, now_s=115.1)):
        assert view.traffic == Missing(reason="none of 2 ready replicas reported within 15 s")
        assert view.capacity == Missing(reason="no replica has reported its capacity yet")


def test_an_idle_replica_that_reports_is_zero_load(report: ReplicaReport) -> None:
    assert _traffic(replace(report, arrivals=0), now_s=115.0).arrivals_per_s == 0.0


def test_a_silent_replica_no_longer_counts_as_running(report: ReplicaReport) -> None:
    silent = replace(report, replica="b", at_s=84.9, running=50)
    assert _traffic(report, silent).running == 3


def test_another_variants_reports_are_left_out(report: ReplicaReport) -> None:
    assert isinstance(_view(replace(report, variant="w")).traffic, Missing)


def test_the_middle_replica_says_what_one_can_do(report: ReplicaReport) -> None:
    def faster(factor: float) -> Capacity:
        points = tuple(
            replace(point, output_tokens_per_s=point.output_tokens_per_s * factor) for point in report.capacity.points
        )
        return replace(report.capacity, points=points)

    reports = [replace(report, replica=name, capacity=faster(f)) for name, f in (("a", 0.1), ("b", 1), ("c", 9))]
    assert _view(*reports).capacity == report.capacity
    assert _view(*reports[1:]).capacity == report.capacity  # of two, the slower


@pytest.mark.parametrize(("q", "value"), [(0.01, 1.0), (0.5, 2.0), (0.75, 3.0), (0.95, 4.0), (1.0, 4.0)])
def test_a_quantile_is_a_measured_value(q: float, value: float) -> None:
    assert quantile([4.0, 2.0, 1.0, 3.0], q) == value


def test_no_value_has_no_quantile() -> None:
    assert quantile([], 0.5) == Missing(reason="no request finished in the window")


@given(VALUES, st.floats(0.01, 1.0))
def test_a_quantile_covers_its_share_and_no_smaller_value_does(values: list[float], q: float) -> None:
    found = quantile(values, q)
    assert not isinstance(found, Missing)
    assert sum(value <= found for value in values) >= q * len(values) - 1e-9
    assert sum(value < found for value in values) < q * len(values)
